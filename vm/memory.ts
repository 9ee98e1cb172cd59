// Guest RAM: one shared WebAssembly.Memory. A WASI guest's linear memory is this memory, so the guest can write all of
// it; nothing that a device privately knows lives here.

import { RegionTable } from "./regions.js";
import { RAM_BASE, RAM_HIGH_START, RAM_LOW_SIZE } from "./spec/board.js";
import { RamWords } from "./sync/ram.js";
import type { SyncMemory } from "./sync/words.js";

export const WASM_PAGE = 65536;
/** What the guests' modules declare: they take any shared memory of 2 MiB or more whose maximum is this. */
const MAX_PAGES = 65536;
export const MIN_BYTES = 2 * 1024 * 1024;

export class GuestMemory {
  readonly bytes: Uint8Array;
  readonly table: RegionTable;
  readonly words: RamWords;

  constructor(
    readonly memory: WebAssembly.Memory,
    sync: SyncMemory,
  ) {
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new RamWords(sync, buffer);
    this.table = new RegionTable([
      { lo: RAM_BASE, hi: 0, size: RAM_LOW_SIZE, offset: 0 },
      {
        lo: RAM_BASE + RAM_HIGH_START,
        hi: 0,
        size: buffer.byteLength - RAM_HIGH_START,
        offset: RAM_HIGH_START,
      },
    ]);
  }

  /** New RAM: all zero. By eight bytes, since filling shared memory goes element by element. */
  static clear(memory: WebAssembly.Memory): void {
    new BigUint64Array(memory.buffer).fill(0n);
  }

  /** @param bytes size of guest RAM, a multiple of 64 KiB, 2 MiB to 2 GiB (the board has room below 4 GiB) */
  static allocate(bytes: number): WebAssembly.Memory {
    if (bytes % WASM_PAGE !== 0 || bytes < MIN_BYTES || bytes > 2 ** 31) throw new Error(`guest RAM of ${bytes} bytes`);
    // Never grown by the VMM: views and the regions stay what they are.
    return new WebAssembly.Memory({ initial: bytes / WASM_PAGE, maximum: MAX_PAGES, shared: true });
  }
}
