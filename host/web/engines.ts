// The engines of the command line that a tab has too.

import { proxy } from "comlink";
import type { Engines } from "../engines.js";
import type { ExploreResult } from "../scenario/outcome.js";
import { runBoots } from "../threads/boots.js";
import type { ExplorerApi } from "../threads/explorer.js";
import { threadOfWorker, webPlatform } from "./spawn.js";

export const webEngines: Pick<Engines, "runBoots" | "explore"> = {
  runBoots: (...args) => runBoots(webPlatform, ...args),

  async explore(scenario, { onProgress = () => {} }) {
    const worker = new Worker(new URL("./explore.worker.ts", import.meta.url), { type: "module", name: "explorer" });
    const explorer = threadOfWorker<ExplorerApi>(worker);
    try {
      return await explorer.settle<ExploreResult>(explorer.api.explore(scenario, proxy(onProgress)));
    } finally {
      await explorer.end();
    }
  },
};
