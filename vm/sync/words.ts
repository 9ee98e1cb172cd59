// The second SharedArrayBuffer: what the threads of the VMM and of the back-end share among themselves, out of the
// guest's reach. Every thread builds the same objects in the same order over it, as processes map the same segments.

import { type Cell, Op, type Waitable } from "./op.js";

const STATE_WORDS = 32 * 1024;
const NOTE_WORDS = 4 * 1024;

/** An object that can write its logical state (not its layout) to a state key. */
export interface Foldable {
  fold(key: number[]): void;
}

export class SyncMemory {
  /** Bytes a SyncMemory needs. */
  static readonly BYTES = 4 * (STATE_WORDS + NOTE_WORDS);

  /** Told of every access to a state word; for audits of footprints, and for who wants to know what a fold depends on. */
  observer: ((cell: Cell, write: boolean) => void) | undefined;
  /** Told of every word before it is written, by the word itself; set by who takes writes back. */
  journal: ((cell: Cell, old: number) => void) | undefined;
  readonly waitables: Waitable[] = [];
  readonly folds: Foldable[] = [];

  readonly #state: Int32Array;
  /** Wait queues and wait records: how threads sleep and what they say of it. Not part of the system's state. */
  readonly notes: Int32Array;
  readonly #blocks: { readonly at: Cell; readonly end: Cell }[] = [];
  #nextWord = 0;
  #nextNote = 0;

  constructor(readonly buffer: SharedArrayBuffer) {
    if (buffer.byteLength !== SyncMemory.BYTES) throw new Error(`sync memory of ${buffer.byteLength} bytes`);
    this.#state = new Int32Array(buffer, 0, STATE_WORDS);
    this.notes = new Int32Array(buffer, 4 * STATE_WORDS, NOTE_WORDS);
  }

  static create(): SyncMemory {
    return new SyncMemory(new SharedArrayBuffer(SyncMemory.BYTES));
  }

