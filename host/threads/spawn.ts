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
  /** Rejects if the thread dies of an error that no call reports. */
  readonly died: Promise<never>;
  /** Ends the thread. It has returned from its actor by then; this is no way to stop one. */
  end(): Promise<void>;
}

export function spawnActor(): Spawned {
  const worker = new Worker(new URL("host/threads/actor.worker.js", BUILD));
  const died = new Promise<never>((_, reject) => worker.once("error", reject));
  died.catch(() => {}); // whoever awaits a call races it; nobody else need know
  return {
    api: wrap<ActorApi>(nodeEndpoint(worker)),
    died,
    end: async () => {
      await worker.terminate();
    },
  };
}
