// The seam between a transport and the device it carries: what VirtioDeviceClass (downwards) and VirtioBusClass
// (upwards) are in QEMU. All calls happen in the vCPU's thread, inside a trap.

import type { Irqfd } from "../../vm/irq.js";
import type { EventCounter } from "../../vm/sync/eventfd.js";
import type { Actor } from "../../vm/sync/op.js";
import type { DeviceCfg } from "./device-cfg.js";

/** Feature bits 0 to 31, and 32 to 63. */
export type Features = readonly [low: number, high: number];

/** A guest-physical address. */
export interface Gpa {
  readonly lo: number;
  readonly hi: number;
}

/** One queue as the driver has latched it in the common configuration (2.6, 4.1.4.3). */
export interface QueueConfig {
  /** A power of two up to the device's maximum; 0 while the driver's choice was refused. */
  readonly size: number;
  readonly enabled: boolean;
  /** queue_msix_vector: VIRTIO_MSI_NO_VECTOR, or an entry of the vector table. */
  readonly msixVector: number;
  readonly desc: Gpa;
  readonly driver: Gpa;
  readonly device: Gpa;
}

/** What the device may ask of its transport. The objects are live: they show what the registers hold now. */
export interface VirtioTransport {
  /** The device status, the write that is being handled included. */
  readonly status: number;
  /** What the driver has accepted. */
  readonly driverFeatures: Features;
  readonly queues: readonly QueueConfig[];
  /** Host notifier: from now on a notification of this queue adds 1 to the eventfd instead of trapping. */
  assignNotifier(queue: number, eventfd: EventCounter): void;
  deassignNotifier(queue: number): void;
  /** Is MSI-X enabled? (query_guest_notifiers) */
  readonly msixEnabled: boolean;
  /**
   * Guest notifiers, one a queue: from now on each is announced to the driver as it has chosen. Calls the device's
   * maskCall(false) for every queue whose calls can be delivered now, and later on with each change of that.
   */
  setGuestNotifiers(calls: readonly Irqfd[]): Actor;
  /** Ends that; the calls that could be delivered are masked before. */
  clearGuestNotifiers(): Actor;
  /** 2.1.2: the device is in an error state that only a reset ends. */
  setNeedsReset(): Actor;
}

export interface VirtioDevice {
  /** 5: 26 for a file system device. */
  readonly deviceId: number;
  /** The largest size of each queue: a power of two up to 32768. */
  readonly queueSizes: readonly number[];
  /** Device-specific configuration space. */
  readonly config: DeviceCfg;
  offeredFeatures(): Features;
  /**
   * The device status has changed other than by a reset (also: bus mastering was turned off, which clears DRIVER_OK).
   * The device starts when DRIVER_OK is set and stops when it is cleared; the vCPU is held until this returns.
   */
  setStatus(old: number, next: number, transport: VirtioTransport): Actor;
  /** A queue has been enabled. Only called by a transport with `enableAt: "queue-enable"`. */
  queueEnabled(queue: number, transport: VirtioTransport): Actor;
  /** Status = 0, or machine reset. Returns when the data plane is quiet; only then are the registers reset. */
  reset(transport: VirtioTransport): Actor;
  /** A notification that trapped since the queue has no notifier. */
  queueNotify(queue: number): Actor;
  /** guest_notifier_mask: the queue's calls go to a notifier that interrupts nobody, or to the guest notifier again. */
  maskCall(queue: number, masked: boolean): Actor;
  /** guest_notifier_pending: has the queue been called while it was masked? Forgets it. */
  callPending(queue: number): Actor<boolean>;
  /** ISR bits (VIRTIO_PCI_ISR_*) that have become due since the last call: what call eventfds hold. */
  pendingInterrupts(): Actor<number>;
}
