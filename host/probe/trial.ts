// One trial: a machine is powered on against a real back-end and lives through a script, its messages and kicks in a
// given order. Everything that can go wrong is an outcome.

import { Messenger } from "../../device/front-end/messenger.js";
import { BackEndError } from "../../device/front-end/vhost-device.js";
import { Channel } from "../../device/vhost-user/channel.js";
import { GuestMemory } from "../../vm/memory.js";
import { TraceBuffer, type TraceEvent } from "../../vm/sync/trace.js";
import { runWasiGuest } from "../../vm/guest-wasi.js";
import { GuestFault } from "../../vm/vcpu.js";
import { VCPU } from "../scenario/system.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import type { RunGuest } from "../scenario/catalog/script.js";
import type { ScriptName } from "../scenario/scenario.js";
import type { Libc } from "../native/libc.js";
import { NativePerformer } from "../native/performer.js";
import type { NativeRam } from "../native/ram.js";
import type { NativeSocket } from "../native/socket.js";
import { type Answer, Judge, NoAnswer } from "./judge.js";
import { ProbedMachine, type SocketFrontEnd } from "./machine.js";
import type { Order } from "./order.js";

/** `broken`: it died, hung up, said nothing, or what it said breaks the protocol. */
export type Outcome = Answer | "broken";

export interface Trial {
  readonly outcome: Outcome;
  /** Messages, kicks and remarks in the order in which they came to the back-end. */
  readonly story: readonly string[];
  /** Why it is broken. */
  readonly why?: string;
  readonly events: readonly TraceEvent[];
}

export interface Stage {
  readonly libc: Libc;
  readonly ram: NativeRam;
  readonly guest: WebAssembly.Module;
  /** driver.wasm. */
  readonly driver: WebAssembly.Module;
}

export interface Played {
  readonly frontEnd: SocketFrontEnd;
  readonly script: ScriptName;
  readonly guestArgs?: readonly string[];
}

/** @param socket connected; it is closed at the end */
export function runTrial(stage: Stage, socket: NativeSocket, played: Played, order: Order): Trial {
  const { libc, ram, guest } = stage;
  GuestMemory.clear(ram.memory);
  const story: string[] = [];
  const said: string[] = [];
  const recorded = new TraceBuffer();
  let performer: NativePerformer | undefined;
  const say = (line: string): void => {
    story.push(line);
    performer?.note("probe", line);
  };
  const machine = new ProbedMachine(
    libc,
    ram,
    socket,
    played.frontEnd,
    (kick, n) => order.kick(kick, n, reach),
    (name, detail) => performer?.note(name, detail),
  );
  const judge = new Judge(machine, say);
  performer = new NativePerformer(
    libc,
    VCPU,
    (op) => {
      order.waits(reach);
      return judge.await(op);
    },
    recorded,
  );
  const reach = { machine, performer, say, messenger: new Messenger(new Channel(socket.outgoing, socket.incoming)) };
  socket.onMessage = (message) => order.message(message, reach);
  socket.onSent = (message) => say(message);
  const run: RunGuest = function* (exits) {
    const text = (_bytes: Uint8Array): void => {
      said.push(new TextDecoder().decode(_bytes));
    };
    const console = { stdout: () => {}, stderr: text, stdin: () => new Uint8Array() };
    const code = runWasiGuest(guest, ram.memory, exits, (exit) => performer.run(exit), played.guestArgs ?? [], console);
    if (code !== 0) throw new BackEndError(`the guest gives up: ${said.join("").trim()}`);
  };
  try {
    performer.run(SCRIPT[played.script].run(machine, run));
    performer.run(machine.machine.reset());
    return { outcome: judge.answer, story, events: recorded.events };
  } catch (error) {
    if (error instanceof NoAnswer) return { outcome: "wedged", story, events: recorded.events };
    if (!(error instanceof BackEndError || error instanceof GuestFault)) throw error;
    return { outcome: "broken", why: error.message, story, events: recorded.events };
  } finally {
    machine.close();
  }
}
