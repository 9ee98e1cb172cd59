// The Worker of the explorer, in Node.

import { parentPort } from "node:worker_threads";
import { expose } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { createExplorer } from "./explorer.js";
import { nodePlatform } from "./spawn.js";

if (!parentPort) throw new Error("explorer.worker is a Worker's main file");
expose(createExplorer(nodePlatform), nodeEndpoint(parentPort));
