// As resume, by a front-end that does not charge its eventfd: born with 0, nothing says that the ring is not empty.

import { bootWhile, type Script } from "./script.js";

export const resumeUncharged: Script = {
  about: "as resume, but the new kick eventfd is born with 0",
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* bootWhile(system, runGuest, function* () {
      yield* system.frontEnd.vmStop(system.transport);
      yield* system.frontEnd.vmCont(system.transport, 0);
    });
  },
};
