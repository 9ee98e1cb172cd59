// rust-vmm's vhost-user-backend with virtiofsd's device: handler.rs is the control side, event_loop.rs and vring.rs the
// worker. One family: its versions differ in the members of Version, and in nothing else. The defect of the published
// hang is in `handleEvent`, the same in all of them; 0.22.0 keeps the kick away from it instead.

import type { Actor } from "../../vm/sync/op.js";
import { VHOST_USER_F_PROTOCOL_FEATURES } from "../spec/vhost-user.js";
import { VIRTQ_REFUSED_AVAIL_IDX, VirtqAvail } from "../spec/virtq.js";
import { hasFeature } from "../vhost-user/table.js";
import type { BackEnd, Variant, Vring } from "./back-end.js";
import { openRing, pass, type Work } from "./data-plane.js";
import { endIfTold, endWorker, queuesOf } from "./worker-events.js";

interface Version extends Pick<Variant, "features" | "protocolFeatures" | "ringFeaturesAt"> {
  /** SET_FEATURES with bit 30 disables every ring, so that each start clears what an earlier one had enabled. */
  readonly featuresDisable: boolean;
  /** initialize_vring disables the ring between the registration and `ready`. */
  readonly kickDisables: boolean;
  /** The kick descriptor is watched from SET_VRING_KICK to GET_VRING_BASE, or only while the ring is enabled as well. */
  readonly watched: "while started" | "while enabled";
}

/** 0.10.1, as in virtiofsd 1.7.2; 0.11.0 is the same. */
export const RUST_0_10 = rust({
  // virtiofsd: VERSION_1, EVENT_IDX, INDIRECT_DESC, PROTOCOL_FEATURES.
  features: 0x1_7000_0000n,
  // MQ, REPLY_ACK, BACKEND_REQ, BACKEND_SEND_FD, CONFIGURE_MEM_SLOTS: virtiofsd 1.3.0's list. 1.7.2's was not read.
  protocolFeatures: 0x8429n,
  ringFeaturesAt: "SET_VRING_BASE",
  featuresDisable: true,
  kickDisables: false,
  watched: "while started",
});

/** 0.12.0 and 0.13.0. What a virtiofsd with these offers is not known: 0.10's is taken. */
export const RUST_0_12 = rust({
  features: 0x1_7000_0000n,
  protocolFeatures: 0x8429n,
  ringFeaturesAt: "SET_VRING_BASE",
  featuresDisable: false,
  kickDisables: true,
  watched: "while started",
});

// As negotiated with virtiofsd 1.13.2 (0.17.0) and 1.14.0 (0.23.0): LOG_ALL beside 0.10's features; LOG_SHMFD,
// RESET_DEVICE and DEVICE_STATE beside its protocol features.
const LATER = { features: 0x1_7400_0000n, protocolFeatures: 0x8_a42bn, ringFeaturesAt: "SET_FEATURES" } as const;

/**
 * 0.13.1 to 0.21.0, and in two points the later ones of these: up to 0.15.0 EVENT_IDX was taken at SET_VRING_BASE, and
 * before 0.17.0 there was no RESET_DEVICE.
 */
export const RUST_0_13_1 = rust({ ...LATER, featuresDisable: false, kickDisables: false, watched: "while started" });

/** 0.22.0 and later: "Avoid losing vring kicks". */
export const RUST_0_22 = rust({ ...LATER, featuresDisable: false, kickDisables: false, watched: "while enabled" });

