// Three methods that share little: every state with every op a choice, states with eager ops run at once, and partial-order
// reduction, which remembers no state and believes no eager op. A wrong footprint misleads the last alone, a wrong `eager`
// the second alone, a wrong key the first two.

import { describe, expect, it } from "vitest";
import { createWorld, explore } from "../../../host/explore/explore.js";
import { POLICY } from "../../../host/explore/policies/index.js";
import { replay } from "../../../host/explore/replay.js";
import { Memoised } from "../../../host/explore/memoised.js";
import { search } from "../../../host/explore/visited.js";
import { BACK_ENDS } from "../../../host/scenario/occupants.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";
import { finalKeys } from "./final-keys.js";

const SEED = ROWS.find(({ id }) => id === "seed")!.scenario;
const LIMITS = { maxSchedules: 100_000, seed: 1 };

// Small enough for a search in which every op is a choice: cloud-hypervisor waits for each message.
const CHV = BACK_ENDS.filter((backEnd) => backEnd !== "kernel").flatMap((backEnd): Scenario[] => {
  const first: Scenario = { ...SEED, frontEnd: "cloud-hypervisor", backEnd };
  // Partial-order reduction takes minutes for the two workers of c there: a first boot behind QEMU instead.
  const third: Scenario = backEnd === "c" ? { ...SEED, backEnd } : { ...first, script: "toggle" };
  return [first, { ...first, kickCount: 0 }, third];
});
const KERNEL: Scenario = { ...SEED, frontEnd: "ioctl", backEnd: "kernel" };
const CELLS: readonly Scenario[] = [SEED, ...CHV, KERNEL, { ...KERNEL, script: "toggle" }];

it("there are 20 cells, and more", () => expect(CELLS.length).toBeGreaterThan(20));

describe("the same final states, by every method", () => {
  it.each(CELLS)("$frontEnd, $backEnd, $script, kick eventfds born with $kickCount", async (scenario) => {
    const world = await createWorld(nodePlatform, scenario);
    const unreduced = search(new Memoised(world), { maxExecutions: LIMITS.maxSchedules, eager: false });
    const reduced = search(new Memoised(world), { maxExecutions: LIMITS.maxSchedules, eager: true });
    const dpor = POLICY.dpor(world, LIMITS);
    expect([unreduced, reduced, dpor].map(({ complete }) => complete)).toEqual([true, true, true]);
    const finals = finalKeys(world, unreduced);
    expect(finalKeys(world, reduced)).toEqual(finals);
    expect(finalKeys(world, dpor)).toEqual(finals);
    expect(unreduced.states).toBeGreaterThan(reduced.states);
  });
});

describe("the published hang", () => {
  it("is found by partial-order reduction, which is complete, and hangs again on threads by the same cause", async () => {
    const { verdict, causes, complete, hangs } = await explore(nodePlatform, SEED, { policy: "dpor" });
    expect({ verdict, causes, complete }).toEqual({
      verdict: "can",
      causes: ["kick-consumed-while-disabled"],
      complete: true,
    });
    const results = await replay(nodePlatform, hangs[0]!.schedule, { threads: true, times: 5 });
    expect(results.map(({ outcome, report }) => `${outcome} ${report?.cause}`)).toEqual(
      Array(5).fill("hang kick-consumed-while-disabled"),
    );
  });

  it.each(["random", "pct"] as const)("is found by %s, which says that it is not complete", async (policy) => {
    const options = { policy, maxSchedules: 500 };
    const { causes, complete, executions, hangs } = await explore(nodePlatform, SEED, options);
    expect({ causes, complete, executions }).toEqual({
      causes: ["kick-consumed-while-disabled"],
      complete: false,
      executions: 500,
    });
    const again = await replay(nodePlatform, hangs[0]!.schedule, { threads: true, times: 5 });
    expect(again.map(({ report }) => report?.cause)).toEqual(Array(5).fill(causes[0]));
  });
});
