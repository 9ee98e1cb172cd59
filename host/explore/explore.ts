// vhostlab's explorer: a verdict over the interleavings of one script, all of them or those that a policy tries.

import type { Cause, ExploreResult, HangReport } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { diagnose } from "../scenario/verdict.js";
import type { ModuleLoader } from "../threads/platform.js";
import { Execution, World } from "./execution.js";
import { formatSchedule } from "./schedule.js";
import { POLICY } from "./policies/index.js";
import { POLICY_ABOUT, type PolicyName } from "./policies/names.js";
import type { Limits } from "./policies/policy.js";
import { shrink } from "./shrink.js";

export interface ExploreOptions extends Partial<Limits> {
  readonly policy?: PolicyName;
}

export async function explore(
  modules: ModuleLoader,
  scenario: Scenario,
  options: ExploreOptions = {},
): Promise<ExploreResult> {
  const world = await createWorld(modules, scenario);
  const start = performance.now();
  const { policy = "visited", maxSchedules = POLICY_ABOUT[policy].maxSchedules, seed = 1, onProgress } = options;
  const found = POLICY[policy](world, { maxSchedules, seed, onProgress });
  const hung = found.ends.filter(({ end }) => end === "hung");
  const kinds = new Map<string, { cause: Cause; orders: (readonly number[])[] }>();
  for (const { order } of hung) {
    const { cause, effect } = reportOf(world, order);
    const kind = `${cause} ${effect}`;
    if (!kinds.has(kind)) kinds.set(kind, { cause, orders: [] });
    kinds.get(kind)!.orders.push(order);
  }
  const hangs = [...kinds.values()].map(({ orders }) => {
    const order = shrink(world, orders);
    return { schedule: formatSchedule(scenario, order), report: reportOf(world, order) };
  });
  return {
    verdict: hung.length === 0 ? "never" : hung.length === found.ends.length ? "always" : "can",
    causes: [...new Set([...kinds.values()].map(({ cause }) => cause))],
    complete: found.complete,
    ...(found.graph && { ...found.graph, paths: found.graph.paths.toString() }),
    executions: found.executions,
    operations: found.operations,
    ms: performance.now() - start,
    hangs,
  };
}

export async function createWorld({ loadModule }: ModuleLoader, scenario: Scenario): Promise<World> {
  const [ring, guest] = await Promise.all([loadModule("ring"), loadModule(`${scenario.guest}.explored`)]);
  return new World(scenario, ring, guest);
}

function reportOf(world: World, order: readonly number[]): HangReport {
  const execution = new Execution(world);
  for (const actor of order) execution.step(actor);
  return diagnose(execution.system, execution.positions(), "first", 1);
}
