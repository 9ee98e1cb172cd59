// Many searches at once, a Worker a core.

import { availableParallelism } from "node:os";
import { exploreAll } from "../explore/matrix.js";
import type { ExploreResult } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { spawnExplorer } from "./spawn.js";

export async function exploreOnAllCores(
  scenarios: readonly Scenario[],
  onResult: (done: number) => void,
): Promise<ExploreResult[]> {
  const threads = Array.from({ length: Math.min(availableParallelism(), scenarios.length) }, spawnExplorer);
  const explorers = threads.map(({ api, settle }) => ({
    explore: (scenario: Scenario) => settle<ExploreResult>(api.explore(scenario)),
  }));
  try {
    return await exploreAll(scenarios, explorers, onResult);
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}
