// Tuples of 32-bit integers as numbers, exactly: equal numbers are equal tuples. They are found by a hash and told apart
// by comparison, so no collision can make one of two.

const FNV_PRIME = 0x01000193;
const FNV_OFFSET = 0x811c9dc5 | 0;

export class Tuples {
  /** By hash, open addressing: number + 1 of a tuple, or 0. A power of two of slots, at most half of them full. */
  #slots = new Int32Array(256);
  #words = new Int32Array(1024);
  /** Where tuple n begins; it ends where the next one does. */
  readonly #starts = [0];
  readonly #hashes: number[] = [];

  /** The number of `tuple`, from 0 in the order in which they were first met. */
  intern(tuple: ArrayLike<number>): number {
    const hash = hashOf(tuple);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot]! - 1;
      if (number < 0) return this.#add(tuple, hash, slot);
      if (this.#hashes[number] === hash && this.#equals(number, tuple)) return number;
    }
  }

  /** Writes tuple `number` to the beginning of `into`. */
  read(number: number, into: Int32Array): void {
    const start = this.#starts[number]!;
    const end = this.#starts[number + 1]!;
    for (let at = start; at < end; at++) into[at - start] = this.#words[at]!;
  }

  get size(): number {
    return this.#hashes.length;
  }

  #equals(number: number, tuple: ArrayLike<number>): boolean {
    const start = this.#starts[number]!;
    if (this.#starts[number + 1]! - start !== tuple.length) return false;
    for (let i = 0; i < tuple.length; i++) if (this.#words[start + i] !== tuple[i]) return false;
    return true;
  }

  #add(tuple: ArrayLike<number>, hash: number, slot: number): number {
    const number = this.size;
    const start = this.#starts[number]!;
    while (start + tuple.length > this.#words.length) this.#words = grown(this.#words);
    this.#words.set(tuple, start);
    this.#starts.push(start + tuple.length);
    this.#hashes.push(hash);
    this.#slots[slot] = number + 1;
    if (2 * this.size > this.#slots.length) this.#rehash();
    return number;
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (const [number, hash] of this.#hashes.entries()) {
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = number + 1;
    }
    this.#slots = slots;
  }
}

function hashOf(tuple: ArrayLike<number>): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < tuple.length; i++) hash = Math.imul(hash ^ tuple[i]!, FNV_PRIME);
  return hash ^ (hash >>> 15);
}

function grown(words: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const twice = new Int32Array(2 * words.length);
  twice.set(words);
  return twice;
}
