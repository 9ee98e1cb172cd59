// The kernel as back-end: vhost-net's shape, drivers/vhost/{vhost,net}.c (read in an old version, and shortened). Its
// control side is no thread but the caller's: an ioctl changes a ring under its mutex and returns. The vhost worker, a
// kernel thread of the device, is its data plane.
//
// What is served is not network but the lab's device, FUSE: a ring is treated as vhost-net's transmit ring. Left out:
// the device mutex (one thread makes all ioctls), dirty logging, the IOTLB, and flushes, since who is still queued finds
// no backend.

import type { RegionTable } from "../../vm/regions.js";
import type { Actor } from "../../vm/sync/op.js";
import { E2BIG, EBADF, EBUSY, EFAULT, EINVAL, ENOBUFS, EOPNOTSUPP, EPERM } from "../spec/errno.js";
import { VHOST_FILE_UNBIND, type VhostIoctl, type VhostMemoryRegion } from "../spec/vhost.js";
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from "../spec/virtio.js";
import { VIRTQ_USED_F_NO_NOTIFY, VirtqUsed } from "../spec/virtq.js";
import { hasFeature } from "../vhost-user/table.js";
import { ringLabels } from "../virtqueue.js";
import { RingServer, type RingServerParts, type Serving, type Vring } from "./back-end.js";
import { openRing, pass, type Work } from "./data-plane.js";
import { high, low, MAX_REGIONS, mappedRegion } from "./mem-table.js";
import { queuesOf } from "./worker-events.js";

export const KERNEL: Serving = { locking: "ring", workers: "one", callSuppression: "full" };

/** VHOST_FEATURES: VERSION_1, EVENT_IDX, INDIRECT_DESC, ANY_LAYOUT, LOG_ALL, NOTIFY_ON_EMPTY. Bit 30 is vhost-user's. */
const FEATURES = 0x1_3d00_0000n;

export interface KernelParts extends RingServerParts {
  /** The memory of the process that calls, current->mm: its addresses to offsets into guest RAM. */
  readonly userMemory: RegionTable;
}

export class Kernel extends RingServer {
  #owned = false;

  constructor(override readonly parts: KernelParts) {
    super(parts);
  }

  /** vhost_net_ioctl. @returns features, a base, or 0; a negative errno when it is refused */
  *ioctl(call: VhostIoctl): Actor<number> {
    if (call.request === "VHOST_GET_FEATURES") return Number(FEATURES);
    if (call.request === "VHOST_SET_FEATURES") return yield* this.#setFeatures(call.features);
    if (call.request === "VHOST_SET_OWNER") {
      if (this.#owned) return -EBUSY;
      this.#owned = true; // and the worker is created
      return 0;
    }
    if (!this.#owned) return -EPERM;
    if (call.request === "VHOST_SET_MEM_TABLE") return yield* this.#setMemTable(call.regions);
    const ring = this.rings[call.index];
    if (!ring) return -ENOBUFS;
    return yield* ring.lock.holding(() => this.#vringIoctl(ring, call));
  }

  /** vhost_worker: takes what is queued, and runs each. */
  *work(): Actor<boolean> {
    const doorbell = this.parts.doorbells[0]!;
    const ready = yield* doorbell.wait();
    for (const ring of queuesOf(this, doorbell, ready)) {
      // vhost_poll never reads the eventfd: a write to it sets VHOST_WORK_QUEUED, and the worker clears that bit before
      // it runs the work. Here the count is that bit.
      let queued = 0;
      for (const { slot, eventfd } of this.parts.events[ring.index]!.kicks)
        if (ready & (1 << slot)) queued += yield* eventfd.read();
      yield* ring.lock.holding(() => this.#handleKick(ring, queued));
    }
    return true;
  }

  *#setFeatures(features: bigint): Actor<number> {
    if ((features & ~FEATURES) !== 0n) return -EOPNOTSUPP;
    const eventIdx = Number(hasFeature(features, VIRTIO_F_EVENT_IDX));
    const indirect = Number(hasFeature(features, VIRTIO_F_INDIRECT_DESC));
    for (const ring of this.rings) yield* this.set(ring, { eventIdx, indirect });
    return 0;
  }

  *#setMemTable(regions: readonly VhostMemoryRegion[]): Actor<number> {
    if (regions.length > MAX_REGIONS) return -E2BIG;
    const mapped = regions.map((region) => {
      const { uaddr, size } = region;
      const offset = this.parts.userMemory.contiguous(low(uaddr), high(uaddr), Number(size));
      return offset === undefined ? undefined : mappedRegion({ ...region, offset: BigInt(offset) });
    });
    const known = mapped.filter((region) => region !== undefined);
    if (known.length < mapped.length) return -EFAULT;
    yield* this.memory.replace(known);
    return 0;
  }

  /** vhost_vring_ioctl and vhost_net_set_backend. The ring's mutex is held. */
  *#vringIoctl(ring: Vring, call: Extract<VhostIoctl, { index: number }>): Actor<number> {
    const { state } = ring;
    switch (call.request) {
      case "VHOST_SET_VRING_NUM":
        // "Resizing ring with an active backend? You don't want to do that."
        if (yield* state.get("enabled")) return -EBUSY;
        if (call.num < 1 || call.num > 0xffff || (call.num & (call.num - 1)) !== 0) return -EINVAL;
        yield* state.set({ size: call.num });
        return 0;
      case "VHOST_SET_VRING_BASE":
        if (yield* state.get("enabled")) return -EBUSY;
        if (call.num > 0xffff) return -EINVAL;
        yield* state.set({ nextAvail: call.num });
        return 0;
      case "VHOST_GET_VRING_BASE":
        return yield* state.get("nextAvail");
      case "VHOST_SET_VRING_ADDR":
        return yield* this.#setAddr(ring, call);
      case "VHOST_SET_VRING_KICK":
        return yield* this.#setKick(ring, call.fd);
      case "VHOST_SET_VRING_CALL":
        yield* state.set({ call: stored(call.fd) });
        return 0;
      case "VHOST_SET_VRING_ERR":
        yield* state.set({ err: stored(call.fd) });
        return 0;
      case "VHOST_NET_SET_BACKEND":
        return yield* this.#setBackend(ring, call.fd);
    }
  }

  /** The kernel keeps user addresses and looks where they lead when it gets a backend; here they are looked up at once. */
  *#setAddr(ring: Vring, addr: Extract<VhostIoctl, { request: "VHOST_SET_VRING_ADDR" }>): Actor<number> {
    const size = yield* ring.state.get("size");
    const areas = size === 0 ? undefined : (yield* this.memory.load()).ringAreas(size, addr);
    if (!areas) return -EFAULT;
    this.parts.ram.words.label(`q${ring.index}`, ringLabels(ring.index, areas));
    yield* ring.state.set({ desc: areas.desc, avail: areas.avail, used: areas.used, broken: 0 });
    return 0;
  }

