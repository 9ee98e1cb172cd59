// A virtio-fs device whose rings somebody else serves: what every front-end of one does alike, and what it is made of.

import type { Irqfd } from "../../vm/irq.js";
import type { GuestMemory } from "../../vm/memory.js";
import type { EventCounter } from "../../vm/sync/eventfd.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  VIRTIO_ID_FS,
} from "../spec/virtio.js";
import { VIRTIO_PCI_ISR_QUEUE } from "../spec/virtio-pci.js";
import { hasFeature } from "../vhost-user/table.js";
import type { RingAreas } from "../virtqueue.js";
import { placeRing } from "./address-space.js";
import type { DeviceCfg } from "./device-cfg.js";
import type { Features, VirtioDevice, VirtioTransport } from "./virtio-device.js";

/** An eventfd with its descriptor number. */
export interface Notifier {
  readonly fd: number;
  readonly eventfd: EventCounter;
}

/** The eventfds of one queue. */
export interface QueueNotifiers {
  /** Host notifiers (kick): as many as can be alive at once. */
  readonly kicks: readonly Notifier[];
  /** Guest notifier (call), and the one that is handed out while no guest notifier is active. */
  readonly call: { readonly fd: number; readonly eventfd: Irqfd };
  readonly maskedCall: Notifier;
  readonly err: Notifier;
}

export interface DeviceParts {
  readonly ram: GuestMemory;
  readonly notifiers: readonly QueueNotifiers[];
  readonly config: DeviceCfg;
  readonly queueSize: number;
  /**
   * What kick eventfds are born with. QEMU's host notifiers have 1 (virtio_bus_set_host_notifier: "event_notifier_init
   * (notifier, 1)"), so that registering one in epoll wakes the back-end. cloud-hypervisor's have 0 in a later version
   * than the one that was read for its messages.
   */
  readonly kickCount: 0 | 1;
  /** The device's property event_idx: VIRTIO_F_EVENT_IDX is passed on from the back-end. */
  readonly eventIdx: boolean;
  /** The property in_order, which is off unless it is asked for: VIRTIO_F_IN_ORDER is passed on from the back-end. */
  readonly inOrder: boolean;
  readonly note?: Note;
}

/** The back-end broke the protocol, refused a request or hung up while the front-end waited: QEMU's -EIO or -EPROTO. */
export class BackEndError extends Error {
  override name = "BackEndError";
}

/** The bits that the guest may see if the back-end offers them (vhost-user-fs's user_feature_bits, modern ones). */
const PASSED_ON = [VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1, VIRTIO_F_IN_ORDER];

export const asU64 = ([low, high]: Features): bigint => (BigInt(high) << 32n) | BigInt(low);

export abstract class VhostDevice implements VirtioDevice {
  readonly deviceId = VIRTIO_ID_FS;
  readonly queueSizes: readonly number[];
  readonly config: DeviceCfg;
  /** What the back-end offers. */
  protected backEndFeatures = 0n;
  protected started = false;

  constructor(readonly parts: DeviceParts) {
    this.config = parts.config;
    this.queueSizes = parts.notifiers.map(() => parts.queueSize);
  }

  /** When the device is made: everything before the first reset. */
  abstract connect(): Actor;
  abstract setStatus(old: number, next: number, transport: VirtioTransport): Actor;
  abstract queueEnabled(queue: number, transport: VirtioTransport): Actor;
  abstract reset(transport: VirtioTransport): Actor;
  abstract queueNotify(queue: number): Actor;
  abstract maskCall(queue: number, masked: boolean): Actor;
  abstract callPending(queue: number): Actor<boolean>;
  /** The virtual machine is paused. Ring memory and indices are kept. */
  abstract vmStop(transport: VirtioTransport): Actor;
  /** It goes on. @param bornWith count of kick eventfds that are made anew for it */
  abstract vmCont(transport: VirtioTransport, bornWith: 0 | 1): Actor;
  /** The connection is lost, and taken up again with the next back-end that listens. */
  // biome-ignore lint/correctness/useYield: who has no such code is not asked
  *reconnect(_transport: VirtioTransport): Actor {
    throw new Error("this front-end does not connect again");
  }
  /** Disables and enables every queue of a started device, with nothing stopped. */
  abstract toggle(): Actor;

  offeredFeatures(): Features {
    const { eventIdx, inOrder } = this.parts;
    const property = new Map([
      [VIRTIO_F_EVENT_IDX, eventIdx],
      [VIRTIO_F_IN_ORDER, inOrder],
    ]);
    const passed = PASSED_ON.filter((bit) => hasFeature(this.backEndFeatures, bit) && (property.get(bit) ?? true));
    const word = (high: boolean): number =>
      passed.filter((bit) => bit >= 32 === high).reduce((sum, bit) => (sum | (1 << (bit & 31))) >>> 0, 0);
    return [word(false), word(true)];
  }

  /** virtio_queue_guest_notifier_read, when the driver looks: what the call eventfds hold becomes ISR bit 0. */
  *pendingInterrupts(): Actor<number> {
    if (!this.started) return 0;
    let isr = 0;
    for (const { call } of this.parts.notifiers)
      if ((yield* call.eventfd.testAndClear()) !== 0) isr |= VIRTIO_PCI_ISR_QUEUE;
    return isr;
  }

  protected get guestNotifiers(): readonly Irqfd[] {
    return this.parts.notifiers.map(({ call }) => call.eventfd);
  }

  /** Where a queue of `size` entries lies. Without a place in RAM it is not started, and the driver is told. */
  protected *placed(queue: number, size: number, transport: VirtioTransport): Actor<RingAreas | undefined> {
    const areas = placeRing(this.parts.ram, queue, size, transport.queues[queue]!);
    if (!areas) {
      this.parts.note?.("Driver bug", `q${queue}: the ring is not in guest RAM or not aligned (virtio 1.4, 2.7)`);
      yield* transport.setNeedsReset();
    }
    return areas;
  }
}
