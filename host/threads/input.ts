// The guest's standard input: bytes that the main thread has, in shared memory, where the guest's thread can wait for them.
// A ring with one writer and one reader; both counts only grow, and wrap at 2^32.

import { type SyncMemory, WaitQueue } from "../../vm/sync/words.js";

export class ConsoleInput {
  /** Of the buffer: a power of two, so that a count that wraps goes on at its place. */
  static readonly BYTES = 64 * 1024;

  readonly #written: number;
  readonly #taken: number;
  readonly #ended: number;
  readonly #waiting: number;
  readonly #queue: WaitQueue;
  readonly #bytes: Uint8Array;

  constructor(
    readonly sync: SyncMemory,
    buffer: SharedArrayBuffer,
  ) {
    this.#written = sync.allocateNotes(4);
    this.#taken = this.#written + 1;
    this.#ended = this.#written + 2;
    this.#waiting = this.#written + 3;
    this.#queue = new WaitQueue(sync);
    this.#bytes = new Uint8Array(buffer);
  }

  /** The main thread: takes what there is room for. @returns how many bytes */
  put(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, ConsoleInput.BYTES - this.#available());
    const at = this.sync.note(this.#written) & (ConsoleInput.BYTES - 1);
    const first = Math.min(length, ConsoleInput.BYTES - at);
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first, length), 0);
    this.sync.addNote(this.#written, length);
    this.#queue.wake();
    return length;
  }

  /** The main thread: there will be no more. */
  end(): void {
    this.sync.setNote(this.#ended, 1);
    this.#queue.wake();
  }

  /** The main thread: does the guest wait for a person? */
  get waiting(): boolean {
    return this.sync.note(this.#waiting) !== 0;
  }

  /** The main thread: wakes a guest that waits, because the machine is being stopped. */
  release(): void {
    this.#queue.wake();
  }

  /**
   * The guest's thread: waits until there is something.
   * @returns up to `most` bytes, none at the end of input or when the machine is being stopped
   */
  take(most: number, stopping: () => boolean): Uint8Array {
    const ready = (): boolean => this.#available() > 0 || this.sync.note(this.#ended) !== 0 || stopping();
    if (!ready()) this.sync.setNote(this.#waiting, 1);
    while (!ready()) this.#queue.sleep(ready);
    this.sync.setNote(this.#waiting, 0);
    const length = Math.min(most, this.#available());
    const at = this.sync.note(this.#taken) & (ConsoleInput.BYTES - 1);
    const first = Math.min(length, ConsoleInput.BYTES - at);
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(at, at + first));
    bytes.set(this.#bytes.subarray(0, length - first), first);
    this.sync.addNote(this.#taken, length);
    return bytes;
  }

  #available(): number {
    return (this.sync.note(this.#written) - this.sync.note(this.#taken)) >>> 0;
  }
}
