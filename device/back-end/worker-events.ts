// epoll_wait's answer as rings.

import type { Doorbell } from "../../vm/sync/doorbell.js";
import type { RingServer, Vring } from "./back-end.js";

/** The rings whose kick descriptor is among the ready `slots` of `doorbell`, in queue order. */
export function queuesOf(backEnd: RingServer, doorbell: Doorbell, slots: number): Vring[] {
  return backEnd.rings.filter((ring) => {
    const events = backEnd.parts.events[ring.index]!;
    return events.doorbell === doorbell && events.kicks.some(({ slot }) => slots & (1 << slot));
  });
}
