// Between two looks at an empty ring. WebAssembly has no pause instruction.

/** Lets time pass: `turns` loads of a word that only this side writes, so that no cache line moves. */
@inline
export function pause(word: usize, turns: u32): void {
  for (; turns > 0; turns--) atomic.load<u16>(word);
}
