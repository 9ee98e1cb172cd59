// eventfd(2), non-blocking as QEMU makes them: a count that write adds to and read takes whole.

import { type Cell, Op } from "./op.js";
import type { Foldable, SyncMemory, WaitQueue } from "./words.js";

/** What a driver's side does with an eventfd: one of the machine's, or one of the operating system's. */
export type EventCounter = Pick<EventFd, "create" | "add" | "read" | "testAndClear" | "clear">;

export class EventFd implements Foldable {
  readonly cell: Cell;
  readonly #touched: { reads: Cell[]; writes: Cell[] };

  /** @param watchers where whoever may wait for it sleeps: the doorbell's queue */
  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
    readonly watchers?: WaitQueue,
  ) {
    this.cell = memory.allocate(1);
    memory.folds.push(this);
    this.#touched = { reads: [this.cell], writes: [this.cell] };
  }

  /** eventfd(initial): a new one in this slot. Eager: nobody else has it yet. */
  create(initial: number): Op<number> {
    return new Op(`${this.name}.create`, this.#touched, () => this.#set(initial), {
      eager: true,
      detail: `count ${initial}`,
    });
  }

  /** write(2): adds `n`, wakes who polls it. */
  add(n: number): Op<number> {
    return new Op(
      `${this.name}.add`,
      this.#touched,
      () => {
        this.memory.add(this.cell, n);
        this.watchers?.wake();
        return 0;
      },
      { detail: `+${n}` },
    );
  }

  /** read(2): the whole count, which is then 0; a result of 0 is EAGAIN. */
  read(): Op<number> {
    return this.#take((count) => count);
  }

  /** QEMU's event_notifier_test_and_clear: all that is learned is whether there was a count, 1 or 0. */
  testAndClear(): Op<number> {
    return this.#take((count) => Number(count !== 0));
  }

  /** The same by who does not look at the answer. */
  clear(): Op<number> {
    return this.#take(() => 0);
  }

  /** The count as /proc's fdinfo shows it: for onlookers, and for the doorbell. */
  count(): number {
    return this.memory.load(this.cell);
  }

  fold(key: number[]): void {
    key.push(this.count());
  }

  #take(learned: (count: number) => number): Op<number> {
    return new Op(`${this.name}.read`, this.#touched, () => learned(this.memory.exchange(this.cell, 0)));
  }

  #set(value: number): number {
    this.memory.store(this.cell, value);
    return 0;
  }
}
