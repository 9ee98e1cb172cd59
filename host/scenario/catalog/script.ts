// A script: what the environment does to a machine, from power-on. One story a file beside this one. It runs in the
// vCPU's actor, where QEMU's main loop and the guest meet under one lock.

import type { Actor } from "../../../vm/sync/op.js";
import type { Exit, Exits } from "../../../vm/vcpu.js";
import type { FrontEndName, GuestName } from "../occupants.js";
import type { System } from "../system.js";

/**
 * Runs the guest from its reset vector to its end, with the exits given.
 * @param args the guest's command line; absent: the one that the engine was given
 */
export type RunGuest = (exits: Exits, args?: readonly string[]) => Actor<unknown>;

/** What a script needs of a system: the vCPU's side, whoever serves the rings. */
export type Powered = Pick<System, "powerOn" | "machine" | "frontEnd" | "transport">;

export interface Script {
  /** The story in a line. */
  readonly about: string;
  /** The one occupant of a seat that it can be played with, and what the others there lack. */
  readonly only?: {
    readonly seat: "guest" | "frontEnd";
    readonly name: GuestName | FrontEndName;
    readonly why: string;
  };
  /** When the connection ends the back-end ends, and is started again; without it nobody does that. */
  readonly restarts?: boolean;
  run(system: Powered, runGuest: RunGuest): Actor;
}

/** Thrown into a guest that is reset while it runs. */
class GuestReset extends Error {
  override name = "GuestReset";
}

/** Boots, and has something happen when the guest first waits for an answer to its request: then that is in flight. */
export function* bootWhile(system: Powered, runGuest: RunGuest, happens: () => Actor): Actor {
  let happened = false;
  const { exits } = system.machine;
  const waiting = (exit: Exit): Exit =>
    function* (...args) {
      if (!happened) {
        happened = true;
        yield* happens();
      }
      return yield* exit(...args);
    };
  // Firmware polls; a kernel sleeps.
  yield* runGuest({ ...exits, stall: waiting(exits.stall), wfi: waiting(exits.wfi) });
}

/** Boots up to the moment at which the guest's request is in flight; there the machine is reset. */
export function* bootUntilInFlight(system: Powered, runGuest: RunGuest): Actor {
  try {
    // biome-ignore lint/correctness/useYield: the reset is no step
    yield* bootWhile(system, runGuest, function* () {
      throw new GuestReset();
    });
  } catch (error) {
    if (!(error instanceof GuestReset)) throw error;
  }
}
