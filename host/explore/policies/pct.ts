// Probabilistic concurrency testing: the actor of the highest priority moves; priorities are random, and at DEPTH - 1
// random steps the mover's falls below all others. S. Burckhardt et al., "A randomized scheduler with probabilistic
// guarantees of finding bugs", ASPLOS 2010, 2.3: a bug that needs DEPTH ordered steps is met with a probability of
// 1 / (n k^(DEPTH - 1)) or more an execution, of n actors and k steps.

import { draws } from "../../random.js";
import type { Explorable, Found, Limits } from "./policy.js";
import { sample } from "./sample.js";

/** Two orderings lose the published kick: it comes after its registration, and is read before `enabled` is set. */
const DEPTH = 3;

export function pct(system: Explorable, limits: Limits): Found {
  const draw = draws(limits.seed);
  /** k, as far as it is known: the choices of the longest execution. */
  let longest = 1;
  return sample(system, limits, (actors) => {
    // From 1: below are the priorities to fall to, each lower than the one before.
    const priorities = Array.from({ length: actors }, (_, actor) => actor + 1);
    for (let i = actors - 1; i > 0; i--) swap(priorities, i, draw(i + 1));
    const falls = new Map(Array.from({ length: DEPTH - 1 }, (_, i) => [draw(longest), -i]));
    let choices = 0;
    return (enabled) => {
      const highest = (): number => enabled.reduce((a, b) => (priorities[b]! > priorities[a]! ? b : a));
      const lower = falls.get(choices);
      if (lower !== undefined) priorities[highest()] = lower;
      choices++;
      longest = Math.max(longest, choices);
      return highest();
    };
  });
}

function swap(list: number[], i: number, j: number): void {
  [list[i], list[j]] = [list[j]!, list[i]!];
}
