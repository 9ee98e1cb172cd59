// RAM of a guest instance that runs beside the search: a copy of the live one, in which the guest's plain stores can be
// told by comparison.

import type { Suspended } from "../../vm/guest-explored.js";
import { GuestMemory } from "../../vm/memory.js";
import { RAM_HIGH_START, RAM_LOW_SIZE } from "../../vm/spec/board.js";
import { BOOT_RAM_BYTES } from "../scenario/boot-machine.js";
import { Tuples } from "./tuples.js";

/** The bytes of RAM that are in no region: asyncify keeps the guest's stack there, and no device reaches it. */
const HOLE_START = RAM_LOW_SIZE;
const HOLE_END = RAM_HIGH_START;

/** In words of 32 bits. */
const PAGE = 1024;

/** Words here are of 16 bits, by their index. */
export class GuestRam {
  readonly memory = GuestMemory.allocate(BOOT_RAM_BYTES);
  readonly #words = new Uint16Array(this.memory.buffer);
  readonly #wide = new Int32Array(this.memory.buffer);
  /** What the RAM was when it was last looked at, if it is not `#stale`. */
  readonly #before = new Int32Array(BOOT_RAM_BYTES / 4);
  #stale = false;
  /** Pages that are not all zero, or were not, in order. */
  readonly #pages: number[] = [];
  readonly #used = new Uint8Array(BOOT_RAM_BYTES / 4 / PAGE);
  readonly #contents = new Tuples();
  readonly #globals = new Map<string, number>();

  clear(): void {
    this.look();
    for (const page of this.#pages)
      for (const ram of [this.#wide, this.#before]) ram.fill(0, PAGE * page, PAGE * (page + 1));
  }

  /** What somebody else than the guest has stored. */
  store(word: number, value: number): void {
    this.#words[word] = value;
    this.#before[word >>> 1] = this.#wide[word >>> 1]!;
    this.#use(word >>> 1);
  }

  /** The guest has run, and nobody will ask what it has stored. */
  passOver(): void {
    this.#stale = true;
  }

  /** Remembers what the RAM is now. */
  look(): void {
    if (!this.#stale) return;
    for (const at of differences(this.#wide, this.#before)) this.#seen(at);
    this.#stale = false;
  }

  /** Since the last look, what the guest has stored where a device can see it: pairs of a word and its value. */
  stores(): number[] {
    const stores: number[] = [];
    for (const at of differences(this.#wide, this.#before)) {
      const changed = this.#wide[at]! ^ this.#before[at]!;
      this.#seen(at);
      if (4 * at >= HOLE_START && 4 * at < HOLE_END) continue;
      if (changed & 0xffff) stores.push(2 * at, this.#words[2 * at]!);
      if (changed & 0xffff0000) stores.push(2 * at + 1, this.#words[2 * at + 1]!);
    }
    return stores;
  }

  /**
   * The number of what a guest is: RAM, its stack and its globals.
   * @param suspended absent: it does not run
   * @param without words that are not looked at
   */
  content(suspended: Suspended | undefined, without: (word: number) => boolean): number {
    const key = suspended?.globals.join() ?? "none";
    const globals = this.#globals.get(key) ?? this.#globals.size;
    this.#globals.set(key, globals);
    const content = [globals];
    const stackEnd = suspended?.stackEnd ?? HOLE_START;
    const wide = this.#wide;
    for (const page of this.#pages) {
      for (let at = PAGE * page; at < PAGE * (page + 1); at++) {
        if (wide[at] === 0 || (4 * at >= stackEnd && 4 * at < HOLE_END)) continue;
        const low = without(2 * at) ? 0 : this.#words[2 * at]!;
        const high = without(2 * at + 1) ? 0 : this.#words[2 * at + 1]!;
        if (low | high) content.push(at, low | (high << 16));
      }
    }
    return this.#contents.intern(content);
  }

  /** `#before` is to know what the word of 32 bits is now. */
  #seen(at: number): void {
    this.#before[at] = this.#wide[at]!;
    this.#use(at);
  }

  #use(at: number): void {
    const page = Math.floor(at / PAGE);
    if (this.#used[page]) return;
    this.#used[page] = 1;
    this.#pages.push(page);
    this.#pages.sort((a, b) => a - b);
  }
}

/** Where `a` and `b` differ. Their length is a multiple of 8: by so many at once, since almost all are equal. */
function differences(a: Int32Array, b: Int32Array): number[] {
  const found: number[] = [];
  for (let at = 0; at < a.length; at += 8) {
    const first = (a[at]! ^ b[at]!) | (a[at + 1]! ^ b[at + 1]!) | (a[at + 2]! ^ b[at + 2]!) | (a[at + 3]! ^ b[at + 3]!);
    const last =
      (a[at + 4]! ^ b[at + 4]!) | (a[at + 5]! ^ b[at + 5]!) | (a[at + 6]! ^ b[at + 6]!) | (a[at + 7]! ^ b[at + 7]!);
    if ((first | last) === 0) continue;
    for (let i = at; i < at + 8; i++) if (a[i] !== b[i]) found.push(i);
  }
  return found;
}
