// A policy: which orders of steps an exploration tries. One file each beside this one. To a policy a system is only what
// can be run (an Execution, or a small system of a test), and it answers with the final states that it met.

import type { Op } from "../../../vm/sync/op.js";

/** One run of a system, from its beginning: who can move, one op at a time. Actors are numbered from 0. */
export interface Run {
  readonly actors: number;
  /** Actors that can move now, in order. */
  enabled(): number[];
  /** An actor whose next op may be run at once, without looking at others (Op.eager), if there is one. */
  eager(): number | undefined;
  /** The op that an actor does next, blocked or not. */
  next(actor: number): Op | undefined;
  step(actor: number): void;
  /** The state, exactly: equal keys have equal futures. */
  key(): string;
  /** Where nobody can move: is that an end, and not a hang? */
  readonly answered: boolean;
}

export interface Explorable {
  /** A new run. Only the last one that was started is used. */
  start(): Run;
}

export interface Limits {
  /** Give up, incomplete, after so many executions. */
  readonly maxSchedules: number;
  /** Of the policies that draw. */
  readonly seed: number;
  /** @param met states, or executions where a policy has no memory of states */
  readonly onProgress?: (met: number) => void;
}

/** A final state: nobody can move. */
export interface End {
  readonly end: "answered" | "hung";
  /** The shortest order that was met which leads there. */
  readonly order: readonly number[];
}

export interface Found {
  /** There is no final state but these. */
  readonly complete: boolean;
  /** Executions that were begun, also those that were not followed to an end. */
  readonly executions: number;
  readonly operations: number;
  /** Shortest first. */
  readonly ends: readonly End[];
  /** Of a policy that remembers states. */
  readonly graph?: { readonly states: number; readonly transitions: number; readonly paths: bigint };
}

/** An execution of more ops goes round in a circle. */
const MOST_OPS = 20_000;

/** What the policies without a memory of states have met. */
export class Tally {
  #executions = 0;
  #operations = 0;
  #endless = false;
  readonly #ends = new Map<string, End>();

  constructor(readonly limits: Limits) {}

  get spent(): boolean {
    return this.#executions >= this.limits.maxSchedules;
  }

  /** Is an execution not to be followed any further, since it has no end? */
  endless(order: readonly number[]): boolean {
    if (order.length >= MOST_OPS) this.#endless = true;
    return order.length >= MOST_OPS;
  }

  /**
   * Takes an execution on to its end. Eager ops are run at once: one is a persistent set by itself, so no final state is
   * lost by not choosing there.
   * @param order what has been performed up to now; is continued
   * @param choose one of those that can move
   */
  follow(run: Run, order: number[], choose: (enabled: readonly number[]) => number): void {
    for (let actor = nextOf(run, choose); actor !== undefined; actor = nextOf(run, choose)) {
      if (this.endless(order)) break;
      run.step(actor);
      order.push(actor);
    }
    this.add(run, order);
  }

  /** Counts an execution, and the final state that it has come to, if any. */
  add(run: Run, order: readonly number[]): void {
    this.#executions++;
    this.#operations += order.length;
    if (this.#executions % 64 === 0) this.limits.onProgress?.(this.#executions);
    if (run.enabled().length > 0) return;
    const key = run.key();
    const known = this.#ends.get(key);
    if (known && known.order.length <= order.length) return;
    this.#ends.set(key, { end: run.answered ? "answered" : "hung", order: [...order] });
  }

  /** @param all whether there is nothing left to try */
  found(all: boolean): Found {
    return {
      complete: all && !this.#endless,
      executions: this.#executions,
      operations: this.#operations,
      ends: [...this.#ends.values()].sort((a, b) => a.order.length - b.order.length),
    };
  }
}

function nextOf(run: Run, choose: (enabled: readonly number[]) => number): number | undefined {
  const eager = run.eager();
  if (eager !== undefined) return eager;
  const enabled = run.enabled();
  return enabled.length > 0 ? choose(enabled) : undefined;
}
