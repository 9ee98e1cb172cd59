// Descriptors as a driver writes them (virtio 1.4, 2.7.5). A buffer is given as a struct virtq_desc, of which addr, len and
// VIRTQ_DESC_F_WRITE count.

import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VirtqDesc } from "../../device/spec/virtq";

/** Of what follows a descriptor's address: len, and the one flag that a buffer given to `add` has a say in. */
const LEN: u64 = 0xffffffff;
const WRITE: u64 = (VIRTQ_DESC_F_WRITE as u64) << 32;

/** A descriptor's flags and next, when another follows it: as its upper word. */
@inline
export function nextIs(next: u32): u32 {
  return VIRTQ_DESC_F_NEXT | (next << 16);
}

/** Writes the buffer at `buffer` as the descriptor at `desc` (they may be one), with these flags and next besides. */
@inline
export function link(buffer: usize, desc: usize, chained: u32, recurs: bool): void {
  const rest = (load<u64>(buffer, VirtqDesc.LEN) & (LEN | WRITE)) | ((chained as u64) << 32);
  describe(desc, load<u64>(buffer, VirtqDesc.ADDR), rest, recurs);
}

/** A table of `count` descriptors, as what follows the address. */
@inline
export function tableOf(count: u32): u64 {
  return ((count * VirtqDesc.SIZEOF) as u64) | ((VIRTQ_DESC_F_INDIRECT as u64) << 32);
}

/**
 * Writes a descriptor: its address, then len, flags and next as one word.
 * @param recurs it probably stands there already: then it is not written, and its cache line stays with the device
 */
@inline
export function describe(desc: usize, addr: u64, rest: u64, recurs: bool): void {
  if (recurs && load<u64>(desc, VirtqDesc.ADDR) == addr && load<u64>(desc, VirtqDesc.LEN) == rest) return;
  store<u64>(desc, addr, VirtqDesc.ADDR);
  store<u64>(desc, rest, VirtqDesc.LEN);
}

/** Of an array of buffers. */
@inline
export function writableBytes(buffers: usize, count: u32): u64 {
  let bytes = writableIn(buffers);
  if (count > 1) for (let i: u32 = 1; i < count; i++) bytes += writableIn(buffers + i * VirtqDesc.SIZEOF);
  return bytes;
}

@inline
function writableIn(buffer: usize): u64 {
  const rest = load<u64>(buffer, VirtqDesc.LEN);
  return rest & WRITE ? rest & LEN : 0;
}
