// The first boot of a new machine.

import type { Script } from "./script.js";

export const first: Script = {
  about: "the first boot of a new machine",
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* runGuest(system.machine.exits);
  },
};
