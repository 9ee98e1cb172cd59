// The engine that is obviously right, and slow: to come back to a state is to run all actors again from power-on.

import type { Op } from "../../vm/sync/op.js";
import type { Engine } from "./engine.js";
import { Execution, type World } from "./execution.js";
import type { Broken } from "./rules.js";

export class Reexecution implements Engine {
  #execution: Execution;
  #order: number[] = [];
  /** Of executions that have been left. */
  #left = 0;
  readonly #states = new Map<string, number>();

  constructor(readonly world: World) {
    this.#execution = new Execution(world);
  }

  get operations(): number {
    return this.#left + this.#execution.steps;
  }

  get answered(): boolean {
    return this.#execution.answered;
  }

  eager(): number | undefined {
    return this.#execution.eager();
  }

  next(actor: number): Op | undefined {
    return this.#execution.next(actor);
  }

  enabled(): number[] {
    return this.#execution.enabled();
  }

  step(actor: number): readonly Broken[] {
    const { broken } = this.#execution;
    const before = broken.length;
    this.#execution.step(actor);
    this.#order.push(actor);
    return broken.slice(before);
  }

  state(): number {
    const key = this.#execution.key();
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    this.#states.set(key, this.#states.size);
    return this.#states.size - 1;
  }

  mark(): () => void {
    const order = [...this.#order];
    return () => {
      this.#left += this.#execution.steps;
      this.#execution = new Execution(this.world);
      this.#order = [];
      for (const actor of order) this.step(actor);
    };
  }
}
