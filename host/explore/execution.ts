// One execution of a system under a scheduler: the same actors as on threads, their ops performed one at a time, in one
// thread, in an order that somebody chooses. And the state in which it is, as an exact key.

import { BackEndError } from "../../device/front-end/vhost-device.js";
import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import type { RingExports } from "../../device/virtqueue.js";
import { loadLe } from "../../vm/bus.js";
import { runExploredGuest, type Suspended } from "../../vm/guest-explored.js";
import { GuestMemory } from "../../vm/memory.js";
import {
  type Actor,
  type Cell,
  isRamCell,
  type Op,
  type Ordering,
  PLAIN_ACCESSES,
  type Result,
  ramOffset,
} from "../../vm/sync/op.js";
import { ActorState } from "../../vm/sync/perform.js";
import type { TraceEvent } from "../../vm/sync/trace.js";
import { SyncMemory } from "../../vm/sync/words.js";
import type { Exits } from "../../vm/vcpu.js";
import { BOOT_RAM_BYTES, MEMORY_TREE } from "../scenario/boot-machine.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import { GaveUp } from "../scenario/gave-up.js";
import type { Scenario } from "../scenario/scenario.js";
import { System, VCPU } from "../scenario/system.js";
import type { Position } from "../scenario/verdict.js";
import { Invariants } from "./invariants.js";
import type { BrokenAt } from "./rules.js";

/** What all executions of one exploration share. */
export class World {
  readonly memory = GuestMemory.allocate(BOOT_RAM_BYTES);
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly sync = SyncMemory.create();
  readonly ring: RingExports;
  readonly invariants: Invariants;
  /** Histories as numbers: equal numbers are equal histories, with no hash in it that could collide. */
  readonly #histories = new Map<string, number>();

  constructor(
    readonly scenario: Scenario,
    ring: WebAssembly.Module,
    readonly guest: WebAssembly.Module,
  ) {
    const { exports } = new WebAssembly.Instance(ring, { env: { memory: this.memory } });
    this.invariants = new Invariants(exports as unknown as RingExports, this.bytes);
    this.ring = this.invariants.ring;
  }

  /** Who plays a part of a system, beside the vCPU or as it. A test has somebody with a fault play it. */
  play<R>(_part: string, actor: Actor<R>, _system: System): Actor<R> {
    return actor;
  }

  /** The number of history `before` continued by `learned`. 0 is the empty history. */
  history(before: number, learned: string): number {
    const key = `${before}|${learned}`;
    const known = this.#histories.get(key);
    if (known !== undefined) return known;
    this.#histories.set(key, this.#histories.size + 1);
    return this.#histories.size;
  }

  /** A new machine; its memory is this world's, so it ends the one before. */
  start(): Execution {
    return new Execution(this);
  }
}

interface Running {
  readonly name: string;
  /** Starts the next round; the vCPU has one only. */
  readonly begin: () => Actor<unknown>;
  readonly loops: boolean;
  /** A data-plane thread: these alone write guest RAM for a device. */
  readonly data: boolean;
  actor: Actor<unknown>;
  /** What it does next; undefined when it has come to its end. */
  pending: Op | undefined;
  /** What it has learned since its round began: with the code, all that its locals depend on. */
  history: number;
}

export class Execution {
  readonly system: System;
  readonly #actors: Running[];
  /** Guest RAM that a device has written: all else in RAM depends on the guest's own history only. */
  readonly #written = new Set<Cell>();
  /** The requests that a back-end's process has served, on which the tables of its FUSE server depend. */
  #served = { process: 0, history: 0 };
  /** What the invariants remember, as a number. */
  #remembered: number;
  /** The rules that were broken, each with the number of the step that did. */
  readonly broken: BrokenAt[] = [];
  readonly events: TraceEvent[] = [];
  steps = 0;
  #turn = VCPU;

