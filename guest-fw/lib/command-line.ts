// The command line, by WASI preview 1: where firmware has what a person types into the UEFI shell.

import { Bytes } from "./bytes";
import { die } from "./console";
import { allocatePages } from "./pages";

@external("wasi_snapshot_preview1", "args_sizes_get")
declare function argsSizesGet(count: usize, bytes: usize): u32;

@external("wasi_snapshot_preview1", "args_get")
declare function argsGet(pointers: usize, bytes: usize): u32;

const COUNT = memory.data(4, 4);
const SIZE = memory.data(4, 4);

/** Its words, without the program's name. */
export function commandLine(): Bytes[] {
  const words: Bytes[] = [];
  if (argsSizesGet(COUNT, SIZE) != 0) die("WASI refuses args_sizes_get");
  const count = load<u32>(COUNT);
  const pointers = allocatePages(count * 4 + load<u32>(SIZE));
  if (argsGet(pointers, pointers + count * 4) != 0) die("WASI refuses args_get");
  for (let i: u32 = 1; i < count; i++) {
    const at = load<u32>(pointers + i * 4);
    let length: u32 = 0;
    while (load<u8>(at + length) != 0) length++;
    words.push(new Bytes(at, length));
  }
  return words;
}
