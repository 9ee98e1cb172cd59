// What happened before what in an execution (Lamport), by vector clocks: a step happens before a later one of the same
// actor, and before a later one that is dependent on it. Orders with the same happens-before are one schedule to all
// actors: a Mazurkiewicz trace.

import type { Cell, Footprint } from "../../vm/sync/op.js";

/** By actor, how many steps up to that actor's last: 0 is none, n the n-th step of the execution. */
export type Clock = readonly number[];

/** By actor, its last steps at a cell, as in a clock. */
interface Accesses {
  readonly reads: number[];
  readonly writes: number[];
}

export class Causality {
  /** The clock of each step: of each actor the last step that happened before it, or is it. */
  readonly clocks: Clock[] = [];
  readonly #cells = new Map<Cell, Accesses>();
  readonly #actors: Clock[] = [];

  /** Of each actor, the last step that happened before where `actor` stands now. */
  of(actor: number): Clock {
    return this.#actors[actor] ?? [];
  }

  /** Performs a step: `actor` does an op that is ordered by `order` (Op.order, before it is performed). */
  append(actor: number, { reads, writes }: Footprint): void {
    const step = this.clocks.length + 1;
    const clock = [...this.of(actor)];
    const after = (steps: readonly number[]): void => {
      for (const at of steps) if (at) join(clock, this.clocks[at - 1]!);
    };
    for (const cell of reads) after(this.#at(cell).writes);
    for (const cell of writes) {
      after(this.#at(cell).writes);
      after(this.#at(cell).reads);
    }
    clock[actor] = step;
    for (const cell of reads) this.#at(cell).reads[actor] = step;
    for (const cell of writes) this.#at(cell).writes[actor] = step;
    this.clocks.push(clock);
    this.#actors[actor] = clock;
  }

  /**
   * The last step that races with what `actor` does next: dependent on it, and not before it by anything else.
   * Dependent steps that are before it are passed over: an earlier one may still race.
   * @returns its number from 1, or 0
   */
  race(actor: number, { reads, writes }: Footprint): number {
    const before = this.of(actor);
    let last = 0;
    // Of each other actor the last step at a cell is the one that counts: if it is before, so are those before it.
    const look = (steps: readonly number[]): void => {
      for (const [other, at] of steps.entries()) {
        if (at && other !== actor && at > (before[other] ?? 0)) last = Math.max(last, at);
      }
    };
    for (const cell of reads) look(this.#at(cell).writes);
    for (const cell of writes) {
      look(this.#at(cell).writes);
      look(this.#at(cell).reads);
    }
    return last;
  }

  #at(cell: Cell): Accesses {
    let accesses = this.#cells.get(cell);
    if (!accesses) {
      accesses = { reads: [], writes: [] };
      this.#cells.set(cell, accesses);
    }
    return accesses;
  }
}

function join(clock: number[], other: Clock): void {
  for (const [actor, at] of other.entries()) if (at !== undefined && at > (clock[actor] ?? 0)) clock[actor] = at;
}