  /** A new machine, powered off; each actor stands before its first op. */
  constructor(
    readonly world: World,
    readonly trace = false,
  ) {
    GuestMemory.clear(world.memory);
    const sync = new SyncMemory(world.sync.buffer);
    sync.clear();
    const note = (name: string, detail: string): void => {
      this.events.push({ kind: "note", actor: this.#turn, at: this.steps, name, detail });
    };
    const system = new System(
      sync,
      world.memory,
      world.ring,
      world.scenario,
      () => new MemoryBacking(MEMORY_TREE),
      trace ? note : undefined,
    );
    this.system = system;
    const { serve } = system;
    system.serve = (message) => {
      const bytes = message.readable.map(({ offset, length }) =>
        message.memory.subarray(offset, offset + length).join(),
      );
      const { processesEnded } = system;
      const before = this.#served.process === processesEnded ? this.#served.history : 0;
      this.#served = { process: processesEnded, history: world.history(before, bytes.join()) };
      return serve(message);
    };
    this.#remembered = world.invariants.start(system.backEnd.rings.length);
    const parts = [
      { name: VCPU, loops: false, data: false, round: () => this.#vcpu() },
      ...system.loops.map(({ name, plane, round }) => ({ name, loops: true, data: plane === "data", round })),
    ];
    this.#actors = parts.map(({ name, loops, data, round }) => {
      const begin = () => world.play<unknown>(name, round(), system);
      return { name, loops, data, begin, actor: begin(), pending: undefined, history: 0 };
    });
    for (const running of this.#actors) this.#advance(running, undefined);
  }

  get actors(): number {
    return this.#actors.length;
  }

  /** Actors that can move now, in order. */
  enabled(): number[] {
    return [...this.#actors.keys()].filter((i) => this.#actors[i]!.pending?.enabled() ?? false);
  }

  /** An actor whose next op may be run at once, without looking at others, if there is one. */
  eager(): number | undefined {
    const at = this.#actors.findIndex(({ pending }) => pending?.eager && pending.enabled());
    return at < 0 ? undefined : at;
  }

  /** The op that an actor does next. */
  next(actor: number): Op | undefined {
    return this.#actors[actor]?.pending;
  }

  /**
   * As `next` has it, and where a ring's memory may be the driver's own again while the device still looks at it, what the
   * guest does there by plain loads and stores: it follows the vCPU's op at once.
   */
  ordering(actor: number): Ordering | undefined {
    const op = this.next(actor);
    if (!op || actor !== 0 || this.system.backEnd.parts.exclusive) return op;
    const { reads, writes } = op.order;
    return { order: { reads, writes: [...writes, PLAIN_ACCESSES] }, releases: false };
  }

  /** Performs the next op of an actor that is enabled. */
  step(index: number): void {
    const running = this.#actors[index]!;
    const op = running.pending!;
    this.steps++;
    this.#turn = running.name;
    const result = op.attempt();
    if (result === undefined) throw new Error(`step ${this.steps}: ${running.name} cannot do ${op.name} now`);
    this.#remembered = this.world.invariants.step(this.#remembered, op, result, running.data, (rule, detail) =>
      this.broken.push({ rule, detail, at: this.steps }),
    );
    if (running.data) for (const cell of op.footprint.writes) if (isRamCell(cell)) this.#written.add(cell);
    if (this.trace) this.#record(running, op, result);
    running.history = this.world.history(running.history, typeof result === "number" ? `${result}` : result.key);
    this.#advance(running, result);
  }

  /** Has the guest come to its end? */
  get answered(): boolean {
    return this.#actors[0]!.pending === undefined;
  }

  /** Where everybody stands; for a report of a state in which nobody can move. */
  positions(): Position[] {
    return this.#actors.map(({ name, pending, loops }) => ({
      actor: name,
      waits: pending?.blocks,
      state: pending ? ActorState.BLOCKED : loops ? ActorState.DEAD : ActorState.DONE,
    }));
  }

  /**
   * The state, exactly. Two executions with equal keys have equal futures:
   * - an actor's locals are a function of what it has learned since its round began (its history);
   * - sync memory is in the key by its logical contents;
   * - guest RAM is a function of the guest's history, but for what a device has written: that is in the key;
   * - the FUSE server is a function of the requests that its process has served; each process begins with none;
   * - what the invariants remember decides which of them break later.
   */
  key(): string {
    const key: number[] = [];
    for (const { history, pending } of this.#actors) key.push(pending ? history : -1);
    key.push(this.#served.process === this.system.processesEnded ? this.#served.history : 0, this.#remembered);
    this.system.sync.foldAll(key);
    for (const ring of this.system.backEnd.rings) key.push(this.system.backEnd.kickFate(ring));
    for (const cell of [...this.#written].sort((a, b) => a - b)) {
      key.push(cell, loadLe(this.world.bytes, ramOffset(cell), 2));
    }
    return key.join();
  }

  #vcpu(): Actor {
    const { guest, memory } = this.world;
    const { system } = this;
    return runScript(system, (exits, args) => bootGuest(system, guest, memory, exits, args));
  }

  /** Local code up to the next op. A loop actor whose round is over begins another, with nothing left of the last. */
  #advance(running: Running, result: Result | undefined): void {
    this.#turn = running.name;
    let step = running.actor.next(result);
    while (step.done && running.loops && step.value !== false) {
      running.actor = running.begin();
      running.history = 0;
      step = running.actor.next();
    }
    running.pending = step.done ? undefined : step.value;
  }

  #record(running: Running, op: Op, result: Result): void {
    const value = typeof result === "number" ? result : result.summary;
    this.events.push({
      kind: "op",
      actor: running.name,
      at: this.steps,
      name: op.name,
      detail: op.detail,
      result: value,
    });
  }
}

/** Does not come back where the back-end breaks off. */
export function* runScript(system: System, boot: (exits: Exits, args?: readonly string[]) => Actor): Actor {
  try {
    yield* SCRIPT[system.scenario.script].run(system, boot);
  } catch (error) {
    if (!(error instanceof BackEndError)) throw error;
    yield* new GaveUp(system.machine.irq.queue, "back-end-aborted", error.message).wait();
  }
}

/** Does not come back from a boot that fails. @param onSuspend as runExploredGuest takes it */
export function* bootGuest(
  system: System,
  guest: WebAssembly.Module,
  memory: WebAssembly.Memory,
  exits: Exits,
  args: readonly string[] = [],
  onSuspend?: (suspended: Suspended) => void,
): Actor {
  const exitCode = yield* runExploredGuest(guest, memory, exits, args, QUIET, onSuspend);
  if (exitCode !== 0)
    yield* new GaveUp(
      system.machine.irq.queue,
      "driver-gave-up",
      `its driver has given the device up, exit code ${exitCode}`,
    ).wait();
}

const QUIET = { stdout() {}, stderr() {} };
