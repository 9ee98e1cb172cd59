// Executions that are drawn, one after the other, from a seed.

import { type Explorable, type Found, type Limits, Tally } from "./policy.js";

/** @param begin how who moves is chosen, anew for each execution */
export function sample(
  system: Explorable,
  limits: Limits,
  begin: (actors: number) => (enabled: readonly number[]) => number,
): Found {
  const tally = new Tally(limits);
  while (!tally.spent) {
    const run = system.start();
    tally.follow(run, [], begin(run.actors));
  }
  return tally.found(false);
}

/** Whole numbers below `n`, the same for the same seed: mulberry32. */
export function draws(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}
