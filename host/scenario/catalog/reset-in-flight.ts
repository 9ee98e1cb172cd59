// A machine reset while a request is in flight: kicked, and not answered when the guest last looked. Then a boot.
// virtio 1.4, 2.4: status reads 0 only when the data plane is quiet.

import { bootUntilInFlight, type Script } from "./script.js";

export const resetInFlight: Script = {
  about: "a machine reset while a request is in flight, and the boot after it",
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* bootUntilInFlight(system, runGuest);
    yield* system.machine.reset();
    yield* runGuest(system.machine.exits);
  },
};
