// The one memory of a search that goes back: sync words and guest RAM, with a log of what they were, and what of it is
// state as few numbers. Nothing is copied: to go back is to take the writes back, newest first.

import type { Cell } from "../../vm/sync/op.js";
import type { SyncMemory } from "../../vm/sync/words.js";
import { Tuples } from "./tuples.js";

/** 16-bit words of guest RAM by their index, in order, each once. */
export class RamWordSet {
  readonly #members: ReadonlySet<number>;
  /** By what was united with it: a search does the same again and again. */
  readonly #unions = new Map<readonly number[], RamWordSet>();

  constructor(readonly words: readonly number[]) {
    this.#members = new Set(words);
  }

  has(word: number): boolean {
    return this.#members.has(word);
  }

  /** @param words a list that does not change: it is recognised by its identity */
  with(words: readonly number[]): RamWordSet {
    let union = this.#unions.get(words);
    if (!union) {
      const added = words.filter((word) => !this.has(word));
      union = added.length === 0 ? this : new RamWordSet([...new Set([...this.words, ...added])].sort((a, b) => a - b));
      this.#unions.set(words, union);
    }
    return union;
  }
}

export interface LiveMark {
  readonly log: number;
  readonly deviceWritten: RamWordSet;
}

/** How many numbers the state of a memory is. */
export const livePartsOf = (sync: SyncMemory): number => sync.folds.length + 1;

export class LiveMemory {
  /** Pairs: a sync word, or -1 - a RAM word; what it was. */
  readonly #log: number[] = [];
  readonly #ram: Uint16Array;
  readonly #numbers: readonly Tuples[];
  /** By the cell that footprints name: whose folds have looked at it. All others do not depend on it. */
  readonly #dependents: number[][] = [];
  readonly #stale: Uint8Array;
  readonly #fold: number[] = [];
  #folding = 0;
  /** Guest RAM that a device has written: all else in RAM depends on the guest's own history only. */
  #deviceWritten = new RamWordSet([]);

  /**
   * @param folded where the state is kept, livePartsOf(sync) long: the number of each Foldable's fold, then of the RAM
   *   that a device has written. Up to date after `refresh`
   */
  constructor(
    readonly sync: SyncMemory,
    ram: ArrayBufferLike,
    readonly folded: Int32Array,
  ) {
    this.#ram = new Uint16Array(ram);
    const parts = livePartsOf(sync);
    this.#numbers = Array.from({ length: parts }, () => new Tuples());
    this.#stale = new Uint8Array(parts).fill(1);
    this.watch(sync);
  }

  /** Logs writes through `sync`, which is over the same buffer. */
  watch(sync: SyncMemory): void {
    sync.journal = (cell, old) => {
      this.#log.push(cell, old);
      for (const fold of this.#dependents[sync.footprintCell(cell)] ?? []) this.#stale[fold] = 1;
    };
  }

  /** Logs words of RAM that are about to be written. */
  keep(words: readonly number[]): void {
    for (const word of words) this.#keep(word);
  }

  loadRam(word: number): number {
    return this.#ram[word]!;
  }

  storeRam(word: number, value: number): void {
    this.#keep(word);
    this.#ram[word] = value;
  }

  /** @param words as RamWordSet.with takes them */
  deviceWrites(words: readonly number[]): void {
    this.#deviceWritten = this.#deviceWritten.with(words);
    this.#stale[this.#ramPart] = 1;
  }

  isDeviceWritten(word: number): boolean {
    return this.#deviceWritten.has(word);
  }

  /** The number of what devices have written to RAM. */
  ramState(): number {
    if (this.#stale[this.#ramPart]) this.#refresh(this.#ramPart);
    return this.folded[this.#ramPart]!;
  }

  refresh(): void {
    for (let part = 0; part < this.#stale.length; part++) if (this.#stale[part]) this.#refresh(part);
  }

  mark(): LiveMark {
    return { log: this.#log.length, deviceWritten: this.#deviceWritten };
  }

  /** To a mark that was made after `refresh`; `folded` is brought back by who has it. */
  back({ log, deviceWritten }: LiveMark): void {
    for (let at = this.#log.length - 2; at >= log; at -= 2) {
      const place = this.#log[at]!;
      const old = this.#log[at + 1]!;
      if (place < 0) this.#ram[-1 - place] = old;
      else this.sync.restore(place, old);
    }
    this.#log.length = log;
    this.#stale.fill(0);
    this.#deviceWritten = deviceWritten;
  }

  get #ramPart(): number {
    return this.#numbers.length - 1;
  }

  #keep(word: number): void {
    this.#log.push(-1 - word, this.#ram[word]!);
    if (this.#deviceWritten.has(word)) this.#stale[this.#ramPart] = 1;
  }

  readonly #depends = (cell: Cell): void => {
    const dependents = this.#dependents[cell];
    if (!dependents) this.#dependents[cell] = [this.#folding];
    else if (!dependents.includes(this.#folding)) dependents.push(this.#folding);
  };

  #refresh(part: number): void {
    const fold = this.#fold;
    fold.length = 0;
    if (part === this.#ramPart) {
      for (const word of this.#deviceWritten.words) fold.push(word, this.#ram[word]!);
    } else {
      this.#folding = part;
      this.sync.observer = this.#depends;
      this.sync.folds[part]!.fold(fold);
      this.sync.observer = undefined;
    }
    this.folded[part] = this.#numbers[part]!.intern(fold);
    this.#stale[part] = 0;
  }
}
