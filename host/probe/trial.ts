// One trial: a machine is powered on against a real back-end and lives through a story. Everything that can go wrong is
// an outcome.

import { Messenger } from "../../device/front-end/messenger.js";
import { BackEndError } from "../../device/front-end/vhost-device.js";
import { Channel } from "../../device/vhost-user/channel.js";
import { runWasiGuest } from "../../vm/guest-wasi.js";
import { GuestMemory } from "../../vm/memory.js";
import { TraceBuffer, type TraceEvent } from "../../vm/sync/trace.js";
import { GuestFault } from "../../vm/vcpu.js";
import type { GuestConsole } from "../../vm/wasi-console.js";
import type { Libc } from "../native/libc.js";
import { NativePerformer } from "../native/performer.js";
import type { NativeRam } from "../native/ram.js";
import type { NativeSocket } from "../native/socket.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import type { RunGuest } from "../scenario/catalog/script.js";
import { QUEUES, VCPU } from "../scenario/system.js";
import { type Answer, Judge, NoAnswer } from "./judge.js";
import { ProbedMachine, type SocketFrontEnd } from "./machine.js";
import type { Order, Reach } from "./order.js";
import { GUEST_DEFAULT, type Story, type StoryGuest } from "./stories.js";

/** `broken`: it died, hung up, said nothing, or what it said breaks the protocol. */
export type Outcome = Answer | "broken";

export interface Trial {
  readonly outcome: Outcome;
  /** Messages, kicks and remarks in the order in which they came to the back-end. */
  readonly log: readonly string[];
  /** Why it is broken. */
  readonly why?: string;
  readonly events: readonly TraceEvent[];
}

/** What is made once. */
export interface Stage {
  readonly libc: Libc;
  readonly ram: NativeRam;
  readonly guests: Readonly<Record<StoryGuest | "bare", WebAssembly.Module>>;
  /** driver.wasm. */
  readonly driver: WebAssembly.Module;
  /** A device of another type: requests that mean nothing go to this queue. Absent: a file system. */
  readonly otherQueue: number | undefined;
}

/**
 * @param socket connected; it is closed at the end
 * @param order the story's, for this trial
 */
export function runTrial(
  stage: Stage,
  socket: NativeSocket,
  story: Story,
  frontEnd: SocketFrontEnd,
  order: Order,
): Trial {
  GuestMemory.clear(stage.ram.memory);
  const log: string[] = [];
  const { events, reach, judge } = setUp(stage, socket, frontEnd, order, log);
  const { machine, performer } = reach;
  try {
    performer.run(SCRIPT[story.script].run(machine, guestOf(stage, story, performer)));
    performer.run(machine.machine.reset()); // nobody touches guest RAM any more
    return { outcome: judge.answer, log, events: events.events };
  } catch (error) {
    if (error instanceof NoAnswer) return { outcome: "wedged", log, events: events.events };
    if (!(error instanceof BackEndError || error instanceof GuestFault)) throw error;
    return { outcome: "broken", why: error.message, log, events: events.events };
  } finally {
    machine.close();
  }
}

/** The machine, with the order between it and the back-end, and the judge at its waits. */
function setUp(
  { libc, ram, otherQueue }: Stage,
  socket: NativeSocket,
  frontEnd: SocketFrontEnd,
  order: Order,
  log: string[],
): { readonly events: TraceBuffer; readonly reach: Reach; readonly judge: Judge } {
  const events = new TraceBuffer();
  const say = (line: string): void => {
    log.push(line);
    performer.note("probe", line);
  };
  const performer: NativePerformer = new NativePerformer(
    libc,
    VCPU,
    (op) => {
      order.waits(reach);
      return judge.await(op);
    },
    events,
  );
  const machine = new ProbedMachine(
    libc,
    ram,
    socket,
    frontEnd,
    otherQueue === undefined ? QUEUES : otherQueue + 1,
    (kick, n) => order.kick(kick, n, reach),
    performer.note,
  );
  const judge = new Judge(machine, say);
  const messenger = new Messenger(new Channel(socket.outgoing, socket.incoming));
  const reach: Reach = { machine, performer, messenger, say };
  socket.onMessage = (message) => order.message(message, reach);
  socket.onSent = say;
  return { events, reach, judge };
}

/** Runs the story's guest; one that gives up has been given something wrong. */
function guestOf(
  { guests, ram, otherQueue }: Stage,
  { guest = GUEST_DEFAULT, input = "" }: Story,
  performer: NativePerformer,
): RunGuest {
  const module = guests[otherQueue === undefined ? guest : "bare"];
  const own = otherQueue === undefined ? [] : [String(otherQueue)];
  // It runs to its end within one step: its exits are performed inside it.
  return function* (exits, args = own) {
    const said: string[] = [];
    let rest: Uint8Array = new TextEncoder().encode(input);
    const console: GuestConsole = {
      stdout() {},
      stderr: (bytes) => void said.push(new TextDecoder().decode(bytes.slice())),
      stdin(most) {
        const taken = rest.subarray(0, most);
        rest = rest.subarray(taken.length);
        return taken;
      },
    };
    const code = runWasiGuest(module, ram.memory, exits, (exit) => performer.run(exit), args, console);
    if (code !== 0) throw new BackEndError(`the guest gives up: ${said.join("").trim()}`);
  };
}
