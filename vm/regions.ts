// A region table: guest-physical addresses to offsets into the memory that holds guest RAM. The machine has one, and a
// back-end builds its own from ADD_MEM_REG or SET_MEM_TABLE. Every access by a device goes through one.
//
// A gpa is two unsigned 32-bit halves, never a double that could round.

/** It ends at 2^64 or before: who makes one of a peer's numbers has refused others. */
export interface Region {
  /** First gpa. */
  readonly lo: number;
  readonly hi: number;
  /** Bytes. */
  readonly size: number;
  /** Where it starts in the memory. */
  readonly offset: number;
}

/** A piece of guest RAM. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/**
 * How many bytes from (lo, hi) on lie in `region`; 0 when the address is outside. Exact: the difference is formed in
 * two halves, and only used when its high half is 0.
 */
function bytesFrom(region: Region, lo: number, hi: number): number {
  const low = (lo - region.lo) >>> 0;
  const high = (hi - region.hi - (lo < region.lo ? 1 : 0)) | 0;
  return high === 0 && low < region.size ? region.size - low : 0;
}

export class RegionTable {
  constructor(readonly regions: readonly Region[]) {}

  /** The offset of [gpa, gpa + length) if all of it lies in one region, else undefined. */
  contiguous(lo: number, hi: number, length: number): number | undefined {
    for (const region of this.regions) {
      const left = bytesFrom(region, lo, hi);
      if (left > 0) return left >= length ? region.offset + region.size - left : undefined;
    }
    return undefined;
  }

  /** Does [offset, offset + length) lie in one region? For offsets that were translated earlier. */
  holds(offset: number, length: number): boolean {
    return this.regions.some((r) => offset >= r.offset && offset + length <= r.offset + r.size);
  }

  /**
   * Appends the pieces of [gpa, gpa + length) to `out`; a buffer may cross regions whose gpas adjoin.
   * @returns false, with nothing to be used in `out`, if a byte lies outside or the range wraps at 2^64
   */
  segments(lo: number, hi: number, length: number, out: Segment[]): boolean {
    let rest = length;
    while (rest > 0) {
      const region = this.regions.find((r) => bytesFrom(r, lo, hi) > 0);
      if (!region) return false;
      const left = bytesFrom(region, lo, hi);
      const take = Math.min(rest, left);
      out.push({ offset: region.offset + region.size - left, length: take });
      rest -= take;
      const sum = lo + take; // below 2^33: exact
      lo = sum >>> 0;
      if (sum > 0xffffffff) {
        if (hi === 0xffffffff && rest > 0) return false;
        hi = (hi + 1) >>> 0;
      }
    }
    return true;
  }
}
