// The virtual machine is paused and resumed (stop, cont) with a request in flight: the ring keeps its memory, the
// back-end gets the saved index, and the new kick eventfd is born with a count of 1. The guest kicks no more.

import { bootWhile, type Script } from "./script.js";

export const resume: Script = {
  about: "stop and cont with a request in flight; the new kick eventfd is born with 1",
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* bootWhile(system, runGuest, function* () {
      yield* system.frontEnd.vmStop(system.transport);
      yield* system.frontEnd.vmCont(system.transport, 1);
    });
  },
};
