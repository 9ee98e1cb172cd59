/** A stretch of guest memory: a buffer, or a word of the command line in whatever encoding it came. */
export class Bytes {
  constructor(
    readonly at: usize,
    readonly length: u32,
  ) {}

  toString(): string {
    return String.UTF8.decodeUnsafe(this.at, this.length);
  }
}
