// What happened before what in an execution (Lamport), by vector clocks: a step happens before a later one of the same
// actor, and before a later one that is dependent on it. Orders with the same happens-before are one schedule to all
// actors: a Mazurkiewicz trace.

import type { Cell, Footprint, Op } from "../../vm/sync/op.js";

/** By actor, how many steps up to that actor's last: 0 is none, n the n-th step of the execution. */
export type Clock = readonly number[];

export class Causality {
  /** The clock of each step: of each actor the last step that happened before it, or is it. */
  readonly clocks: Clock[] = [];
  readonly #all = new Accesses();
  /** Without those of releases, which order and do not race. */
  readonly #racing = new Accesses();
  readonly #actors: Clock[] = [];

  /** Of each actor, the last step that happened before where `actor` stands now. */
  of(actor: number): Clock {
    return this.#actors[actor] ?? [];
  }

  /** Performs a step: `actor` does `op`, which is looked at before it is performed. */
  append(actor: number, { order, releases }: Op): void {
    const step = this.clocks.length + 1;
    const clock = [...this.of(actor)];
    for (const [, at] of this.#all.dependent(order)) join(clock, this.clocks[at - 1]!);
    clock[actor] = step;
    this.#all.note(order, actor, step);
    if (!releases) this.#racing.note(order, actor, step);
    this.clocks.push(clock);
    this.#actors[actor] = clock;
  }

  /**
   * The last step that races with what `actor` does next: dependent on it, and not before it by anything else.
   * Dependent steps that are before it are passed over: an earlier one may still race.
   * @returns its number from 1, or 0
   */
  race(actor: number, { order }: Op): number {
    const before = this.of(actor);
    let last = 0;
    // Of each other actor the last step at a cell is the one that counts: if it is before, so are those before it.
    for (const [other, at] of this.#racing.dependent(order)) {
      if (other !== actor && at > (before[other] ?? 0)) last = Math.max(last, at);
    }
    return last;
  }
}

/** By cell and actor, the last step that read it, and the last that wrote it. */
class Accesses {
  readonly #reads = new Map<Cell, Map<number, number>>();
  readonly #writes = new Map<Cell, Map<number, number>>();

  note({ reads, writes }: Footprint, actor: number, step: number): void {
    for (const cell of reads) put(this.#reads, cell, actor, step);
    for (const cell of writes) put(this.#writes, cell, actor, step);
  }

  /** The last steps that `footprint` is dependent on, each with its actor. */
  *dependent({ reads, writes }: Footprint): Generator<readonly [actor: number, step: number]> {
    for (const cell of reads) yield* this.#writes.get(cell) ?? [];
    for (const cell of writes) {
      yield* this.#writes.get(cell) ?? [];
      yield* this.#reads.get(cell) ?? [];
    }
  }
}

function put(cells: Map<Cell, Map<number, number>>, cell: Cell, actor: number, step: number): void {
  const steps = cells.get(cell) ?? new Map<number, number>();
  cells.set(cell, steps.set(actor, step));
}

function join(clock: number[], other: Clock): void {
  for (const [actor, at] of other.entries()) if (at !== undefined && at > (clock[actor] ?? 0)) clock[actor] = at;
}
