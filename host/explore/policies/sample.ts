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
