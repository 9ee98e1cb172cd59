// Which windows count, and what they add up to. A window is short, so that many are undisturbed; one in which a thread
// was kept from its core says something of the machine, not of the ring.

import { max, median, min, quantile } from "simple-statistics";
import type { Window } from "./contender.js";

/** The part of a clean window for which either thread may have been without its core. */
const WAITED = 0.02;
/** Below this many, a median is an anecdote. */
const FEWEST = 3;

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
}

export function isClean({ waited }: Window): boolean {
  return waited <= WAITED;
}

export function nsPerRequest({ ns, requests }: Window): number {
  return ns / requests;
}

/** @returns undefined for too few values: not measurable now */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length < FEWEST) return undefined;
  const list = [...values];
  return { min: min(list), median: median(list), max: max(list) };
}

export function percentiles(values: ArrayLike<number>): Percentiles {
  const [p50, p90, p99, p999] = quantile(Array.from(values), [0.5, 0.9, 0.99, 0.999]) as number[];
  return { p50: p50!, p90: p90!, p99: p99!, p999: p999! };
}

/** One window of us and one of the other side by side: how many times as long the other took. */
export interface Pair {
  readonly ours: Window;
  readonly theirs: Window;
}

/** Of the pairs whose windows are both clean: a disturbed one is not held against either side. */
export function ratios(pairs: readonly Pair[]): number[] {
  return pairs
    .filter(({ ours, theirs }) => isClean(ours) && isClean(theirs))
    .map(({ ours, theirs }) => nsPerRequest(theirs) / nsPerRequest(ours));
}
