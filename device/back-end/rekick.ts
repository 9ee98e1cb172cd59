// Our own back-end, and the default: no order of messages and kicks loses a request. Three rules make it so.
//
// 1. The kick descriptor is watched only while the ring is ready and enabled, so a kick that comes earlier stays in the
//    eventfd. Both flags and the registration change under one hold of the ring's lock.
// 2. The worker decides under that same lock, before it takes the count out of the eventfd: a stale event of a ring that
//    is not to be served takes nothing away.
// 3. When a ring becomes both ready and enabled it is kicked by the back-end itself, so that what the driver offered
//    before (a resumed ring, a front-end that does not charge its eventfd) is looked at without a kick.
//
// vhost-user.rst, "Ring states", says nothing of a kick seen while disabled; these rules follow S. Hajnoczi's review of
// the published fix: "not monitor the kick fd while disabled, trigger the kick yourself on enable".

import type { Actor } from "../../vm/sync/op.js";
import { VHOST_USER_F_PROTOCOL_FEATURES } from "../spec/vhost-user.js";
import { hasFeature } from "../vhost-user/table.js";
import type { BackEnd, Variant, Vring, VringField } from "./back-end.js";
import { openRing, pass } from "./data-plane.js";
import { endIfTold, endWorker, queuesOf } from "./worker-events.js";

export const REKICK: Variant = {
  // VERSION_1, EVENT_IDX, INDIRECT_DESC, PROTOCOL_FEATURES; and IN_ORDER: one worker, which serves one request at a time.
  features: 0x9_7000_0000n,
  protocolFeatures: 0xa029n, // MQ, REPLY_ACK, BACKEND_REQ, RESET_DEVICE, CONFIGURE_MEM_SLOTS
  demandedFeatures: 0n,
  ringFeaturesAt: "SET_VRING_BASE",
  locking: "ring",
  workers: "one",
  callSuppression: "full",

  // Without bit 30 rings start enabled; with it they keep what SET_VRING_ENABLE said.
  *setFeatures(backEnd, features) {
    if (hasFeature(features, VHOST_USER_F_PROTOCOL_FEATURES)) return;
    for (const ring of backEnd.rings) yield* change(backEnd, ring, { enabled: 1 });
  },

  *setKick(backEnd, ring, kick) {
    yield* change(backEnd, ring, { kick, ready: 1, broken: 0 });
  },

  *setCall(backEnd, ring, call) {
    yield* backEnd.set(ring, { call });
  },

  *setEnable(backEnd, ring, enable) {
    yield* change(backEnd, ring, { enabled: Number(enable) });
  },

  // The lock is the worker's too: once it is ours the worker has finished its batch, and will find the ring not ready.
  *stopRing(backEnd, ring) {
    yield* change(backEnd, ring, { ready: 0 });
    return yield* ring.lock.holding(function* () {
      const nextAvail = yield* ring.state.get("nextAvail");
      yield* ring.state.set({ kick: 0, call: 0 });
      return nextAvail;
    });
  },

  *resetOwner() {}, // deprecated: vhost-user.rst recommends to ignore it, or to disable all rings

  *resetDevice(backEnd) {
    for (const ring of backEnd.rings) yield* change(backEnd, ring, { enabled: 0 });
  },

  endWorkers: endWorker,

  *work(backEnd, worker) {
    const doorbell = backEnd.parts.doorbells[worker]!;
    const ready = yield* doorbell.wait();
    for (const ring of queuesOf(backEnd, doorbell, ready)) yield* handleEvent(backEnd, ring);
    yield* endIfTold(backEnd, ready);
    return true;
  },
};

/** Changes a ring's flags or descriptor, and with them whether the descriptor is watched (rules 1 and 3). */
function* change(backEnd: BackEnd, ring: Vring, values: Partial<Record<VringField, number>>): Actor {
  yield* ring.lock.lock();
  const old = (yield* ring.state.load()).values;
  yield* ring.state.set(values);
  const next = { ...old, ...values };
  const was = old.ready && old.enabled ? backEnd.kickOf(old.kick) : undefined;
  const is = next.ready && next.enabled ? backEnd.kickOf(next.kick) : undefined;
  if (was && was.slot !== is?.slot) yield* was.doorbell.del(was.slot);
  if (is && is.slot !== was?.slot) {
    yield* is.doorbell.add(is.slot);
    yield* is.eventfd.add(1);
  }
  yield* ring.lock.unlock();
}

function* handleEvent(backEnd: BackEnd, ring: Vring): Actor {
  yield* ring.lock.lock();
  const { ready, enabled, kick: fd } = (yield* ring.state.load()).values;
  const kick = backEnd.kickOf(fd);
  if (ready && enabled && kick) {
    yield* kick.eventfd.read();
    backEnd.kickTaken(ring);
    if (yield* serve(backEnd, ring)) yield* kick.eventfd.add(1);
  }
  yield* ring.lock.unlock();
}

/**
 * Serves what is there, at most a ring's worth, so that a driver that never stops offering does not keep the lock from
 * the control plane. @returns true when more may be waiting
 */
function* serve(backEnd: BackEnd, ring: Vring): Actor<boolean> {
  const work = yield* openRing(backEnd, ring);
  if (!work) return false;
  const served = yield* pass(backEnd, ring, work);
  if (served === work.state.size) return true;
  if (!work.state.eventIdx) return false; // a later offer is kicked: used.flags never says NO_NOTIFY here
  // 2.7.10.2: name the next entry, then look once more: the driver may have offered before it saw the new event.
  const nextAvail = yield* ring.state.get("nextAvail");
  yield* work.queue.setAvailEvent(nextAvail);
  return (yield* work.queue.availIdx()) !== nextAvail && (yield* ring.state.get("broken")) === 0;
}
