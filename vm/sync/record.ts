// A struct in shared memory that one lock owns, or that one actor alone uses.

import { type Cell, type Learned, Op } from "./op.js";
import type { Foldable, SyncMemory } from "./words.js";

/** Who may touch a record: the holder of a lock, or one actor only. Either way nobody else can come between. */
export type Owner = { assertHeld(what: string): void } | "one actor";

/** All fields at one moment. */
export class Snapshot<F extends string> implements Learned {
  constructor(readonly values: Readonly<Record<F, number>>) {}

  get key(): string {
    return Object.values(this.values).join();
  }

  get summary(): number {
    return 0;
  }
}

export class SharedRecord<F extends string> implements Foldable {
  readonly #at: Cell;

  /** @param fields names of its 32-bit fields, all 0 at first */
  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
    readonly fields: readonly F[],
    readonly owner: Owner,
  ) {
    this.#at = memory.allocate(fields.length);
    memory.folds.push(this);
  }

  load(): Op<Snapshot<F>> {
    const reads = this.fields.map((_, i) => this.#at + i);
    return this.#op("load", { reads, writes: [] }, "", () => new Snapshot(this.peek()));
  }

  get(field: F): Op<number> {
    const cell = this.#cell(field);
    return this.#op(`${field}.load`, { reads: [cell], writes: [] }, "", () => this.memory.load(cell));
  }

  set(values: Partial<Record<F, number>>): Op<number> {
    const entries = Object.entries(values) as [F, number][];
    const detail = entries.map(([field, value]) => `${field}=${value}`).join(" ");
    const writes = entries.map(([field]) => this.#cell(field));
    return this.#op("store", { reads: [], writes }, detail, () => {
      for (const [field, value] of entries) this.memory.store(this.#cell(field), value);
      return 0;
    });
  }

  /** All fields to 0. */
  clear(): Op<number> {
    return this.set(Object.fromEntries(this.fields.map((field) => [field, 0])) as Record<F, number>);
  }

  /** For onlookers while nobody moves. */
  peek(): Record<F, number> {
    const pairs = this.fields.map((field, i) => [field, this.memory.load(this.#at + i)]);
    return Object.fromEntries(pairs) as Record<F, number>;
  }

  fold(key: number[]): void {
    for (let i = 0; i < this.fields.length; i++) key.push(this.memory.load(this.#at + i));
  }

  #cell(field: F): Cell {
    return this.#at + this.fields.indexOf(field);
  }

  // Eager: whoever else wants the record must take its lock first, and that is where a scheduler branches.
  #op<R extends number | Snapshot<F>>(
    verb: string,
    footprint: { reads: Cell[]; writes: Cell[] },
    detail: string,
    act: () => R,
  ): Op<R> {
    const attempt = (): R => {
      if (this.owner !== "one actor") this.owner.assertHeld(this.name);
      return act();
    };
    return new Op(`${this.name}.${verb}`, footprint, attempt, { eager: true, detail });
  }
}
