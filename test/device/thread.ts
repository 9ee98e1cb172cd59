// A thread that a test holds in its hand: an actor, or one that goes round for ever, whose ops are performed when the
// test says so. It stands before its next op; one that is blocked stays there.

import type { Actor, Op } from "../../vm/sync/op.js";

export class Thread {
  /** What it has done, in order: an op's name, with its detail where it has one. */
  readonly steps: string[] = [];
  #actor: Actor<unknown>;
  #pending: Op | undefined;
  #ended = false;

  /** @param begin the actor, or for a loop one round of it: a round that gives false was the last */
  constructor(
    readonly begin: () => Actor<unknown>,
    readonly loops: boolean,
  ) {
    this.#actor = begin();
    this.#advance(undefined);
  }

  /** Its function has returned. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The name of the op before which it stands. */
  get next(): string | undefined {
    return this.#pending?.name;
  }

  /** Performs one op. @returns false when it is blocked or has ended */
  step(): boolean {
    const op = this.#pending;
    const result = op?.attempt();
    if (!op || result === undefined) return false;
    this.steps.push(op.detail ? `${op.name} ${op.detail}` : op.name);
    this.#advance(result);
    return true;
  }

  /** Goes on until it is blocked, has ended, or stands before an op named `stop`. @returns the steps of this run */
  run(stop?: string): string[] {
    const from = this.steps.length;
    for (let budget = 100_000; this.next !== stop || stop === undefined; budget--) {
      if (!this.step()) break;
      if (budget === 0) throw new Error(`a thread does not come to rest: it stands before ${this.next}`);
    }
    return this.steps.slice(from);
  }

  #advance(result: unknown): void {
    let step = this.#actor.next(result);
    while (step.done && this.loops && step.value !== false) {
      this.#actor = this.begin();
      step = this.#actor.next();
    }
    this.#ended = step.done ?? false;
    this.#pending = step.done ? undefined : step.value;
  }
}

/** Runs threads in turn until none of them can move. @returns whether one moved at all */
export function settle(threads: readonly Thread[]): boolean {
  let moved = false;
  while (threads.map((thread) => thread.run().length > 0).includes(true)) moved = true;
  return moved;
}
