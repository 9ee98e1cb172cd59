// The vhost-user connection is lost with a request in flight. The back-end ends with it, as virtiofsd does, and a new one
// knows nothing; the front-end connects to that one and sets it up. Without a record of what was in flight
// (INFLIGHT_SHMFD) each ring goes on at its avail.idx: what the old process left unanswered, nobody answers.

import { bootWhile, type Script } from "./script.js";

export const reconnect: Script = {
  about: "the connection is lost with a request in flight, the back-end ends, and a new one takes its place",
  only: {
    seat: "frontEnd",
    name: "cloud-hypervisor",
    why: "no other takes a lost connection up again (QEMU's vhost-user-fs does not, and vhost-net has none)",
  },
  restarts: true,
  *run(system, runGuest) {
    yield* system.powerOn();
    yield* bootWhile(system, runGuest, () => system.frontEnd.reconnect(system.transport));
  },
};
