// rust-vmm's vhost-user-backend 0.10.1 (0.11.0 is the same) with virtiofsd 1.7.2's device: handler.rs is the control
// side, event_loop.rs and vring.rs the worker. The defect of the published hang is in `work`.

import type { Actor } from "../../vm/sync/op.js";
import { VHOST_USER_F_PROTOCOL_FEATURES } from "../spec/vhost-user.js";
import { hasFeature } from "../vhost-user/table.js";
import type { BackEnd, Variant, Vring } from "./back-end.js";
import { openRing, pass, type Work } from "./data-plane.js";
import { queuesOf } from "./worker-events.js";

/** What every version of the crate does alike; versions differ in the members they replace. */
export const RUST_0_10: Variant = {
  // virtiofsd: VERSION_1, EVENT_IDX, INDIRECT_DESC, PROTOCOL_FEATURES.
  features: 0x1_7000_0000n,
  // MQ, REPLY_ACK, BACKEND_REQ, BACKEND_SEND_FD, CONFIGURE_MEM_SLOTS: virtiofsd 1.3.0's list. 1.7.2's was not read.
  protocolFeatures: 0x8429n,
  demandedFeatures: 0n,
  locking: "ring",
  workers: "one",
  callSuppression: "event-idx only",

  // "every ring: enabled = !(features & bit 30)": with bit 30 each start clears what an earlier one had enabled.
  *setFeatures(backEnd, features) {
    const enabled = Number(!hasFeature(features, VHOST_USER_F_PROTOCOL_FEATURES));
    for (const ring of backEnd.rings) yield* backEnd.set(ring, { enabled });
  },

  *setKick(backEnd, ring, kick) {
    yield* ring.lock.holding(function* () {
      const old = backEnd.kickOf(yield* ring.state.get("kick"));
      yield* ring.state.set({ kick });
      // The old file is dropped; the new one of a ring that is ready is not registered.
      if (old && old.eventfd !== backEnd.kickOf(kick)?.eventfd) yield* old.doorbell.del(old.slot);
    });
    yield* initializeVring(backEnd, ring);
  },

  *setCall(backEnd, ring, call) {
    yield* backEnd.set(ring, { call });
    yield* initializeVring(backEnd, ring);
  },

  // Sets the flag, nothing else: no look at the ring, no kick of its own.
  *setEnable(backEnd, ring, enable) {
    yield* backEnd.set(ring, { enabled: Number(enable) });
  },

  *stopRing(backEnd, ring) {
    yield* backEnd.set(ring, { ready: 0 });
    yield* ring.lock.holding(function* () {
      const kick = backEnd.kickOf(yield* ring.state.get("kick"));
      if (kick) yield* kick.doorbell.del(kick.slot);
    });
    const nextAvail = yield* ring.lock.holding(function* () {
      return yield* ring.state.get("nextAvail");
    });
    yield* backEnd.set(ring, { kick: 0 });
    yield* backEnd.set(ring, { call: 0 });
    return nextAvail;
  },

  *resetDevice() {}, // 0.17.0 and later; RESET_DEVICE is not offered

  *work(backEnd, worker) {
    const doorbell = backEnd.parts.doorbells[worker]!;
    // The list goes stale while it is worked through, as epoll_wait's does.
    for (const ring of queuesOf(backEnd, doorbell, yield* doorbell.wait())) {
      if (!(yield* handleEvent(backEnd, ring))) return false;
    }
    return true;
  },
};

/** "Register, then ready", each under a lock hold of its own. */
function* initializeVring(backEnd: BackEnd, ring: Vring): Actor {
  const { ready, kick: fd } = yield* ring.lock.holding(function* () {
    return (yield* ring.state.load()).values;
  });
  const kick = backEnd.kickOf(fd);
  if (ready || !kick) return;
  yield* ring.lock.lock();
  yield* kick.doorbell.add(kick.slot);
  yield* ring.lock.unlock();
  yield* backEnd.set(ring, { ready: 1, broken: 0 });
}

/** handle_event. @returns false where run() returns: the thread ends, and nothing reports it */
function* handleEvent(backEnd: BackEnd, ring: Vring): Actor<boolean> {
  // VringState::read_kick: reads the eventfd FIRST, then copies `enabled`; the copy is used after the unlock.
  yield* ring.lock.lock();
  const kick = backEnd.kickOf(yield* ring.state.get("kick"));
  const count = kick ? yield* kick.eventfd.read() : 1;
  const enabled = yield* ring.state.get("enabled");
  yield* ring.lock.unlock();
  if (count === 0) {
    backEnd.note("worker ends", `q${ring.index}: EAGAIN from the kick eventfd`);
    return false;
  }
  if (!enabled) {
    // The count is gone, the ring is not looked at, and SET_VRING_ENABLE will not look at it either.
    if (kick) backEnd.kickDropped(ring, count);
    return true;
  }
  backEnd.kickTaken(ring);
  return yield* processQueue(backEnd, ring);
}

/** VhostUserFsBackend's serial path: the ring's mutex is held for the whole batch. */
function* processQueue(backEnd: BackEnd, ring: Vring): Actor<boolean> {
  yield* ring.lock.lock();
  const { ready, eventIdx } = (yield* ring.state.load()).values;
  const work = ready ? yield* openRing(backEnd, ring) : undefined;
  if (work && eventIdx) yield* untilQuiet(backEnd, ring, work);
  else if (work) yield* pass(backEnd, ring, work);
  yield* ring.lock.unlock();
  if (ready || eventIdx) return true; // with EVENT_IDX an error is logged and the loop goes on
  backEnd.note("worker ends", `q${ring.index}: the queue is not ready`);
  return false;
}

/** EVENT_IDX: disable_notification is empty there; enable_notification names the next entry and looks again. */
function* untilQuiet(backEnd: BackEnd, ring: Vring, work: Work): Actor {
  for (;;) {
    yield* pass(backEnd, ring, work);
    const nextAvail = yield* ring.state.get("nextAvail");
    yield* work.queue.setAvailEvent(nextAvail);
    if ((yield* work.queue.availIdx()) === nextAvail || (yield* ring.state.get("broken"))) return;
  }
}
