// Copies within guest RAM, for wasm code on both sides of a ring. memory.copy is a call out of the code; up to some size
// a few vector moves are cheaper.

const INLINE: u32 = 256;

/** Copies `len` bytes; the ranges do not overlap. */
@inline
export function copy(to: usize, from: usize, len: u32): void {
  if (len > INLINE) {
    memory.copy(to, from, len);
    return;
  }
  let at: u32 = 0;
  for (; at + 16 <= len; at += 16) v128.store(to + at, v128.load(from + at));
  if (at == len) return;
  if (len >= 16) {
    // The last vector overlaps the one before it.
    v128.store(to + len - 16, v128.load(from + len - 16));
    return;
  }
  for (; at < len; at++) store<u8>(to + at, load<u8>(from + at));
}
