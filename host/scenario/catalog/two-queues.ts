// Requests on both queues at once, as Linux makes them: FUSE_FORGET on hiprio while another request is in flight. virtio
// 1.4, 5.11.6.2: the device "MUST NOT pause processing of the hiprio queue due to activity on a normal queue".

import type { Script } from "./script.js";

export const twoQueues: Script = {
  about: "a boot, then FUSE_FORGET on hiprio and FUSE_STATFS on the request queue at once",
  only: { seat: "guest", name: "linux", why: "no other has requests on two queues at once" },
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* runGuest(system.machine.exits, ["forget", "hello.txt"]); // it is in the share of every boot machine
  },
};