  /** The new file is polled in the place of the old one. If it has a count already, the work is queued at once. */
  *#setKick(ring: Vring, fd: number): Actor<number> {
    const kick = this.kickOf(fd);
    if (fd !== VHOST_FILE_UNBIND && !kick) return -EBADF;
    const old = this.kickOf(yield* ring.state.get("kick"));
    yield* ring.state.set({ kick: stored(fd), ready: Number(kick !== undefined) });
    if (old?.eventfd === kick?.eventfd) return 0;
    if (old) yield* old.doorbell.del(old.slot);
    if (kick) yield* kick.doorbell.add(kick.slot);
    return 0;
  }

  /**
   * A ring is served while it has a backend (`enabled` here). vhost_net_enable_vq polls the new one, and a tap device can
   * be written to at once, so the transmit work is queued: what the driver offered before is looked at without a kick.
   * That the lab's device is as willing is inferred.
   */
  *#setBackend(ring: Vring, fd: number): Actor<number> {
    if (fd === VHOST_FILE_UNBIND) {
      yield* ring.state.set({ enabled: 0 });
      return 0;
    }
    const work = yield* openRing(this, ring);
    if (!work) return -EFAULT;
    if (this.parts.descriptors.get(fd)?.kind !== "socket") return -EBADF;
    yield* work.queue.setUsedFlags(0);
    const nextUsed = yield* this.parts.ram.words.load16(work.state.used + VirtqUsed.IDX);
    yield* ring.state.set({ enabled: 1, nextUsed });
    yield* this.#queueWork(work);
    return 0;
  }

  /** handle_tx. The ring's mutex is held throughout. */
  *#handleKick(ring: Vring, queued: number): Actor {
    if (!(yield* ring.state.get("enabled"))) return this.kickDropped(ring, queued);
    this.kickTaken(ring);
    const work = yield* openRing(this, ring);
    if (!work) return;
    for (let served = 0; served < work.state.size; ) {
      if (!work.state.eventIdx) yield* work.queue.setUsedFlags(VIRTQ_USED_F_NO_NOTIFY); // vhost_disable_notify
      served += yield* pass(this, ring, work);
      // vhost_enable_notify: "They could have slipped one in as we were doing that: make sure it's written, then check
      // again."
      const nextAvail = yield* ring.state.get("nextAvail");
      if (work.state.eventIdx) yield* work.queue.setAvailEvent(nextAvail);
      else yield* work.queue.setUsedFlags(0);
      if ((yield* work.queue.availIdx()) === nextAvail || (yield* ring.state.get("broken"))) return;
    }
    yield* this.#queueWork(work); // vhost_exceeds_weight: others first
  }

  /** vhost_poll_queue. */
  *#queueWork({ state }: Work): Actor {
    const kick = this.kickOf(state.kick);
    if (kick) yield* kick.eventfd.add(1);
  }
}

/** A descriptor as a ring's record keeps it. */
const stored = (fd: number): number => (fd === VHOST_FILE_UNBIND ? 0 : fd);
