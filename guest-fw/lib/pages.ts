// Page-aligned memory for what the device reads and writes (EDK2: gBS->AllocatePages). It is the program's heap above
// its data, given out once and never back: a boot needs a fixed few. Contents are whatever the last boot left there.

import { Bytes } from "./bytes";
import { die } from "./console";

const PAGE: u32 = 4096;

/** Kept for the small objects and lines of text that share the heap. */
const RESERVE: u64 = 0x8000;

export function allocatePages(bytes: usize): usize {
  if (bytes > free()) die("out of memory");
  return (heap.alloc(bytes + PAGE) + PAGE - 1) & ~(PAGE - 1);
}

/** A buffer of `most` bytes, a multiple of the page size, or of the pages that are left when they are fewer. */
export function allocateUpTo(most: u32): Bytes {
  const length = max<u32>(PAGE, min<u32>(most, free()));
  return new Bytes(allocatePages(length), length);
}

/**
 * Bytes in whole pages that can still be given. Guest RAM does not grow: the heap must never come to its memory.grow.
 * The end is computed in 64 bits, for 65536 pages of wasm are 2^32 bytes.
 */
function free(): u32 {
  const end = (memory.size() as u64) << 16;
  const used = (heap.alloc(0) as u64) + PAGE + RESERVE;
  return end > used ? (((end - used) & ~(PAGE - 1)) as u32) : 0;
}
