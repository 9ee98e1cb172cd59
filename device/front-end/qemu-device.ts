// What QEMU does alike for every vhost device, whoever serves its rings: hw/virtio/{virtio,virtio-bus,vhost}.c, as far as
// no message and no ioctl is concerned.

import type { Actor } from "../../vm/sync/op.js";
import { VIRTIO_CONFIG_S_DRIVER_OK } from "../spec/virtio.js";
import { VIRTIO_MSI_NO_VECTOR } from "../spec/virtio-pci.js";
import { type DeviceParts, type Notifier, VhostDevice } from "./vhost-device.js";
import type { QueueConfig, VirtioTransport } from "./virtio-device.js";

/** virtio_queue_get_desc_addr is not 0. The registers reach the queue in the queue_enable write (virtio_queue_set_rings). */
export const isPlaced = ({ enabled, desc }: QueueConfig): boolean => enabled && (desc.lo !== 0 || desc.hi !== 0);

export abstract class QemuDevice extends VhostDevice {
  /** Per queue: from GET_VRING_BASE, 0 after a reset. */
  protected readonly lastAvailIdx: number[];
  /** The eventfd in use as host notifier of each queue, while started. */
  readonly #kicks: (Notifier | undefined)[];
  #starts = 0;

  constructor(parts: DeviceParts) {
    super(parts);
    this.lastAvailIdx = parts.notifiers.map(() => 0);
    this.#kicks = parts.notifiers.map(() => undefined);
  }

  protected abstract start(transport: VirtioTransport, bornWith?: 0 | 1): Actor;
  protected abstract stop(transport: VirtioTransport): Actor;

  /** Everything in the vCPU's thread: it resumes when the device is started or stopped. */
  *setStatus(_old: number, next: number, transport: VirtioTransport): Actor {
    const shouldStart = (next & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
    if (shouldStart === this.started) return;
    if (shouldStart) yield* this.start(transport);
    else yield* this.stop(transport);
  }

  /** virtio_reset: stops. */
  *reset(transport: VirtioTransport): Actor {
    if (this.started) yield* this.stop(transport);
    this.lastAvailIdx.fill(0);
  }

  /** `stop`: set_status with vm_running false. */
  *vmStop(transport: VirtioTransport): Actor {
    if (this.started) yield* this.stop(transport);
  }

  /** `cont`: starts again where GET_VRING_BASE said. */
  *vmCont(transport: VirtioTransport, bornWith: 0 | 1): Actor {
    if (transport.status & VIRTIO_CONFIG_S_DRIVER_OK) yield* this.start(transport, bornWith);
  }

  /** vuf_handle_output is empty: a notification before the start has no effect at all. */
  *queueNotify(): Actor {}

  /** vhost_virtqueue_pending. */
  *callPending(queue: number): Actor<boolean> {
    return (yield* this.parts.notifiers[queue]!.maskedCall.eventfd.testAndClear()) !== 0;
  }

  /**
   * The end of vhost_virtqueue_start: "Clear and discard previous events if any."
   * @returns whether the ring gets no call at all: interrupts go by vectors, and the queue has none
   */
  protected *callsNobody(queue: number, transport: VirtioTransport): Actor<boolean> {
    yield* this.parts.notifiers[queue]!.maskedCall.eventfd.clear();
    return transport.msixEnabled && transport.queues[queue]!.msixVector === VIRTIO_MSI_NO_VECTOR;
  }

  protected kick(queue: number): Notifier {
    return this.#kicks[queue]!;
  }

  /** vhost_dev_enable_notifiers: new eventfds, in the place of traps. */
  protected *assignNotifiers(transport: VirtioTransport, bornWith = this.parts.kickCount): Actor {
    for (const [queue, { kicks }] of this.parts.notifiers.entries()) {
      const kick = kicks[this.#starts % kicks.length]!;
      yield* kick.eventfd.create(bornWith);
      this.#kicks[queue] = kick;
      transport.assignNotifier(queue, kick.eventfd);
    }
    this.#starts++;
  }

  /** vhost_dev_disable_notifiers. */
  protected *cleanupNotifiers(transport: VirtioTransport): Actor {
    for (const [queue, kick] of this.#kicks.entries()) {
      transport.deassignNotifier(queue);
      // virtio_bus_cleanup_host_notifier: test and clear; what was left calls the empty handler.
      if (kick) yield* kick.eventfd.clear();
      this.#kicks[queue] = undefined;
    }
  }
}
