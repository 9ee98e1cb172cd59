// A Worker of the explorer: a search takes seconds in which its thread answers nothing. What Node's and a tab's share.

import { explore } from "../explore/explore.js";
import type { ExploreResult } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import type { ModuleLoader } from "./platform.js";

export interface ExplorerApi {
  explore(scenario: Scenario, onProgress?: (states: number) => void): Promise<ExploreResult>;
}

/** @param modules each is loaded once */
export function createExplorer(modules: ModuleLoader): ExplorerApi {
  const loaded = new Map<string, Promise<WebAssembly.Module>>();
  const loadModule = (name: string): Promise<WebAssembly.Module> => {
    const module = loaded.get(name) ?? modules.loadModule(name);
    loaded.set(name, module);
    return module;
  };
  return {
    explore: (scenario, onProgress) => explore({ loadModule }, scenario, { ...(onProgress && { onProgress }) }),
  };
}
