// The back-end's picture of guest RAM, from ADD_MEM_REG or SET_MEM_TABLE: written by the control plane, read by the data
// plane. rust-vmm swaps an Arc of the whole table (GuestMemoryAtomic); here a version makes a read see one table.

import { type Region, RegionTable } from "../../vm/regions.js";
import { type Cell, type Footprint, type Learned, Op } from "../../vm/sync/op.js";
import type { Foldable, SyncMemory } from "../../vm/sync/words.js";
import { type RingAreas, ringAreas } from "../virtqueue.js";

/** A region with the address at which the front-end maps it, by which SET_VRING_ADDR names rings. */
export interface MappedRegion extends Region {
  readonly uaddrLo: number;
  readonly uaddrHi: number;
}

export const low = (value: bigint): number => Number(value & 0xffffffffn);
export const high = (value: bigint): number => Number(value >> 32n);

/** A region as messages have it; `size` and `offset` are below the RAM's size. */
export function mappedRegion(region: { gpa: bigint; size: bigint; uaddr: bigint; offset: bigint }): MappedRegion {
  return {
    lo: low(region.gpa),
    hi: high(region.gpa),
    size: low(region.size),
    offset: low(region.offset),
    uaddrLo: low(region.uaddr),
    uaddrHi: high(region.uaddr),
  };
}

export const MAX_REGIONS = 8;
const FIELDS = 6;

/** One table, complete. */
export class MemTable implements Learned {
  /** By guest-physical address. */
  readonly byGpa: RegionTable;
  /** By the front-end's virtual address. */
  readonly byUaddr: RegionTable;

  constructor(readonly regions: readonly MappedRegion[]) {
    this.byGpa = new RegionTable(regions);
    this.byUaddr = new RegionTable(regions.map((r) => ({ ...r, lo: r.uaddrLo, hi: r.uaddrHi })));
  }

  /** Where a ring of `size` entries lies whose areas the front-end names, or undefined if it cannot lie there. */
  ringAreas(size: number, uaddr: Readonly<Record<"desc" | "avail" | "used", bigint>>): RingAreas | undefined {
    return ringAreas(size, (area, length) => this.byUaddr.contiguous(low(uaddr[area]), high(uaddr[area]), length));
  }

  get key(): string {
    return this.regions.map((r) => `${r.hi}:${r.lo}:${r.size}:${r.offset}:${r.uaddrHi}:${r.uaddrLo}`).join();
  }

  get summary(): number {
    return this.regions.length;
  }
}

export class SharedMemTable implements Foldable {
  readonly #version: Cell; // odd while the one writer is at work
  readonly #count: Cell;
  readonly #words: Cell;

  /** @param guard the lock that owns the table, if one does: then it is only touched while that lock is held */
  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
    readonly guard?: { assertHeld(what: string): void },
  ) {
    this.#version = memory.allocateBlock(2 + MAX_REGIONS * FIELDS);
    this.#count = this.#version + 1;
    this.#words = this.#version + 2;
    memory.folds.push(this);
  }

  load(): Op<MemTable> {
    return this.#op("load", { reads: [this.#version], writes: [] }, "", () => this.#read());
  }

  /** @param regions at most MAX_REGIONS */
  replace(regions: readonly MappedRegion[]): Op<number> {
    if (regions.length > MAX_REGIONS) throw new Error(`${regions.length} regions`);
    const attempt = (): number => {
      this.memory.add(this.#version, 1);
      this.memory.store(this.#count, regions.length);
      regions.forEach((r, i) => {
        [r.lo, r.hi, r.size, r.offset, r.uaddrLo, r.uaddrHi].forEach((value, f) => {
          this.memory.store(this.#words + i * FIELDS + f, value | 0);
        });
      });
      this.memory.add(this.#version, 1);
      return 0;
    };
    return this.#op("replace", { reads: [], writes: [this.#version] }, `${regions.length} regions`, attempt);
  }

  /** For onlookers while nobody moves. */
  peek(): MemTable {
    return this.#read();
  }

  fold(key: number[]): void {
    const count = this.memory.load(this.#count);
    key.push(count);
    for (let i = 0; i < count * FIELDS; i++) key.push(this.memory.load(this.#words + i));
  }

  // Eager when a lock owns the table: whoever else wants it must take the lock first, and that is where the branch is.
  #op<R extends number | MemTable>(verb: string, footprint: Footprint, detail: string, act: () => R): Op<R> {
    const attempt = (): R => {
      this.guard?.assertHeld(this.name);
      return act();
    };
    const guarded = this.guard !== undefined;
    return new Op(`${this.name}.${verb}`, footprint, attempt, { eager: guarded, guarded, detail });
  }

  #read(): MemTable {
    for (;;) {
      const version = this.memory.load(this.#version);
      const regions = Array.from({ length: this.memory.load(this.#count) }, (_, i) => {
        const at = this.#words + i * FIELDS;
        const word = (f: number): number => this.memory.load(at + f) >>> 0;
        return { lo: word(0), hi: word(1), size: word(2), offset: word(3), uaddrLo: word(4), uaddrHi: word(5) };
      });
      if (version % 2 === 0 && this.memory.load(this.#version) === version) return new MemTable(regions);
    }
  }
}
