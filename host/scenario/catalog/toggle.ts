// The rings are disabled and enabled again around a kick: SET_VRING_ENABLE 0, then 1, with nothing stopped.

import { bootWhile, type Script } from "./script.js";

export const toggle: Script = {
  about: "kick, then SET_VRING_ENABLE 0 and 1 for every queue",
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* bootWhile(system, runGuest, () => system.frontEnd.toggle());
  },
};
