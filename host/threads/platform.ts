// What the threads engine and the explorer need of the place that they run in: compiled modules, and Workers. Node's is
// spawn.ts, a browser tab's is web/spawn.ts.

import { type Endpoint, type Remote, wrap } from "comlink";
import type { ActorApi } from "./job.js";

export interface ModuleLoader {
  /** A module of the build by name: `ring`, `ovmf`, `ovmf.explored`. */
  loadModule(name: string): Promise<WebAssembly.Module>;
}

export interface Platform extends ModuleLoader {
  /** @param actor its number in a schedule: 0 vCPU, 1 control plane, then data-plane threads */
  spawnActor(actor: number): Spawned;
}

/** A Worker that serves an API. */
export interface Thread<Api> {
  readonly api: Remote<Api>;
  /** What a call on `api` gives, or the error by which the thread died of itself meanwhile. */
  settle<T>(call: Promise<T>): Promise<T>;
  /** Ends the thread. An actor's has returned by then; this is no way to stop one. */
  end(): Promise<void>;
}

export type Spawned = Thread<ActorApi>;

/** @param onDeath calls what it is given with the error by which the thread dies of itself */
export function threadOf<Api>(
  endpoint: Endpoint,
  onDeath: (died: (error: unknown) => void) => void,
  end: () => Promise<void>,
): Thread<Api> {
  const waiting = new Set<(error: unknown) => void>();
  onDeath((error) => {
    for (const reject of waiting) reject(error);
  });
  return {
    api: wrap<Api>(endpoint),
    settle: (call) =>
      new Promise((resolve, reject) => {
        waiting.add(reject);
        call.then(resolve, reject).finally(() => waiting.delete(reject));
      }),
    end,
  };
}
