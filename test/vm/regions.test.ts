import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Region, RegionTable, type Segment } from "../../vm/regions.js";

const TOP = 2n ** 64n;
const lo = (gpa: bigint): number => Number(gpa & 0xffffffffn);
const hi = (gpa: bigint): number => Number(gpa >> 32n);

/** A region as the model has it. */
interface Span {
  readonly gpa: bigint;
  readonly size: number;
  readonly offset: number;
}

const table = (spans: readonly Span[]): RegionTable =>
  new RegionTable(spans.map(({ gpa, size, offset }): Region => ({ lo: lo(gpa), hi: hi(gpa), size, offset })));

const spanAt = (spans: readonly Span[], gpa: bigint): Span | undefined =>
  spans.find((span) => gpa >= span.gpa && gpa < span.gpa + BigInt(span.size));

/** The model: 64-bit addresses as BigInt. */
function segmentsOf(spans: readonly Span[], gpa: bigint, length: number): Segment[] | undefined {
  const out: Segment[] = [];
  const end = gpa + BigInt(length);
  while (gpa < end) {
    const span = spanAt(spans, gpa);
    if (!span) return undefined;
    const spanEnd = span.gpa + BigInt(span.size);
    const pieceEnd = spanEnd < end ? spanEnd : end;
    out.push({ offset: span.offset + Number(gpa - span.gpa), length: Number(pieceEnd - gpa) });
    gpa = pieceEnd;
  }
  return out;
}

const size = fc.constantFrom(1, 2, 0xfff, 0x1000, 0xa0000, 0x7fffffff, 0xffffffff);
/** Regions one after the other from `base`, some adjoining; none beyond 2^64. */
const layout = fc
  .record({
    base: fc.oneof(
      fc.constantFrom(0n, 0x80000000n, 0xfffff000n, 0xffffffffn, 1n << 32n, 1n << 63n, TOP - 0x3000n, TOP - 2n),
      fc.bigInt({ min: 0n, max: TOP - 1n }),
    ),
    pieces: fc.array(fc.record({ gap: fc.constantFrom(0n, 0n, 1n, 0x60000n, 1n << 32n), size }), {
      minLength: 1,
      maxLength: 5,
    }),
    reversed: fc.boolean(),
  })
  .map(({ base, pieces, reversed }) => {
    const spans: Span[] = [];
    let gpa = base;
    let offset = 0x10;
    for (const piece of pieces) {
      gpa += piece.gap;
      const left = TOP - gpa;
      if (left <= 0n) break;
      const size = BigInt(piece.size) < left ? piece.size : Number(left);
      spans.push({ gpa, size, offset });
      gpa += BigInt(size);
      offset += size + 0x10;
    }
    return reversed ? spans.reverse() : spans;
  })
  .filter((spans) => spans.length > 0);

/** An access near an edge of a region, or anywhere. */
const access = layout.chain((spans) =>
  fc.record({
    spans: fc.constant(spans),
    gpa: fc.oneof(
      fc
        .tuple(fc.constantFrom(...spans), fc.boolean(), fc.integer({ min: -3, max: 3 }))
        .map(([span, atEnd, by]) => BigInt.asUintN(64, span.gpa + (atEnd ? BigInt(span.size) : 0n) + BigInt(by))),
      fc.bigInt({ min: 0n, max: TOP - 1n }),
    ),
    length: fc.oneof(
      fc.constantFrom(0, 1, 2, 4, 0x1000, 0x1001, 0xfffffffe, 0xffffffff),
      fc.constantFrom(...spans.map((span) => span.size)),
    ),
  }),
);

describe("RegionTable agrees with 64-bit arithmetic", () => {
  it("segments: crosses regions whose gpas adjoin, refuses a hole and a wrap at 2^64", () => {
    const seen = { whole: 0, crossing: 0, refused: 0 };
    fc.assert(
      fc.property(access, ({ spans, gpa, length }) => {
        const expected = segmentsOf(spans, gpa, length);
        const out: Segment[] = [];
        expect(table(spans).segments(lo(gpa), hi(gpa), length, out)).toBe(expected !== undefined);
        if (expected) expect(out).toEqual(expected);
        seen[expected === undefined ? "refused" : expected.length > 1 ? "crossing" : "whole"]++;
      }),
      { seed: 6, numRuns: 5000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it("contiguous: all of it in one region, or nothing", () => {
    fc.assert(
      fc.property(access, ({ spans, gpa, length }) => {
        const span = spanAt(spans, gpa);
        const fits = span && gpa + BigInt(length) <= span.gpa + BigInt(span.size);
        expect(table(spans).contiguous(lo(gpa), hi(gpa), length)).toBe(
          fits ? span.offset + Number(gpa - span.gpa) : undefined,
        );
      }),
      { seed: 7, numRuns: 5000 },
    );
  });

  it("holds: an earlier translation still lies in one region", () => {
    fc.assert(
      fc.property(access, ({ spans, gpa, length }) => {
        const offset = table(spans).contiguous(lo(gpa), hi(gpa), length);
        if (offset !== undefined) expect(table(spans).holds(offset, length)).toBe(true);
      }),
      { seed: 8, numRuns: 2000 },
    );
  });
});

describe("RegionTable", () => {
  const spans: Span[] = [
    { gpa: TOP - 0x1000n, size: 0x1000, offset: 0 },
    { gpa: 0n, size: 0x1000, offset: 0x1000 },
  ];

  it("does not go on at gpa 0 after 2^64, though a region starts there", () => {
    const regions = table(spans);
    expect(regions.segments(0xfffffffe, 0xffffffff, 3, [])).toBe(false);
    const out: Segment[] = [];
    expect(regions.segments(0xfffffffe, 0xffffffff, 2, out)).toBe(true);
    expect(out).toEqual([{ offset: 0xffe, length: 2 }]);
  });

  it("holds refuses what leaves its region, also into the next one", () => {
    const regions = table(spans);
    expect([regions.holds(0xff0, 0x10), regions.holds(0xff0, 0x11), regions.holds(0x1ff0, 0x11)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("an empty table has no byte; a length of 0 touches none", () => {
    const empty = new RegionTable([]);
    expect([empty.contiguous(0, 0, 0), empty.segments(0, 0, 1, []), empty.holds(0, 0)]).toEqual([
      undefined,
      false,
      false,
    ]);
    expect(empty.segments(5, 5, 0, [])).toBe(true);
  });
});
