// Performs ops on a real thread, with Atomics: free running, or held to one schedule (replay).

import type { Actor, Op, Result } from "./op.js";
import { type Note, TraceBuffer } from "./trace.js";
import { type SyncMemory, WaitQueue } from "./words.js";

/** Thrown into an actor when the machine is being stopped. */
export class Stopped extends Error {
  override name = "Stopped";
}

export const enum ActorState {
  /** Not started, or between two runs. */
  IDLE = 0,
  RUNNING = 1,
  /** In a wait: the record says for what. */
  BLOCKED = 2,
  /** The actor has come to its end (a guest that powered off). */
  DONE = 3,
  /** The thread that it models has ended although the machine goes on (a worker whose run() returned). */
  DEAD = 4,
}

/** What an actor publishes of itself, so that a hang can be decided by an onlooker instead of guessed by a time-out. */
export class WaitRecord {
  readonly #at: number;

  constructor(
    readonly memory: SyncMemory,
    readonly actor: string,
  ) {
    this.#at = memory.allocateNotes(5);
  }

  publish(state: ActorState, on = 0, a = 0, b = 0): void {
    const notes = this.memory.notes;
    // Odd version: being written. The onlooker takes a record only between two equal even versions.
    Atomics.add(notes, this.#at, 1);
    Atomics.store(notes, this.#at + 1, state);
    Atomics.store(notes, this.#at + 2, on);
    Atomics.store(notes, this.#at + 3, a);
    Atomics.store(notes, this.#at + 4, b);
    Atomics.add(notes, this.#at, 1);
  }

  /** @returns the record with its version, or undefined while it is being written */
  read(): { version: number; state: ActorState; on: number; a: number; b: number } | undefined {
    const notes = this.memory.notes;
    const version = Atomics.load(notes, this.#at);
    const [state, on, a, b] = [1, 2, 3, 4].map((i) => Atomics.load(notes, this.#at + i)) as [
      number,
      number,
      number,
      number,
    ];
    if (version & 1 || Atomics.load(notes, this.#at) !== version) return undefined;
    return { version, state, on, a, b };
  }
}

/** Words by which the threads of one machine are steered from outside. */
export class Steering {
  readonly #stop: number;
  readonly #turn: number;
  readonly turnQueue: WaitQueue;

  constructor(readonly memory: SyncMemory) {
    this.#stop = memory.allocateNotes(2);
    this.#turn = this.#stop + 1;
    this.turnQueue = new WaitQueue(memory);
  }

  get stopping(): boolean {
    return Atomics.load(this.memory.notes, this.#stop) !== 0;
  }

  /** Ends every actor at its next op: each wait also watches this word. */
  stop(): void {
    Atomics.store(this.memory.notes, this.#stop, 1);
    this.turnQueue.wake();
    for (const waitable of this.memory.waitables) waitable.queue.wake();
  }

  get turn(): number {
    return Atomics.load(this.memory.notes, this.#turn);
  }

  nextTurn(): void {
    Atomics.add(this.memory.notes, this.#turn, 1);
    this.turnQueue.wake();
  }
}

export interface PerformOptions {
  /** Op name -> microseconds to spin before each such op of this actor. */
  readonly delays?: ReadonlyMap<string, number>;
  /** The order in which actors (by index) perform their next op; free running after its end. Empty: free running. */
  readonly schedule?: readonly number[];
  readonly trace?: boolean;
  /** Microseconds, comparable between the threads of this process. */
  readonly clock?: () => number;
}

const MAX_POLL_MICROS = 1024;

export class ThreadPerformer {
  readonly recorded = new TraceBuffer();
  readonly #delays: ReadonlyMap<string, number>;
  readonly #schedule: readonly number[];
  readonly #trace: boolean;
  readonly #clock: () => number;
  /** When the last attempt of an op began. */
  #at = 0;

  constructor(
    readonly steering: Steering,
    readonly record: WaitRecord,
    /** This actor's number in schedules. */
    readonly index: number,
    options: PerformOptions = {},
  ) {
    this.#delays = options.delays ?? new Map();
    this.#schedule = options.schedule ?? [];
    this.#trace = options.trace ?? false;
    this.#clock = options.clock ?? (() => (performance.timeOrigin + performance.now()) * 1000);
  }

  /** Runs an actor, or a part of one, to its end on this thread. */
  run<R>(actor: Actor<R>): R {
    let step = actor.next();
    while (!step.done) step = actor.next(this.#perform(step.value));
    return step.value;
  }

  readonly note: Note = (name, detail) => {
    if (this.#trace) this.recorded.push({ kind: "note", actor: this.record.actor, at: this.#clock(), name, detail });
  };

  #perform(op: Op): Result {
    // An actor that never waits ends here.
    if (this.steering.stopping) throw new Stopped();
    const delay = this.#delays.get(op.name);
    if (delay !== undefined) spin(delay);
    if (op.takesMicros > 0) this.#passTime(op.takesMicros);
    const gated = this.#schedule.length > 0 && this.#awaitTurn();
    // Taken before the op, so that an effect is not shown before its cause.
    if (this.#trace) this.#at = this.#clock();
    const begun = this.#at;
    const result = op.attempt() ?? this.#block(op);
    if (gated) this.steering.nextTurn();
    if (this.#trace) {
      const value = typeof result === "number" ? result : result.summary;
      this.recorded.push({
        kind: "op",
        actor: this.record.actor,
        at: this.#at,
        name: op.name,
        detail: op.detail,
        result: value,
        since: begun === this.#at ? undefined : begun,
      });
    }
    return result;
  }

  #block(op: Op): Result {
    const { on, a, b, pollMicros } = op.blocks ?? failBlocked(op);
    let sleep = pollMicros === undefined ? undefined : Math.min(Math.max(pollMicros, 1), MAX_POLL_MICROS);
    this.record.publish(ActorState.BLOCKED, on.id, a, b);
    for (;;) {
      if (this.steering.stopping) {
        this.record.publish(ActorState.IDLE);
        throw new Stopped();
      }
      on.queue.sleep(() => this.steering.stopping || !on.blocked(a, b), sleep && sleep / 1000);
      if (sleep) sleep = Math.min(2 * sleep, MAX_POLL_MICROS);
      if (on.blocked(a, b)) continue;
      // Not blocked by the record any more: say so before the attempt, so that an onlooker who finds the record
      // unchanged knows that nothing was done behind it.
      this.record.publish(ActorState.RUNNING);
      if (this.#trace) this.#at = this.#clock();
      const result = op.attempt();
      if (result !== undefined) return result;
      this.record.publish(ActorState.BLOCKED, on.id, a, b);
    }
  }

  // The record says RUNNING all the while: whoever sleeps so will move.
  #passTime(micros: number): void {
    const end = performance.now() + micros / 1000;
    for (let left = micros / 1000; left > 0; left = end - performance.now()) {
      if (this.steering.stopping) throw new Stopped();
      this.steering.turnQueue.sleep(() => this.steering.stopping, left);
    }
  }

  /** @returns whether the op is part of the schedule */
  #awaitTurn(): boolean {
    for (;;) {
      if (this.steering.stopping) throw new Stopped();
      const turn = this.steering.turn;
      if (turn >= this.#schedule.length) return false;
      if (this.#schedule[turn] === this.index) return true;
      this.steering.turnQueue.sleep(() => this.steering.stopping || this.steering.turn !== turn);
    }
  }
}

function failBlocked(op: Op): never {
  throw new Error(`${op.name} is blocked but does not say on what`);
}

function spin(micros: number): void {
  const end = performance.now() + micros / 1000;
  while (performance.now() < end);
}
