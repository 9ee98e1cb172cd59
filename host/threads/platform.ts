// What the threads engine and the explorer need of the place that they run in: compiled modules, and Workers. Node's is
// spawn.ts, a browser tab's is web/spawn.ts.

import { type Endpoint, type Remote, wrap } from "comlink";
import type { ActorApi } from "./job.js";

export interface Platform {
  /** A module of the build by name: `ring`, `ovmf`, `ovmf.explored`. */
  loadModule(name: string): Promise<WebAssembly.Module>;
  /** @param actor its number in a schedule: 0 vCPU, 1 control plane, then data-plane threads */
  spawnActor(actor: number): Spawned;
}

/** An actor's thread. */
export interface Spawned {
  readonly api: Remote<ActorApi>;
  /** What a call on `api` gives, or the error by which the thread died of itself meanwhile. */
  settle<T>(call: Promise<T>): Promise<T>;
  /** Ends the thread. It has returned from its actor by then; this is no way to stop one. */
  end(): Promise<void>;
}

/** @param onDeath calls what it is given with the error by which the thread dies of itself */
export function spawned(
  endpoint: Endpoint,
  onDeath: (died: (error: unknown) => void) => void,
  end: () => Promise<void>,
): Spawned {
  const waiting = new Set<(error: unknown) => void>();
  onDeath((error) => {
    for (const reject of waiting) reject(error);
  });
  return {
    api: wrap<ActorApi>(endpoint),
    settle: (call) =>
      new Promise((resolve, reject) => {
        waiting.add(reject);
        call.then(resolve, reject).finally(() => waiting.delete(reject));
      }),
    end,
  };
}
