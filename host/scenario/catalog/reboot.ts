// A reset from the UEFI shell, with nothing in flight, and the boot after it. The mail: "almost certainly".

import type { Script } from "./script.js";

export const reboot: Script = {
  about: "a boot, a machine reset with nothing in flight, and the boot after it",
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* runGuest(system.machine.exits);
    yield* system.machine.reset();
    yield* runGuest(system.machine.exits);
  },
};
