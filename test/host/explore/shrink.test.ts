import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Causality } from "../../../host/explore/causality.js";
import type { Explorable } from "../../../host/explore/policies/policy.js";
import { shrink } from "../../../host/explore/shrink.js";
import { litmus, programSystem, programs } from "./litmus.js";

const switches = (order: readonly number[]): number => order.filter((a, i) => i > 0 && a !== order[i - 1]).length;

/** What happens before what, whatever the order: by actor, for each step how many of each actor come before it. */
function happensBefore(system: Explorable, order: readonly number[]): string {
  const run = system.start();
  const past = new Causality();
  const steps: string[][] = Array.from({ length: run.actors }, () => []);
  for (const [at, actor] of order.entries()) {
    past.append(actor, run.next(actor)!);
    run.step(actor);
    const upTo = (last = 0, other: number): number => order.slice(0, last).filter((each) => each === other).length;
    steps[actor]!.push(Array.from({ length: run.actors }, (_, other) => upTo(past.clocks[at]![other], other)).join());
  }
  return JSON.stringify(steps);
}

/** All orders to an end. */
function orders(system: Explorable, order: readonly number[] = []): (readonly number[])[] {
  const run = system.start();
  for (const actor of order) run.step(actor);
  const enabled = run.enabled();
  return enabled.length === 0 ? [order] : enabled.flatMap((actor) => orders(system, [...order, actor]));
}

describe("shrink", () => {
  it("finds the fewest changes of actor among all orders with the same happens-before, and it can happen", () => {
    fc.assert(
      fc.property(programs, (program) => {
        const system = litmus(programSystem(program.map((steps) => steps.slice(0, 2))));
        const fewest = new Map<string, number>();
        const all = orders(system).map((order) => ({ order, as: happensBefore(system, order) }));
        for (const { order, as } of all) fewest.set(as, Math.min(switches(order), fewest.get(as) ?? Infinity));
        for (const { order, as } of all.slice(0, 8)) {
          const shrunk = shrink(system, [order]);
          expect(happensBefore(system, shrunk)).toBe(as);
          expect(switches(shrunk)).toBe(fewest.get(as));
        }
      }),
      { seed: 2026, numRuns: 100 },
    );
  });

  it("takes the shortest of several orders, and of those the one that then has the fewest changes", () => {
    const program = [
      [["store", 0]],
      [["store", 0]],
      [
        ["load", 0],
        ["load", 0],
      ],
    ] as const;
    const system = litmus(programSystem(program));
    const between = [0, 2, 1, 2]; // each look sees another store: nothing commutes
    const behind = [0, 1, 2, 2];
    expect(shrink(system, [between, behind, [0, 1, 2, 2, 2]])).toEqual(behind);
  });
});
