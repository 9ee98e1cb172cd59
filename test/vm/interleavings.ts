// Every interleaving of a few short actors: they are run again from the start for each. No state is recognised and no op
// is taken as eager, so nothing is assumed but that an op is atomic.

import type { Actor, Op } from "../../vm/sync/op.js";

/** A small system, the same at each call. `end` says what came of it once nobody can move. */
export type Build = () => { readonly actors: readonly Actor<unknown>[]; end(stuck: boolean): string };

/** @returns how many interleavings come to each end */
export function interleavings(build: Build): Map<string, number> {
  const ends = new Map<string, number>();
  const open: number[][] = [[]];
  for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
    const { actors, end } = build();
    const pending = actors.map((actor) => opOf(actor.next()));
    const order: number[] = [];
    for (;;) {
      const enabled = [...pending.keys()].filter((i) => pending[i]?.enabled() ?? false);
      if (enabled.length === 0) break;
      const [first, ...others] = enabled as [number, ...number[]];
      const forced = prefix[order.length];
      if (forced === undefined) for (const other of others) open.push([...order, other]);
      const choice = forced ?? first;
      order.push(choice);
      const result = pending[choice]!.attempt();
      if (result === undefined) throw new Error(`${pending[choice]!.name} is enabled and cannot happen`);
      pending[choice] = opOf(actors[choice]!.next(result));
    }
    const line = end(pending.some((op) => op !== undefined));
    ends.set(line, (ends.get(line) ?? 0) + 1);
  }
  return ends;
}

function opOf(step: IteratorResult<Op, unknown>): Op | undefined {
  return step.done ? undefined : step.value;
}
