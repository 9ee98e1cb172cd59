// The seam between actors and engines.
//
// An actor (vCPU with the front-end, control plane, data plane) is a generator function. It reaches state that another
// actor can see only by yielding an Op; an engine performs it: with Atomics on a real thread (perform.ts), or one at a
// time under a scheduler (host/explore). Between two yields an actor touches nothing shared, so the interleavings of
// ops are the whole behaviour of the system.

import type { WaitQueue } from "./words.js";

/** A place in shared state as footprints name it: the index of a sync word, or `ramCell(offset)`. */
export type Cell = number;

/** Footprint cells of guest RAM start here; one cell is 16 bits wide, as the ring's indices are. */
const RAM_CELLS = 2 ** 32;

/** Cells of streams start here: each stream, named by a cell of its own, has one for each of its 2^32 positions. */
const STREAM_CELLS = 2 ** 33;

/** The cell of the 16-bit word at `offset` of guest RAM. */
export function ramCell(offset: number): Cell {
  return RAM_CELLS + (offset >>> 1);
}

export function isRamCell(cell: Cell): boolean {
  return cell >= RAM_CELLS && cell < STREAM_CELLS;
}

/** The cells of `length` bytes from position `from` (mod 2^32) of a stream. */
export function streamCells(stream: Cell, from: number, length: number): Cell[] {
  return Array.from({ length }, (_, i) => STREAM_CELLS + stream * 2 ** 32 + ((from + i) >>> 0));
}

/** The offset of a RAM cell's 16-bit word. */
export function ramOffset(cell: Cell): number {
  return 2 * (cell - RAM_CELLS);
}

/** What one op may read and write. Declared where the op is made, audited in tests against what it really touches. */
export interface Footprint {
  readonly reads: readonly Cell[];
  readonly writes: readonly Cell[];
}

/** Two ops may be dependent only where one of them writes what the other reads or writes; else they commute. */
export function dependent(a: Footprint, b: Footprint): boolean {
  const hits = (writes: readonly Cell[], other: Footprint): boolean =>
    writes.some((cell) => other.reads.includes(cell) || other.writes.includes(cell));
  return hits(a.writes, b) || hits(b.writes, a);
}

/** Something an actor can be blocked on. `a` and `b` say for what, so that an onlooker can ask the same question. */
export interface Waitable {
  readonly id: number;
  readonly name: string;
  readonly queue: WaitQueue;
  /** Would an op that waits for (a, b) be blocked now? Reads shared state, changes nothing. */
  blocked(a: number, b: number): boolean;
  /** One clause for a hang report: what is waited for, with the values. */
  describe(a: number, b: number): string;
}

/** What an op that cannot happen yet waits for. */
export interface Blocking {
  readonly on: Waitable;
  readonly a: number;
  readonly b: number;
  /** A polling guest looks again after this many microseconds, doubling; other waits sleep until they are woken. */
  readonly pollMicros?: number;
}

/** What an actor learns from an op: a number, or more, which then says when two pieces of knowledge are equal. */
export type Result = number | Learned;

export interface Learned {
  /** Equal keys mean equal knowledge: a scheduler recognises an actor by what it has learned. */
  readonly key: string;
  /** The one number that a trace shows. */
  readonly summary: number;
}

/** Bytes and descriptors taken from a stream by one op. */
export class Received implements Learned {
  /** @param fds descriptor numbers that came with the first of these bytes (SCM_RIGHTS) */
  constructor(
    readonly bytes: Uint8Array,
    readonly fds: readonly number[],
  ) {}

  get key(): string {
    return `${this.bytes.join()};${this.fds.join()}`;
  }

  get summary(): number {
    return this.bytes.length;
  }
}

export interface OpOptions {
  /**
   * Nothing another actor can do before this op depends on it, so a scheduler may run it at once without branching
   * (a persistent set of one). The proof obligation stands at each place that sets it.
   */
  readonly eager?: boolean;
  readonly blocks?: Blocking;
  /**
   * What decides whether the op commutes with another, where that is less than what it touches: of a stream the bytes
   * and not the counters. Both sides of such an object declare it.
   */
  readonly order?: () => Footprint;
  /**
   * While it is enabled no op of another actor that depends on it is: such an op comes after it, and never races with it.
   * The proof obligation stands at each place that sets it.
   */
  readonly releases?: boolean;
  /** On a real thread the op takes this many microseconds or more. No wait: nothing that anybody does can end it. */
  readonly takesMicros?: number;
  /** For people: what a timeline shows beside the name. */
  readonly detail?: string;
}

/** One step that other actors can see. `yield* op` performs it and gives its result. */
export class Op<R extends Result = Result> {
  readonly eager: boolean;
  readonly releases: boolean;
  readonly blocks: Blocking | undefined;
  readonly takesMicros: number;
  readonly detail: string;
  readonly #footprint: Footprint | (() => Footprint);
  readonly #order: (() => Footprint) | undefined;

  /**
   * @param name what a schedule, a trace and `--delay` call it, for example `kick.read`
   * @param footprint as a function where it is large: only schedulers and audits look at it
   * @param attempt performs the op atomically, or gives undefined (and has changed nothing) while it is blocked
   */
  constructor(
    readonly name: string,
    footprint: Footprint | (() => Footprint),
    readonly attempt: () => R | undefined,
    options: OpOptions = {},
  ) {
    this.#footprint = footprint;
    this.#order = options.order;
    this.eager = options.eager ?? false;
    this.releases = options.releases ?? false;
    this.blocks = options.blocks;
    this.takesMicros = options.takesMicros ?? 0;
    this.detail = options.detail ?? "";
  }

  get footprint(): Footprint {
    return typeof this.#footprint === "function" ? this.#footprint() : this.#footprint;
  }

  /** By which it is `dependent` on others, in the state that the system is in now. */
  get order(): Footprint {
    return this.#order?.() ?? this.footprint;
  }

  /** Can it happen now? */
  enabled(): boolean {
    return this.blocks === undefined || !this.blocks.on.blocked(this.blocks.a, this.blocks.b);
  }

  *[Symbol.iterator](): Generator<Op, R, unknown> {
    return (yield this) as R;
  }
}

/** Time passes, in which the actor touches nothing. To a scheduler, which allows any delay anywhere, it is a step only. */
export function passTime(micros: number): Op<number> {
  return new Op("sleep", { reads: [], writes: [] }, () => 0, {
    eager: true, // it depends on nothing
    takesMicros: micros,
    detail: `${micros} us`,
  });
}

/** An actor, or a part of one. */
export type Actor<R = void> = Generator<Op, R, unknown>;
