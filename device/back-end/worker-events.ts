// epoll_wait's answer: rings, and the event that ends the thread.

import type { Doorbell } from "../../vm/sync/doorbell.js";
import type { Actor } from "../../vm/sync/op.js";
import type { BackEnd, RingServer, Vring } from "./back-end.js";

/** The rings whose kick descriptor is among the ready `slots` of `doorbell`, in queue order. */
export function queuesOf(backEnd: RingServer, doorbell: Doorbell, slots: number): Vring[] {
  return backEnd.rings.filter((ring) => {
    const events = backEnd.parts.events[ring.index]!;
    return events.doorbell === doorbell && events.kicks.some(({ slot }) => slots & (1 << slot));
  });
}

/**
 * VhostUserHandler's end: send_exit_event, and the join in its drop. The one worker watches the event from its beginning
 * on; nobody can tell that from watching it now.
 */
export function* endWorker({ parts, rings }: BackEnd): Actor {
  const { doorbell, kill } = parts.events[0]!;
  const { thread } = rings[0]!;
  yield* thread.store(1);
  yield* kill.eventfd.create(1);
  yield* doorbell.add(kill.slot);
  yield* thread.awaitChange(1);
}

/**
 * The worker's part: if the exit event is among the ready `slots`, its function returns. It comes last in the list of
 * ready events, which is in the order of readiness. The actor goes on as the worker of the next process.
 */
export function* endIfTold({ parts, rings }: BackEnd, slots: number): Actor {
  const { doorbell, kill } = parts.events[0]!;
  if (!(slots & (1 << kill.slot))) return;
  yield* doorbell.del(kill.slot);
  yield* rings[0]!.thread.store(0);
}
