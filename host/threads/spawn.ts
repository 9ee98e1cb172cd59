// The platform that Node is: Workers of node:worker_threads, and modules read from the build.

import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import type { ExplorerApi } from "./explorer.js";
import { type Platform, type Spawned, type Thread, threadOf } from "./platform.js";

// Run from its TypeScript source (by a test runner), this module finds what it needs in the build.
export const BUILD = import.meta.url.endsWith(".ts")
  ? new URL("../../dist/", import.meta.url)
  : new URL("../../", import.meta.url);

/**
 * Heaps of an actor that keeps nothing but the machine: its garbage is short-lived, and resident memory is to stay flat
 * over many boots. A data-plane thread has the FUSE server's tables, whose caps need more room.
 */
const SMALL_HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 24 };
const TABLES_HEAP = { maxYoungGenerationSizeMb: 2 };

/** @param file the Worker's main file */
export function spawnActor(actor: number, file = new URL("host/threads/actor.worker.js", BUILD)): Spawned {
  return threadOfWorker(new Worker(file, { resourceLimits: actor === 0 ? SMALL_HEAP : TABLES_HEAP }));
}

export function spawnExplorer(): Thread<ExplorerApi> {
  return threadOfWorker(new Worker(new URL("host/threads/explorer.worker.js", BUILD)));
}

function threadOfWorker<Api>(worker: Worker): Thread<Api> {
  return threadOf(
    nodeEndpoint(worker),
    (died) => void worker.once("error", died),
    async () => void (await worker.terminate()),
  );
}

export const nodePlatform: Platform = {
  loadModule: async (name) => WebAssembly.compile(await readFile(new URL(`wasm/${name}.wasm`, BUILD))),
  spawnActor: (actor) => spawnActor(actor),
};
