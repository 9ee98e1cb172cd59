// The Worker of one actor, in a browser tab.

import { expose } from "comlink";
import { createActor } from "../threads/actor.js";

expose(
  createActor({
    openHostDir() {
      throw new Error("a tab has no host directories");
    },
    // timeOrigin tells Workers that began at different times apart.
    clock: () => (performance.timeOrigin + performance.now()) * 1000,
  }),
);
