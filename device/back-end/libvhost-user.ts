// The C virtiofsd of QEMU 7.2: subprojects/libvhost-user (control) and tools/virtiofsd/fuse_virtio.c (one queue thread a
// started ring). It takes no notice of SET_VRING_ENABLE: SET_VRING_KICK starts the queue's thread.

import type { Actor } from "../../vm/sync/op.js";
import type { Chain } from "../virtqueue.js";
import type { BackEnd, Variant, Vring } from "./back-end.js";
import { openRing, serveChain, takeChains } from "./data-plane.js";

export const C_VIRTIOFSD: Variant = {
  features: 0x1_7500_0000n,
  // As negotiated by QEMU 7.2 with virtiofsd 7.2.22.
  protocolFeatures: 0x8c2bn,
  demandedFeatures: 0x1_0000_0000n, // VERSION_1
  ringFeaturesAt: "SET_VRING_BASE",
  locking: "dispatch",
  workers: "one a queue",
  callSuppression: "full",

  // It means to enable all rings when bit 30 is missing, but tests the mask 30 (0x1e) instead of 1 << 30: with the
  // features a guest can negotiate here that is always 0, so all rings are enabled.
  *setFeatures(backEnd, features) {
    if ((features & 30n) !== 0n) return;
    for (const ring of backEnd.rings) yield* ring.state.set({ enabled: 1 });
  },

  // fv_queue_set_started asserts that the ring has no thread yet: each start but the first needs a GET_VRING_BASE before.
  *abortsAtKick(_backEnd, ring) {
    return (yield* ring.thread.load()) === 1;
  },

  *setKick(backEnd, ring, kick) {
    yield* ring.state.set({ kick, ready: 1, broken: 0 });
    yield* startThread(backEnd, ring);
  },

  // A spurious interrupt on purpose: "I/O hang after reconnecting".
  *setCall(backEnd, ring, call) {
    yield* ring.state.set({ call });
    yield* backEnd.signal(call);
  },

  *setEnable(_backEnd, ring, enable) {
    yield* ring.state.set({ enabled: Number(enable) }); // never read
  },

  *stopRing(backEnd, ring) {
    const nextAvail = yield* ring.state.get("nextAvail");
    yield* ring.state.set({ ready: 0 });
    yield* joinThread(backEnd, ring);
    yield* ring.state.set({ call: 0, kick: 0 });
    return nextAvail;
  },

  *resetOwner() {},

  *resetDevice() {}, // RESET_DEVICE is not offered

  // stop_all_queues, at the end of virtio_loop.
  *endWorkers(backEnd) {
    yield* backEnd.dispatch.lock();
    for (const ring of backEnd.rings) yield* joinThread(backEnd, ring);
    yield* backEnd.dispatch.unlock();
  },

  *work(backEnd, worker) {
    const ring = backEnd.rings[worker]!;
    const { doorbell, kill } = backEnd.parts.events[worker]!;
    const ready = yield* doorbell.wait(); // ppoll {kick, kill}
    if (ready & (1 << kill.slot)) {
      // "kill" is tested before "kick". The thread's poll set goes with it.
      yield* kill.eventfd.read();
      return yield* endThread(backEnd, ring);
    }
    // Stored before the thread was created, and it stays until the thread has been joined: read without a lock.
    const kick = backEnd.kickOf(yield* ring.state.constant("kick"));
    if (!kick || (yield* kick.eventfd.read()) === 0) return yield* endThread(backEnd, ring);
    backEnd.kickTaken(ring);
    yield* serveUntilEmpty(backEnd, ring);
    return true;
  },
};

/** fv_queue_set_started(true): kill eventfd, pthread_create. */
function* startThread(backEnd: BackEnd, ring: Vring): Actor {
  const kick = backEnd.kickOf(yield* ring.state.get("kick"));
  if (!kick) return;
  const { kill } = backEnd.parts.events[ring.index]!;
  yield* kill.eventfd.create(0);
  yield* ring.thread.store(1);
  yield* kick.doorbell.add(kill.slot);
  yield* kick.doorbell.add(kick.slot);
}

/**
 * fv_queue_set_started(false): write the kill eventfd, join, with the dispatch lock dropped since the thread may need it
 * to finish. Only this side starts a thread, so the wait has no ABA.
 */
function* joinThread(backEnd: BackEnd, ring: Vring): Actor {
  if ((yield* ring.thread.load()) === 0) return;
  yield* backEnd.dispatch.unlock();
  yield* backEnd.parts.events[ring.index]!.kill.eventfd.add(1);
  yield* ring.thread.awaitChange(1);
  yield* backEnd.dispatch.lock();
}

/** The queue thread's function returns; the next SET_VRING_KICK makes another, so the actor goes on. */
function* endThread(backEnd: BackEnd, ring: Vring): Actor<boolean> {
  const { doorbell, kill, kicks } = backEnd.parts.events[ring.index]!;
  for (const { slot } of [kill, ...kicks]) yield* doorbell.del(slot);
  yield* ring.thread.store(0);
  return true;
}

/** Pops until the ring is empty under the dispatch lock (shared), then runs the requests inline, in order. */
function* serveUntilEmpty(backEnd: BackEnd, ring: Vring): Actor {
  yield* backEnd.dispatch.readLock();
  const work = yield* openRing(backEnd, ring);
  let from = work?.state.nextAvail ?? 0;
  const chains: Chain[] = [];
  for (;;) {
    // vq_lock is left out: without a thread pool only this thread takes it.
    const taken = work ? yield* takeChains(backEnd, ring, work, from, chains.length) : { chains: [], broken: false };
    if (taken.chains.length === 0) break;
    chains.push(...taken.chains);
    from = (from + taken.chains.length) & 0xffff;
    yield* ring.state.set({ nextAvail: from });
    if (taken.broken) break;
    // vu_queue_pop: names the next entry with each pop, and the loop looks once more (2.7.10.2).
    if (work?.state.eventIdx) yield* work.queue.setAvailEvent(from);
  }
  yield* backEnd.dispatch.readUnlock();
  if (!work) return;
  for (const chain of chains) {
    yield* backEnd.dispatch.readLock();
    const nextUsed = yield* ring.state.get("nextUsed");
    yield* serveChain(backEnd, ring, work, chain, nextUsed);
    yield* ring.state.set({ nextUsed: (nextUsed + 1) & 0xffff });
    yield* backEnd.dispatch.readUnlock();
  }
}
