// Guest RAM as the TypeScript twin of the ring sees it: typed arrays, and what both of its sides need.

import { VirtqDesc, virtqAvailEventOffset, virtqUsedEventOffset } from "../../../device/spec/virtq.js";
import type { QueueLayout } from "./layout.js";

/** How a run of either side ends when the other broke a rule; which one is of no interest here. */
export const BROKEN = -1;

/** A descriptor in words of 32 bits; next lies above flags. */
export const WORDS = VirtqDesc.SIZEOF >>> 2;

/** In each width; a place is an offset in bytes, shifted. */
export class JsRam {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;

  constructor(memory: WebAssembly.Memory) {
    this.u8 = new Uint8Array(memory.buffer);
    this.u16 = new Uint16Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
  }

  /** Copies bytes; inline where a call into the engine would cost more than the copy. */
  copy(to: number, from: number, bytes: number): void {
    if (bytes > 64) this.u8.set(this.u8.subarray(from, from + bytes), to);
    else for (let i = 0; i < bytes; i++) this.u8[to + i] = this.u8[from + i]!;
  }
}

/** Places in a queue by index: of 16 bits where shared, of 32 where descriptors and used elements are. */
export class JsRing {
  readonly desc: number;
  readonly availIdx: number;
  readonly availRing: number;
  readonly usedIdx: number;
  readonly usedRing: number;
  readonly usedEvent: number;
  readonly availEvent: number;

  constructor({ desc, avail, used, size }: QueueLayout) {
    this.desc = desc >>> 2;
    this.availIdx = (avail >>> 1) + 1;
    this.availRing = (avail >>> 1) + 2;
    this.usedIdx = (used >>> 1) + 1;
    this.usedRing = (used >>> 2) + 1;
    this.usedEvent = (avail + virtqUsedEventOffset(size)) >>> 1;
    this.availEvent = (used + virtqAvailEventOffset(size)) >>> 1;
  }
}

/** Lets time pass: loads of a word that nobody else writes meanwhile. */
export function pause(u16: Uint16Array, word: number, turns: number): void {
  for (; turns > 0; turns--) Atomics.load(u16, word);
}
