// vhostlab's explorer: a verdict over all interleavings of a script.

import type { ExploreResult, HangReport } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { diagnose } from "../scenario/verdict.js";
import type { ModuleLoader } from "../threads/platform.js";
import { Execution, World } from "./execution.js";
import { formatSchedule } from "./schedule.js";
import { search } from "./visited.js";

const MOST_EXECUTIONS = 1_000_000;

export interface ExploreOptions {
  readonly maxExecutions?: number;
  readonly onProgress?: (states: number) => void;
}

export async function explore(
  modules: ModuleLoader,
  scenario: Scenario,
  options: ExploreOptions = {},
): Promise<ExploreResult> {
  const world = await createWorld(modules, scenario);
  const start = performance.now();
  const found = search(world, {
    maxExecutions: options.maxExecutions ?? MOST_EXECUTIONS,
    eager: true,
    ...(options.onProgress && { onProgress: options.onProgress }),
  });
  const hung = found.ends.filter(({ end }) => end === "hung");
  const hangs = new Map<string, { schedule: string; report: HangReport }>();
  for (const { order } of hung) {
    const report = reportOf(world, order);
    const kind = `${report.cause} ${report.effect}`;
    if (!hangs.has(kind)) hangs.set(kind, { schedule: formatSchedule(scenario, order), report });
  }
  return {
    verdict: hung.length === 0 ? "never" : hung.length === found.ends.length ? "always" : "can",
    causes: [...new Set([...hangs.values()].map(({ report }) => report.cause))],
    complete: found.complete,
    states: found.states,
    transitions: found.transitions,
    executions: found.executions,
    operations: found.operations,
    paths: found.paths.toString(),
    ms: performance.now() - start,
    hangs: [...hangs.values()],
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
