// Workers in Node, and the files they need.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type Remote, wrap } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import type { ActorApi } from "./job.js";

// Run from its TypeScript source (by a test runner), this module finds what it needs in the build.
const BUILD = import.meta.url.endsWith(".ts")
  ? new URL("../../dist/", import.meta.url)
  : new URL("../../", import.meta.url);

/** A module of the build by name: `ring`, `ovmf`, `ovmf.explored`. */
export function loadModule(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`wasm/${name}.wasm`, BUILD)));
}

export interface Spawned {
  readonly api: Remote<ActorApi>;
  /** What a call on `api` gives, or the error by which the thread died of itself meanwhile. */
  settle<T>(call: Promise<T>): Promise<T>;
  /** Ends the thread. It has returned from its actor by then; this is no way to stop one. */
  end(): Promise<void>;
}

/**
 * Heaps of an actor that keeps nothing but the machine: its garbage is short-lived, and resident memory is to stay flat
 * over many boots. A data-plane thread has the FUSE server's tables, whose caps need more room.
 */
const SMALL_HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 24 };
const TABLES_HEAP = { maxYoungGenerationSizeMb: 2 };

/** @param actor its number in a schedule: 0 vCPU, then the loops of a System; which of them serves, it is told later */
export function spawnActor(actor: number, file = new URL("host/threads/actor.worker.js", BUILD)): Spawned {
  const worker = new Worker(file, { resourceLimits: actor === 0 ? SMALL_HEAP : TABLES_HEAP });
  const waiting = new Set<(error: unknown) => void>();
  worker.once("error", (error) => {
    for (const reject of waiting) reject(error);
  });
  return {
    api: wrap<ActorApi>(nodeEndpoint(worker)),
    settle: (call) =>
      new Promise((resolve, reject) => {
        waiting.add(reject);
        call.then(resolve, reject).finally(() => waiting.delete(reject));
      }),
    end: async () => {
      await worker.terminate();
    },
  };
}
