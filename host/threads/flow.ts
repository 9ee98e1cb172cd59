// Flow control of the guest's console: its Worker may run only so far ahead of whoever prints.

import { type SyncMemory, WaitQueue } from "../../vm/sync/words.js";

const MOST_BYTES = 4 * 1024 * 1024;

export class ConsoleFlow {
  readonly #outstanding: number;
  readonly #queue: WaitQueue;

  constructor(readonly sync: SyncMemory) {
    this.#outstanding = sync.allocateNotes(1);
    this.#queue = new WaitQueue(sync);
  }

  /** Is the guest held back? */
  get full(): boolean {
    return this.sync.note(this.#outstanding) > MOST_BYTES;
  }

  /** The guest's thread, after it handed over `bytes`: waits until not too many are under way. */
  sent(bytes: number, stopping: () => boolean): void {
    this.sync.addNote(this.#outstanding, bytes);
    const room = (): boolean => stopping() || !this.full;
    while (!room()) this.#queue.sleep(room);
  }

  /** The printing thread, once they are out. */
  printed(bytes: number): void {
    this.sync.addNote(this.#outstanding, -bytes);
    this.#queue.wake();
  }

  /** Wakes a guest that waits, because the machine is being stopped. */
  release(): void {
    this.#queue.wake();
  }
}
