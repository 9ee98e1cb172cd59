// The platform that a browser tab is: module Workers, and modules by URL.

import { type Platform, type Thread, threadOf } from "../threads/platform.js";
import { webModules } from "./modules.js";

/** A module Worker that exposes an API. */
export function threadOfWorker<Api>(worker: Worker): Thread<Api> {
  return threadOf(
    worker,
    (died) =>
      // Without a message when its script could not be loaded.
      worker.addEventListener("error", ({ message }) => died(new Error(message || "its script was not loaded"))),
    async () => worker.terminate(),
  );
}

export const webPlatform: Platform = {
  ...webModules,
  // The bundler finds a Worker by this very form.
  spawnActor: () =>
    threadOfWorker(
      new Worker(new URL("./actor.worker.ts", import.meta.url), { type: "module", name: "vhostlab actor" }),
    ),
};