  allocate(words: number): Cell {
    const at = this.#nextWord;
    this.#nextWord += words;
    if (this.#nextWord > STATE_WORDS) throw new Error("out of sync words");
    return at;
  }

  /** Words that footprints name as one, by the first: whoever touches one of them may touch all. */
  allocateBlock(words: number): Cell {
    const at = this.allocate(words);
    this.#blocks.push({ at, end: at + words });
    return at;
  }

  allocateNotes(words: number): number {
    const at = this.#nextNote;
    this.#nextNote += words;
    if (this.#nextNote > NOTE_WORDS) throw new Error("out of sync notes");
    return at;
  }

  /** Gives a waitable its number, the same in every thread. */
  register(waitable: Waitable): number {
    return this.waitables.push(waitable) - 1;
  }

  /** Back to the state of a new machine. Only while no actor runs. */
  clear(): void {
    this.#state.fill(0);
    this.notes.fill(0);
  }

  load(cell: Cell): number {
    if (this.observer) this.observer(this.footprintCell(cell), false);
    return Atomics.load(this.#state, cell);
  }

  /** A look that is no step of an actor: an assertion, a report. */
  peek(cell: Cell): number {
    return Atomics.load(this.#state, cell);
  }

  store(cell: Cell, value: number): void {
    if (this.observer) this.observer(this.footprintCell(cell), true);
    if (this.journal) this.journal(cell, this.peek(cell));
    Atomics.store(this.#state, cell, value);
  }

  add(cell: Cell, value: number): number {
    if (this.observer) this.observer(this.footprintCell(cell), true);
    if (this.journal) this.journal(cell, this.peek(cell));
    return Atomics.add(this.#state, cell, value);
  }

  exchange(cell: Cell, value: number): number {
    if (this.observer) this.observer(this.footprintCell(cell), true);
    if (this.journal) this.journal(cell, this.peek(cell));
    return Atomics.exchange(this.#state, cell, value);
  }

  /** @returns the old value; the store happened if it equals `expected` */
  compareExchange(cell: Cell, expected: number, value: number): number {
    if (this.observer) this.observer(this.footprintCell(cell), true);
    if (this.journal) this.journal(cell, this.peek(cell));
    return Atomics.compareExchange(this.#state, cell, expected, value);
  }

  /** A word beside the state, for reports. */
  note(at: number): number {
    return Atomics.load(this.notes, at);
  }

  setNote(at: number, value: number): void {
    Atomics.store(this.notes, at, value);
  }

  addNote(at: number, value: number): void {
    Atomics.add(this.notes, at, value);
  }

  /** The cell by which footprints name a word. */
  footprintCell(cell: Cell): Cell {
    for (const { at, end } of this.#blocks) if (cell >= at && cell < end) return at;
    return cell;
  }

  /** Puts back what a word was. */
  restore(cell: Cell, value: number): void {
    Atomics.store(this.#state, cell, value);
  }

  /** The system's state, canonical: equal arrays mean equal states. */
  foldAll(key: number[]): void {
    for (const object of this.folds) object.fold(key);
  }
}

/**
 * Where blocked threads sleep until something that they wait for has changed, as a wait queue in a kernel.
 * A waiter reads `seq`, looks at its condition, and sleeps while `seq` is unchanged; who changes the condition bumps
 * `seq` afterwards. Both are sequentially consistent, so one of the two sees the other: no wake-up is lost.
 */
export class WaitQueue {
  readonly seq: number;
  readonly #sleepers: number;

  constructor(readonly memory: SyncMemory) {
    this.seq = memory.allocateNotes(2);
    this.#sleepers = this.seq + 1;
  }

  /** Call after the change. Costs no system call while nobody sleeps. */
  wake(): void {
    if (Atomics.load(this.memory.notes, this.#sleepers) === 0) return;
    Atomics.add(this.memory.notes, this.seq, 1);
    Atomics.notify(this.memory.notes, this.seq);
  }

  /**
   * Sleeps until woken, or until `ms` are over, unless `ready()` holds once this thread counts as a sleeper.
   * `ready` is looked at between the announcement and the sleep; wake() looks at the announcement after the change.
   */
  sleep(ready: () => boolean, ms = Number.POSITIVE_INFINITY): void {
    const notes = this.memory.notes;
    Atomics.add(notes, this.#sleepers, 1);
    const seen = Atomics.load(notes, this.seq);
    if (!ready()) Atomics.wait(notes, this.seq, seen, ms);
    Atomics.sub(notes, this.#sleepers, 1);
  }
}

/** One shared 32-bit word. */
export class Word implements Waitable, Foldable {
  readonly id: number;
  readonly queue: WaitQueue;
  readonly #cell: Cell;
  readonly #reads: { reads: Cell[]; writes: Cell[] };
  readonly #writes: { reads: Cell[]; writes: Cell[] };

  /** @param guard the lock that owns this word, if one does: then it is only touched while that lock is held */
  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
    readonly guard?: { assertHeld(word: string): void },
  ) {
    this.#cell = memory.allocate(1);
    this.queue = new WaitQueue(memory);
    this.id = memory.register(this);
    memory.folds.push(this);
    this.#reads = { reads: [this.#cell], writes: [] };
    this.#writes = { reads: [this.#cell], writes: [this.#cell] };
  }

  load(): Op<number> {
    return this.#op("load", "", false, () => this.memory.load(this.#cell));
  }

  store(value: number): Op<number> {
    return this.#op("store", `= ${value}`, true, () => {
      this.memory.store(this.#cell, value);
      this.queue.wake();
      return 0;
    });
  }

  /** @returns the old value */
  exchange(value: number): Op<number> {
    return this.#op("exchange", `= ${value}`, true, () => {
      const old = this.memory.exchange(this.#cell, value);
      this.queue.wake();
      return old;
    });
  }

  /** Blocks while the word equals `value`. @returns what it then is */
  awaitChange(value: number): Op<number> {
    const attempt = (): number | undefined => {
      const now = this.memory.load(this.#cell);
      return now === value ? undefined : now;
    };
    return new Op(`${this.name}.await`, this.#reads, attempt, { blocks: { on: this, a: value, b: 0 } });
  }

  blocked(value: number): boolean {
    return this.memory.load(this.#cell) === value;
  }

  describe(value: number): string {
    return `${this.name} to change from ${value}`;
  }

  /** For onlookers while nobody moves (verdicts, reports). */
  peek(): number {
    return this.memory.load(this.#cell);
  }

  fold(key: number[]): void {
    key.push(this.memory.load(this.#cell));
  }

  // Eager when a lock owns the word: whoever else wants it must take the lock first, and that is where the branch is.
  #op(verb: string, detail: string, writes: boolean, act: () => number): Op<number> {
    const attempt = (): number => {
      this.guard?.assertHeld(this.name);
      return act();
    };
    const footprint = writes ? this.#writes : this.#reads;
    const guarded = this.guard !== undefined;
    return new Op(`${this.name}.${verb}`, footprint, attempt, { eager: guarded, guarded, detail });
  }
}
