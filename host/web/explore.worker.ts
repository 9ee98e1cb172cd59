// The Worker of the explorer: a search takes seconds in which its thread answers nothing.

import { expose } from "comlink";
import { explore } from "../explore/explore.js";
import type { ExploreResult } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { webModules } from "./modules.js";

export interface ExplorerApi {
  explore(scenario: Scenario, onProgress: (states: number) => void): Promise<ExploreResult>;
}

const api: ExplorerApi = {
  explore: (scenario, onProgress) => explore(webModules, scenario, { onProgress }),
};
expose(api);
