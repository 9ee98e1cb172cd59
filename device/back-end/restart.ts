// A back-end process that ends with its connection, as every virtiofsd does, and the one that a service manager starts in
// its place: vhost-user-backend's daemon serves one connection, then its workers get the exit event; virtio_loop of the C
// one ends with vu_dispatch. It ends in order: a worker finishes what it is at. One that dies on the way, or that has died
// before, is another story.

import type { Actor } from "../../vm/sync/op.js";
import type { BackEnd, Vring } from "./back-end.js";
import { controlPlane } from "./control-plane.js";

/**
 * A round of the control plane, or the end of one process and the beginning of the next, up to its accept(2).
 * @param onEnd told when the one has ended, and before the next begins
 */
export function* restartingControlPlane(backEnd: BackEnd, onEnd: () => void): Actor<boolean> {
  if (yield* controlPlane(backEnd)) return true;
  yield* backEnd.parts.variant.endWorkers(backEnd);
  onEnd();
  // Nothing is left of it: no ring, no epoll set, no negotiation, no memory table.
  for (const ring of backEnd.rings) yield* forgetRing(backEnd, ring);
  yield* backEnd.connection.clear();
  yield* backEnd.memory.replace([]);
  yield* backEnd.parts.channel.accept();
  return true;
}

function* forgetRing(backEnd: BackEnd, ring: Vring): Actor {
  const owner = backEnd.parts.variant.locking === "ring" ? ring.lock : backEnd.dispatch;
  yield* owner.holding(function* () {
    yield* ring.state.clear();
    const { doorbell, kicks } = backEnd.parts.events[ring.index]!;
    for (const { slot } of kicks) yield* doorbell.del(slot);
  });
}
