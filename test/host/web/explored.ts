// Set up of project "web": what the explorer counts in Node, for the tests in a browser to compare with.

import type { TestProject } from "vitest/node";
import { explore } from "../../../host/explore/explore.js";
import { ROWS, type Row } from "../../../host/scenario/rows.js";
import type { ExploreResult } from "../../../host/scenario/outcome.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

declare module "vitest" {
  export interface ProvidedContext {
    explored: readonly (Row & ExploreResult)[];
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const explored: (Row & ExploreResult)[] = [];
  for (const row of ROWS) explored.push({ ...row, ...(await explore(nodePlatform, row.scenario)) });
  project.provide("explored", explored);
}
