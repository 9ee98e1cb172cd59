// Standard input, by WASI preview 1: what a person types, a line at a time, or bytes.

import { Bytes } from "./bytes";
import { die } from "./console";

@external("wasi_snapshot_preview1", "fd_read")
declare function fdRead(fd: u32, vectors: usize, count: u32, read: usize): u32;

const STDIN = 0;

/** struct iovec { u32 buf; u32 len } of the one fd_read at a time, and the count of bytes that it answers. */
const VECTOR = memory.data(8, 4);
const READ = memory.data(4, 4);

/** The longest line. What is longer comes in pieces. */
const BUFFER_BYTES: u32 = 4096;
const BUFFER = memory.data(4096, 16);

const NEWLINE: u8 = 0x0a;

export class Stdin {
  /** Bytes of the buffer that have come, and those of them that are used up. */
  private end: u32 = 0;
  private start: u32 = 0;

  /** The next line without its end, valid until the next call; null when there is no more. */
  line(): Bytes | null {
    memory.copy(BUFFER, BUFFER + this.start, this.end - this.start);
    this.end -= this.start;
    this.start = 0;
    let at: u32 = 0;
    for (;;) {
      for (; at < this.end; at++) {
        if (load<u8>(BUFFER + at) == NEWLINE) {
          this.start = at + 1;
          return new Bytes(BUFFER, at);
        }
      }
      const more = this.end < BUFFER_BYTES ? take(BUFFER + this.end, BUFFER_BYTES - this.end) : 0;
      this.end += more;
      if (more != 0) continue;
      this.start = this.end;
      return this.end == 0 ? null : new Bytes(BUFFER, this.end);
    }
  }

  /** Up to `length` bytes to `at`. Returns how many, 0 at the end. */
  read(at: usize, length: u32): u32 {
    const left = min(this.end - this.start, length);
    if (left == 0) return take(at, length);
    memory.copy(at, BUFFER + this.start, left);
    this.start += left;
    return left;
  }
}

function take(at: usize, length: u32): u32 {
  store<u32>(VECTOR, at as u32);
  store<u32>(VECTOR, length, 4);
  if (fdRead(STDIN, VECTOR, 1, READ) != 0) die("cannot read standard input");
  const read = load<u32>(READ);
  if (read > length) die("WASI read more than there was room for");
  return read;
}
