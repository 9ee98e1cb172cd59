// From the orders that lead to one thing to the one that reads best: the shortest, and of those the one with the fewest
// changes of actor. The search knows a shortest order to every final state; here ops that commute are swapped, which
// leads to the same final state by the same steps of each actor.

import { Causality } from "./causality.js";
import type { Explorable } from "./policies/policy.js";

/** @param orders that can happen, from the beginning; at least one, shortest first */
export function shrink(system: Explorable, orders: readonly (readonly number[])[]): readonly number[] {
  const shortest = orders.filter(({ length }) => length === orders[0]!.length);
  return shortest.map((order) => fewestSwitches(system, order)).reduce((a, b) => (switches(b) < switches(a) ? b : a));
}

function switches(order: readonly number[]): number {
  return order.filter((actor, at) => at > 0 && actor !== order[at - 1]).length;
}

/** How far each actor has come, by number of its steps, and how: by a run of one actor after those of `before`. */
interface Reached {
  readonly counts: readonly number[];
  readonly actor: number;
  readonly length: number;
  readonly before: Reached | undefined;
}

/**
 * Breadth-first by number of runs. A run need not end before its actor would have to wait for another: whatever can
 * follow a shorter run can follow the longer one, without the ops that this has taken.
 * @param order an order that can happen, from the beginning
 */
function fewestSwitches(system: Explorable, order: readonly number[]): number[] {
  const steps = stepsOf(system, order);
  let front: Reached[] = [{ counts: steps.map(() => 0), actor: -1, length: 0, before: undefined }];
  const seen = new Set<string>();
  for (;;) {
    const next: Reached[] = [];
    for (const reached of front) {
      if (reached.counts.every((count, actor) => count === steps[actor]!.length)) return orderOf(reached);
      for (const actor of steps.keys()) {
        const run = runOf(steps, reached, actor);
        const key = run?.counts.join();
        if (!run || seen.has(key!)) continue;
        seen.add(key!);
        next.push(run);
      }
    }
    front = next;
  }
}

/** By actor, for each of its steps how many steps of each actor happen before it. */
function stepsOf(system: Explorable, order: readonly number[]): number[][][] {
  const run = system.start();
  const past = new Causality();
  for (const actor of order) {
    past.append(actor, run.next(actor)!);
    run.step(actor);
  }
  const steps: number[][][] = Array.from({ length: run.actors }, () => []);
  /** The number of each step among its actor's. */
  const own: number[] = [];
  for (const [at, actor] of order.entries()) {
    const needs = past.clocks[at]!.map((last) => (last === at + 1 ? 0 : (own[last - 1] ?? 0)));
    own.push(steps[actor]!.push(needs));
  }
  return steps;
}

/** `reached`, and after it `actor` as far as it can go; undefined if that is nowhere. */
function runOf(steps: readonly number[][][], reached: Reached, actor: number): Reached | undefined {
  const counts = [...reached.counts];
  const ready = (needs: readonly number[]): boolean =>
    needs.every((need, other) => other === actor || need <= counts[other]!);
  const from = counts[actor]!;
  for (let next = steps[actor]![from]; next && ready(next); next = steps[actor]![counts[actor]!])
    counts[actor] = counts[actor]! + 1;
  const length = counts[actor]! - from;
  return length > 0 ? { counts, actor, length, before: reached } : undefined;
}

function orderOf(reached: Reached): number[] {
  const runs: number[][] = [];
  for (let at: Reached | undefined = reached; at?.before; at = at.before) {
    runs.push(Array<number>(at.length).fill(at.actor));
  }
  return runs.reverse().flat();
}
