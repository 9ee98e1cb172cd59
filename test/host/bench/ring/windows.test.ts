// Which windows of a benchmark count, and what they add up to.

import { describe, expect, it } from "vitest";
import type { Contender, Window } from "../../../../host/bench/ring/contender.js";
import { measureCase } from "../../../../host/bench/ring/measure.js";
import { ringOptions } from "../../../../host/bench/ring/options.js";
import { isClean, percentiles, ratios, spread } from "../../../../host/bench/ring/windows.js";

const window = (nsPerRequest: number, waited = 0): Window => ({
  requests: 1000,
  ns: 1000 * nsPerRequest,
  waited,
  kicks: 10,
  calls: 5,
});

const OPTIONS = ringOptions({ ring: 256, features: [], chain: 1, payload: 0, notify: "poll", queues: 1 });
const MEASURING = { seconds: 1e-6, runs: 5 };

/** Takes what `ns` says for a patience; every so many windows of it are disturbed. */
class Fake implements Contender {
  shots = 0;
  closed = false;

  constructor(
    readonly name: string,
    readonly ns: (patience: number) => number,
    readonly disturbed: (shot: number) => boolean = () => false,
  ) {}

  async window({ patience, requests }: { patience: number; requests: number }): Promise<Window> {
    const ns = this.ns(patience);
    return { ...window(ns, this.disturbed(this.shots++) ? 0.5 : 0), requests, ns: ns * requests };
  }
  async roundTrips(): Promise<number[]> {
    return [1, 2, 3, 4];
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

describe("windows", () => {
  it("one counts unless a thread was kept from its core for more than a fiftieth of it", () => {
    expect([0, 0.02, 0.021, Number.NaN].map((waited) => isClean(window(10, waited)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it("a spread is least, median and most; of fewer than three values there is none", () => {
    expect(spread([5, 1, 9, 3])).toEqual({ min: 1, median: 4, max: 9 });
    expect(spread([1, 2])).toBeUndefined();
  });

  it("a ratio is of a pair whose windows both count: how many times as long the other took", () => {
    const pairs = [
      { ours: window(10), theirs: window(20) },
      { ours: window(10, 0.1), theirs: window(10) },
      { ours: window(10), theirs: window(10, 0.1) },
      { ours: window(10), theirs: window(5) },
    ];
    expect(ratios(pairs)).toEqual([2, 0.5]);
  });

  it("percentiles are of the values in order", () => {
    const values = Array.from({ length: 1001 }, (_, i) => 1000 - i);
    const { p50, p90, p99, p999 } = percentiles(values);
    expect([p50, p90, p99, p999]).toEqual([500, 900, 990, 999]);
  });
});

describe("a case", () => {
  it("is run at the patience that was best in the sweep, each contender at its own", async () => {
    const ours = new Fake("wasm", (patience) => 10 + Math.abs(patience - 16));
    const theirs = new Fake("native", (patience) => 20 + Math.abs(patience - 64));
    const result = await measureCase(OPTIONS, ours, theirs, MEASURING);
    expect(result.nsPerRequest).toEqual({ min: 10, median: 10, max: 10 });
    expect(result.against).toMatchObject({ name: "native", ratio: { min: 2, median: 2, max: 2 }, pairs: 5 });
    expect(result.sweep.find(({ patience }) => patience === 16)!.ns).toBe(10);
    expect(result.windows).toEqual({ clean: 5, total: 5 });
  });

  it("goes on until as many pairs were clean as were wanted, and counts all", async () => {
    const ours = new Fake(
      "wasm",
      () => 10,
      (shot) => shot % 2 === 0,
    );
    const { windows, against } = await measureCase(OPTIONS, ours, new Fake("js", () => 30), MEASURING);
    expect(against!.pairs).toBe(5);
    expect(windows.clean).toBe(5);
    expect(windows.total).toBeGreaterThan(windows.clean);
  });

  it("is not measurable now where no window is clean, and says so instead of a figure", async () => {
    const ours = new Fake(
      "wasm",
      () => 10,
      () => true,
    );
    const result = await measureCase(OPTIONS, ours, new Fake("native", () => 10), MEASURING);
    expect(result).toMatchObject({ nsPerRequest: null, requestsPerSecond: null, kicksPerRequest: null });
    expect(result.against).toMatchObject({ ratio: null, pairs: 0 });
    expect(result.windows).toEqual({ clean: 0, total: 25 });
  });
});