function rust(version: Version): Variant {
  const { features, protocolFeatures, ringFeaturesAt, featuresDisable, kickDisables } = version;
  const whileEnabled = version.watched === "while enabled";

  function* setEnabled(backEnd: BackEnd, ring: Vring, enabled: boolean): Actor {
    yield* backEnd.set(ring, { enabled: Number(enabled) });
    if (whileEnabled) yield* updateVringRegistration(backEnd, ring);
  }

  /** Of SET_VRING_KICK and of SET_VRING_CALL. Each step under a lock hold of its own. */
  function* initializeVring(backEnd: BackEnd, ring: Vring): Actor {
    const { ready, kick: fd } = yield* ring.lock.holding(function* () {
      return (yield* ring.state.load()).values;
    });
    const kick = backEnd.kickOf(fd);
    if (ready || !kick) return;
    if (!whileEnabled) {
      yield* ring.lock.holding(function* () {
        yield* kick.doorbell.add(kick.slot);
      });
    }
    if (kickDisables) yield* backEnd.set(ring, { enabled: 0 });
    yield* backEnd.set(ring, { ready: 1, broken: 0 });
    if (whileEnabled) yield* updateVringRegistration(backEnd, ring);
  }

  return {
    features,
    protocolFeatures,
    demandedFeatures: 0n,
    ringFeaturesAt,
    locking: "ring",
    workers: "one",
    callSuppression: "event-idx only",

    *setFeatures(backEnd, acked) {
      const disabled = hasFeature(acked, VHOST_USER_F_PROTOCOL_FEATURES);
      if (disabled && !featuresDisable) return; // the rings are left as they are
      for (const ring of backEnd.rings) yield* setEnabled(backEnd, ring, !disabled);
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

    // No look at the ring, no kick of its own.
    setEnable: setEnabled,

    *stopRing(backEnd, ring) {
      yield* backEnd.set(ring, { ready: 0 });
      if (whileEnabled) yield* updateVringRegistration(backEnd, ring);
      else if (!(yield* unregister(backEnd, ring))) return undefined;
      const nextAvail = yield* ring.lock.holding(function* () {
        return yield* ring.state.get("nextAvail");
      });
      yield* backEnd.set(ring, { kick: 0 });
      yield* backEnd.set(ring, { call: 0 });
      return nextAvail;
    },

    // `acked_features` is the handler's own copy; the protocol features by which requests are read and ACKed are the
    // connection's (crate vhost), and stay.
    *resetOwner(backEnd) {
      yield* backEnd.connection.set({ features: 0, featuresHigh: 0 });
    },

    // 0.17.0 and later; earlier ones do not offer it.
    *resetDevice(backEnd) {
      for (const ring of backEnd.rings) yield* setEnabled(backEnd, ring, false);
      yield* backEnd.connection.set({ features: 0, featuresHigh: 0 });
    },

    endWorkers: endWorker,

    *work(backEnd, worker) {
      const doorbell = backEnd.parts.doorbells[worker]!;
      const ready = yield* doorbell.wait();
      // The list goes stale while it is worked through, as epoll_wait's does.
      for (const ring of queuesOf(backEnd, doorbell, ready)) {
        if (!(yield* handleEvent(backEnd, ring))) return false;
      }
      yield* endIfTold(backEnd, ready);
      return true;
    },
  };
}

/** update_vring_registration: test and epoll_ctl under one hold; EEXIST, and every error of DEL, is ignored. */
function* updateVringRegistration(backEnd: BackEnd, ring: Vring): Actor {
  yield* ring.lock.holding(function* () {
    const { ready, enabled, kick: fd } = (yield* ring.state.load()).values;
    const kick = backEnd.kickOf(fd);
    if (!kick) return;
    if (ready && enabled) yield* kick.doorbell.add(kick.slot);
    else yield* kick.doorbell.del(kick.slot);
  });
}

/** GET_VRING_BASE's DEL up to 0.21. @returns false when epoll_ctl fails, as it does for a kick that replaced another */
function* unregister(backEnd: BackEnd, ring: Vring): Actor<boolean> {
  return yield* ring.lock.holding(function* () {
    const kick = backEnd.kickOf(yield* ring.state.get("kick"));
    return !kick || (yield* kick.doorbell.del(kick.slot)) === 0;
  });
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

/**
 * VhostUserFsBackend's serial path: the ring's mutex is held for the whole batch. What the driver breaks ends the thread:
 * an avail index that cannot be is an error of `iter`, a chain that cannot be read is unwrapped.
 */
function* processQueue(backEnd: BackEnd, ring: Vring): Actor<boolean> {
  yield* ring.lock.lock();
  const { ready, eventIdx } = (yield* ring.state.load()).values;
  const work = ready ? yield* openRing(backEnd, ring) : undefined;
  if (work && eventIdx) yield* untilQuiet(backEnd, ring, work);
  else if (work) yield* pass(backEnd, ring, work);
  const broken = yield* ring.state.get("broken");
  yield* ring.lock.unlock();
  if (!broken && (ready || eventIdx)) return true; // with EVENT_IDX an error of `iter` is logged and the loop goes on
  backEnd.note("worker ends", `q${ring.index}: the queue is ${broken ? "broken" : "not ready"}`);
  return false;
}

/** EVENT_IDX: disable_notification is empty there; enable_notification names the next entry and looks again. */
function* untilQuiet(backEnd: BackEnd, ring: Vring, work: Work): Actor {
  for (;;) {
    yield* pass(backEnd, ring, work);
    const { nextAvail, broken } = (yield* ring.state.load()).values;
    yield* work.queue.setAvailEvent(nextAvail);
    const availIdx = yield* work.queue.availIdx();
    if (availIdx === nextAvail) return;
    if (broken === VIRTQ_REFUSED_AVAIL_IDX) yield* spin(backEnd, ring, work, availIdx);
    else if (broken) return;
  }
}

/**
 * The error of `iter` is logged, the next entry is not the one that the driver names, so the loop goes on, with the
 * mutex held: without end, unless the driver writes another index. Between two looks at the same one it does nothing.
 */
function* spin(backEnd: BackEnd, ring: Vring, { queue }: Work, availIdx: number): Actor {
  yield* backEnd.parts.ram.words.poll(queue.at.avail + VirtqAvail.IDX, availIdx, 1);
  yield* ring.state.set({ broken: 0 });
}
