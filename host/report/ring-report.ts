// What `vhostlab bench ring` prints of a case.

import type { Compared } from "../bench/ring/compare.js";
import type { Against, RingCase, Swept } from "../bench/ring/measure.js";
import type { Percentiles, Spread } from "../bench/ring/windows.js";
import { type Fact, labelled } from "./labelled.js";

const NOT_NOW = "not measurable now: the threads did not have their cores";

/** Lines, each ended. */
export function ringReport(measured: RingCase): string {
  const { name, nsPerRequest, requestsPerSecond, windows, sweep, roundTripNs, asleepNs, futexNs, against } = measured;
  const facts: Fact[] = [
    ["a request", nsPerRequest ? `${nanos(nsPerRequest)}, ${perSecond(requestsPerSecond!)}` : NOT_NOW],
    ["windows", `${windows.clean} of ${windows.total} clean`],
  ];
  if (nsPerRequest) facts.push(["notifications", notifications(measured)]);
  if (roundTripNs) facts.push(["one outstanding", trips(roundTripNs)]);
  if (asleepNs) facts.push(["the same, asleep", trips(asleepNs)]);
  if (futexNs !== null) {
    const ours = [roundTripNs, asleepNs].map((each) => (each ? (each.p50 / futexNs).toFixed(2) : "–"));
    facts.push([
      "futex ping-pong",
      `${micros(futexNs)} in C; ours takes ${ours[0]} times as long, asleep ${ours[1]} times`,
    ]);
  }
  facts.push(["back-off", swept(sweep)]);
  if (against) facts.push(...comparison(against, roundTripNs));
  return `${name}\n${labelled(facts, "  ")}`;
}

function comparison(
  { name, ratio, pairs, nsPerRequest, sweep, roundTripNs }: Against,
  ours: Percentiles | null,
): Fact[] {
  const facts: Fact[] = [
    [`against ${name}`, ratio ? `${times(ratio)} as fast, ${pairs} clean pairs` : `${NOT_NOW}; ${pairs} clean pairs`],
  ];
  if (nsPerRequest) facts.push([`${name}, a request`, nanos(nsPerRequest)]);
  if (roundTripNs && ours) {
    const speed = (roundTripNs.p50 / ours.p50).toFixed(2);
    facts.push([`${name}, one outst.`, `${trips(roundTripNs)}: ours is ${speed}x as fast`]);
  }
  facts.push([`${name}, back-off`, swept(sweep)]);
  return facts;
}

/** Lines, each ended: each case in both documents. */
export function comparisonReport(compared: readonly Compared[]): string {
  const shown = (spread: RingCase["nsPerRequest"]): string => (spread ? nanos(spread) : "not measurable then");
  return labelled(
    compared.map(({ name, before, after, ratio }): Fact => {
      const speed = ratio === null ? "" : `: ${ratio.toFixed(2)}x as fast`;
      return [name, `${shown(before)} -> ${shown(after)}${speed}`];
    }),
  );
}

/** `12.3 ns [11.9..13.0]`: the median, and the least and the most. */
export function nanos({ min, median, max }: Spread): string {
  return `${figure(median)} ns [${figure(min)}..${figure(max)}]`;
}

export function times({ min, median, max }: Spread): string {
  return `${median.toFixed(2)}x [${min.toFixed(2)}..${max.toFixed(2)}]`;
}

function figure(ns: number): string {
  return ns < 100 ? ns.toFixed(1) : ns.toFixed(0);
}

function micros(ns: number): string {
  return `${(ns / 1000).toFixed(1)} us`;
}

function perSecond(requests: number): string {
  return requests >= 1e6 ? `${(requests / 1e6).toFixed(1)} M/s` : `${(requests / 1e3).toFixed(1)} k/s`;
}

function trips({ p50, p90, p99, p999 }: Percentiles): string {
  const each = [p50, p90, p99, p999].map((ns) => (ns < 10_000 ? `${ns.toFixed(0)} ns` : micros(ns)));
  return `p50 ${each[0]}, p90 ${each[1]}, p99 ${each[2]}, p99.9 ${each[3]}`;
}

function notifications({ kicksPerRequest, callsPerRequest }: RingCase): string {
  return `${count(kicksPerRequest!)} kicks and ${count(callsPerRequest!)} calls a request`;
}

function count(each: number): string {
  return each === 0 ? "0" : each.toPrecision(2);
}

/** What each back-off gave, the best one marked. */
function swept(sweep: readonly Swept[]): string {
  const best = Math.min(...sweep.map(({ ns }) => ns ?? Number.POSITIVE_INFINITY));
  const each = sweep.map(
    ({ patience, ns }) => `${patience}: ${ns === null ? "–" : figure(ns)}${ns === best ? "*" : ""}`,
  );
  return `${each.join("  ")}  (turns a chain: ns a request)`;
}
