// Locks of the real programs: a critical section there is a lock here, not an atomic step.

import { type Actor, type Cell, Op, type Waitable } from "./op.js";
import { type Foldable, type SyncMemory, WaitQueue } from "./words.js";

/**
 * A mutex, or a reader/writer lock when it is also taken by `readLock`.
 * The word is 0 when free, -1 while a writer holds it, n > 0 while n readers do.
 */
export class Lock implements Waitable, Foldable {
  readonly id: number;
  readonly queue: WaitQueue;
  readonly #cell: Cell;

  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
  ) {
    this.#cell = memory.allocate(1);
    this.queue = new WaitQueue(memory);
    this.id = memory.register(this);
    memory.folds.push(this);
  }

  lock(): Op<number> {
    return this.#op("lock", 0, () => this.memory.compareExchange(this.#cell, 0, -1) === 0);
  }

  readLock(): Op<number> {
    return this.#op("read-lock", 1, () => {
      for (;;) {
        const readers = this.memory.load(this.#cell);
        if (readers < 0) return false;
        if (this.memory.compareExchange(this.#cell, readers, readers + 1) === readers) return true;
      }
    });
  }

  // Eager, and a release: while this actor holds the lock nobody else can do more than wait for it.
  unlock(): Op<number> {
    return new Op(`${this.name}.unlock`, this.#footprint(), () => this.#release(0), { eager: true, releases: true });
  }

  // Not eager: a writer waits for the last reader, another reader does not wait at all.
  readUnlock(): Op<number> {
    return new Op(`${this.name}.read-unlock`, this.#footprint(), () => this.#release(1));
  }

  /** Runs `body` with the lock held. The engine may end the actor inside; a machine's locks are not used after that. */
  *holding<R>(body: () => Actor<R>): Actor<R> {
    yield* this.lock();
    const result = yield* body();
    yield* this.unlock();
    return result;
  }

  assertHeld(word: string): void {
    if (this.memory.peek(this.#cell) === 0) throw new Error(`${word} touched without ${this.name}`);
  }

  blocked(shared: number): boolean {
    const word = this.memory.load(this.#cell);
    return shared ? word < 0 : word !== 0;
  }

  describe(): string {
    return `${this.name} to be released`;
  }

  fold(key: number[]): void {
    key.push(this.memory.load(this.#cell));
  }

  #footprint(): { reads: Cell[]; writes: Cell[] } {
    return { reads: [this.#cell], writes: [this.#cell] };
  }

  #op(verb: string, shared: number, take: () => boolean): Op<number> {
    const attempt = (): number | undefined => (take() ? 0 : undefined);
    return new Op(`${this.name}.${verb}`, this.#footprint(), attempt, { blocks: { on: this, a: shared, b: 0 } });
  }

  #release(reader: number): number {
    const held = this.memory.load(this.#cell);
    if (reader ? held <= 0 : held !== -1) throw new Error(`${this.name} released by who does not hold it`);
    this.memory.add(this.#cell, reader ? -1 : 1);
    this.queue.wake();
    return 0;
  }
}
