// 16-bit words of guest RAM that driver and device share (ring indices, flags, event words), as operations.

import { Op, ramCell, type Waitable } from "./op.js";
import { type SyncMemory, WaitQueue } from "./words.js";

export class RamWords implements Waitable {
  readonly id: number;
  readonly name = "guest RAM";
  readonly queue: WaitQueue;
  readonly #words: Uint16Array;
  /** Names of words for traces and reports, by who gave them (a ring), then by offset. */
  readonly #names = new Map<string, ReadonlyMap<number, string>>();

  constructor(memory: SyncMemory, ram: SharedArrayBuffer) {
    this.#words = new Uint16Array(ram);
    this.queue = new WaitQueue(memory);
    this.id = memory.register(this);
  }

  /** Names the words of `owner`, in place of those that it had named before. */
  label(owner: string, words: Iterable<readonly [offset: number, name: string]>): void {
    this.#names.set(owner, new Map(words));
  }

  /** @param offset byte offset into guest RAM, even and in bounds (the caller has checked) */
  load16(offset: number): Op<number> {
    const footprint = { reads: [ramCell(offset)], writes: [] };
    return new Op(`${this.#nameOf(offset)}.load`, footprint, () => Atomics.load(this.#words, offset >>> 1));
  }

  store16(offset: number, value: number): Op<number> {
    const footprint = { reads: [], writes: [ramCell(offset)] };
    return new Op(
      `${this.#nameOf(offset)}.store`,
      footprint,
      () => {
        Atomics.store(this.#words, offset >>> 1, value);
        return 0;
      },
      { detail: `= ${value}` },
    );
  }

  /**
   * A guest that polls: blocks while the word equals `seen`. On threads nobody wakes a poller; the engine looks again
   * after `micros`, doubling up to 1024, as EDK2's VirtioFlush stalls. To a scheduler it is a wait.
   */
  poll(offset: number, seen: number, micros: number): Op<number> {
    const footprint = { reads: [ramCell(offset)], writes: [] };
    return new Op(`${this.#nameOf(offset)}.poll`, footprint, () => (this.blocked(offset, seen) ? undefined : 0), {
      blocks: { on: this, a: offset, b: seen, pollMicros: micros },
    });
  }

  blocked(offset: number, seen: number): boolean {
    return Atomics.load(this.#words, offset >>> 1) === seen;
  }

  describe(offset: number, seen: number): string {
    return `${this.#nameOf(offset)} to change from ${seen}, polling`;
  }

  #nameOf(offset: number): string {
    for (const names of this.#names.values()) {
      const name = names.get(offset);
      if (name) return name;
    }
    return `ram[0x${offset.toString(16)}]`;
  }
}
