// Plain depth-first search: every order, one after the other, with no memory of states. The yardstick: it comes to an end
// in the smallest systems only, since the number of orders is exponential.

import { type Explorable, type Found, type Limits, Tally } from "./policy.js";

export function dfs(system: Explorable, limits: Limits): Found {
  const tally = new Tally(limits);
  const order: number[] = [];
  /** Who else could have moved, and after how many ops of the order. */
  const untried: { readonly after: number; readonly actor: number }[] = [];
  for (;;) {
    const run = system.start();
    for (const actor of order) run.step(actor);
    tally.follow(run, order, ([first, ...others]) => {
      for (const actor of others) untried.push({ after: order.length, actor });
      return first!;
    });
    const next = tally.spent ? undefined : untried.pop();
    if (!next) return tally.found(untried.length === 0);
    order.length = next.after;
    order.push(next.actor);
  }
}
