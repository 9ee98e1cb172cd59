// How a virtio-PCI device interrupts (virtio 1.4, 4.1.5.3 and 4.1.5.4): by MSI-X messages, or by the ISR status and
// INTA# while MSI-X is disabled. In QEMU: virtio_pci_notify, virtio_pci_set_guest_notifiers and the vector notifiers of
// hw/virtio/virtio-pci.c.
//
// A queue's call eventfd is its guest notifier. With MSI-X it has an irqfd: the back-end's write becomes an interrupt
// without any thread of the front-end. Without, QEMU's main loop would read it, set the ISR and assert the line; here
// the eventfd asserts the line itself, and the ISR is collected when the driver reads it.
//
// One departure: QEMU leaves a masked vector's irqfd assigned, so that a call which crosses with the mask is delivered
// all the same. 6.8.2.8 (PCI 3.0) forbids that; here it stays in the eventfd until the vector is unmasked.

import type { InterruptController, Irqfd, Route } from "../../vm/irq.js";
import { Msix, type MsixOwner, type MsiMessage } from "../../vm/pci/msix.js";
import { INTX_INTERRUPT, MSI_ADDRESS } from "../../vm/spec/board.js";
import { PCI_COMMAND_INTX_DISABLE, PCI_COMMAND_MASTER } from "../../vm/spec/pci.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_ISR_CONFIG, VIRTIO_PCI_ISR_QUEUE } from "../spec/virtio-pci.js";
import { IsrCfg } from "./isr-cfg.js";
import type { QueueConfig, VirtioDevice } from "./virtio-device.js";

/** What the interrupts of a function depend on. */
export interface InterruptsOwner {
  readonly irq: InterruptController;
  readonly virtio: VirtioDevice;
  /** PCI command register, and MSI-X message control. */
  command(): number;
  msixControl(): number;
  queues(): readonly QueueConfig[];
  configVector(): number;
}

/** Guest notifiers in use. `irqfd`: MSI-X was enabled when they were set. */
interface GuestNotifiers {
  readonly calls: readonly Irqfd[];
  readonly irqfd: boolean;
}

export class Interrupts implements MsixOwner {
  readonly msix: Msix;
  readonly isr: IsrCfg;
  #guestNotifiers: GuestNotifiers | undefined;
  /** What the line is at, as far as the ISR holds it. */
  #line = false;

  constructor(
    readonly owner: InterruptsOwner,
    isrSize: number,
    note: Note | undefined,
  ) {
    // A vector for each queue and one for the configuration, as QEMU's vhost-user-fs-pci has by default.
    this.msix = new Msix(owner.virtio.queueSizes.length + 1, this);
    this.isr = new IsrCfg(isrSize, { pending: () => this.#collect(), changed: () => this.#updateLine() }, note);
  }

  /** virtio_notify_config, for a driver that runs. */
  *notifyConfig(): Actor {
    yield* this.#notify(this.owner.configVector(), VIRTIO_PCI_ISR_CONFIG);
  }

  /** virtio_pci_set_guest_notifiers(true). */
  *setGuestNotifiers(calls: readonly Irqfd[]): Actor {
    this.#guestNotifiers = { calls, irqfd: this.msix.enabled };
    if (this.#guestNotifiers.irqfd) {
      for (let vector = 0; vector < this.msix.vectors; vector++)
        if (this.msix.isOpen(vector)) yield* this.vectorUnmasked(vector);
    } else {
      for (const queue of calls.keys()) yield* this.#unmask(queue);
    }
  }

  /** virtio_pci_set_guest_notifiers(false). A call that is left is not forgotten (virtio_queue_guest_notifier_read). */
  *clearGuestNotifiers(): Actor {
    const notifiers = this.#guestNotifiers;
    if (!notifiers) return;
    if (notifiers.irqfd) {
      for (let vector = 0; vector < this.msix.vectors; vector++)
        if (this.msix.isOpen(vector)) yield* this.vectorMasked(vector);
    }
    this.#guestNotifiers = undefined;
    for (const [queue, call] of notifiers.calls.entries()) {
      if (call.isRouted()) yield* call.setRoute(undefined);
      if ((yield* call.testAndClear()) !== 0)
        yield* this.#notify(this.owner.queues()[queue]!.msixVector, VIRTIO_PCI_ISR_QUEUE);
      if (!notifiers.irqfd) yield* this.owner.virtio.maskCall(queue, true);
    }
  }

  /** The driver has given a queue another vector. */
  *queueVectorChanged(queue: number, old: number): Actor {
    if (!this.#guestNotifiers?.irqfd) return;
    if (this.msix.isOpen(old)) yield* this.#mask(queue);
    if (this.msix.isOpen(this.owner.queues()[queue]!.msixVector)) yield* this.#unmask(queue);
  }

  /** The guest has written the command register or message control. */
  *controlWritten(): Actor {
    yield* this.msix.controlWritten();
    for (const queue of this.#guestNotifiers?.calls.keys() ?? []) yield* this.#route(queue);
    yield* this.#updateLine();
  }

  // What the vector table asks for: MsixOwner.

  control(): number {
    return this.owner.msixControl();
  }

  /** A message is a write to memory: of a function that may not master the bus it goes nowhere. */
  *send(message: MsiMessage): Actor {
    const interrupt = this.#interruptOf(message);
    if (interrupt !== undefined) yield* this.owner.irq.raise(interrupt);
  }

  *vectorUnmasked(vector: number): Actor {
    for (const queue of this.#queuesOf(vector)) yield* this.#unmask(queue);
  }

  *vectorMasked(vector: number): Actor {
    for (const queue of this.#queuesOf(vector)) yield* this.#mask(queue);
  }

  *poll(vector: number): Actor<boolean> {
    let pending = false;
    for (const queue of this.#queuesOf(vector)) {
      if (yield* this.owner.virtio.callPending(queue)) pending = true;
      if ((yield* this.#guestNotifiers!.calls[queue]!.testAndClear()) !== 0) pending = true;
    }
    return pending;
  }

  /** virtio_pci_vq_vector_unmask. */
  *#unmask(queue: number): Actor {
    yield* this.#route(queue);
    yield* this.owner.virtio.maskCall(queue, false);
    if (!this.#guestNotifiers!.irqfd) return;
    // "Test after unmasking to avoid losing events." As the CALL message is not waited for, the back-end may signal the
    // masked notifier after this test: that call is found at the next mask and unmask, or never. So it is in QEMU.
    if (yield* this.owner.virtio.callPending(queue)) yield* this.#guestNotifiers!.calls[queue]!.add(1);
  }

  /** virtio_pci_vq_vector_mask. */
  *#mask(queue: number): Actor {
    yield* this.#route(queue);
    yield* this.owner.virtio.maskCall(queue, true);
  }

  /** Brings a queue's irqfd to where the registers now want it. */
  *#route(queue: number): Actor {
    const call = this.#guestNotifiers!.calls[queue]!;
    const route = this.#routeOf(queue);
    if (route !== undefined || call.isRouted()) yield* call.setRoute(route);
  }

  #routeOf(queue: number): Route | undefined {
    if (!this.#guestNotifiers!.irqfd) return this.#intx ? { interrupt: INTX_INTERRUPT, trigger: "level" } : undefined;
    const vector = this.owner.queues()[queue]!.msixVector;
    const interrupt = this.msix.isOpen(vector) ? this.#interruptOf(this.msix.message(vector)) : undefined;
    return interrupt === undefined ? undefined : { interrupt, trigger: "edge" };
  }

  /** The interrupt that a message is; undefined where nothing takes it. */
  #interruptOf({ lo, hi, data }: MsiMessage): number | undefined {
    const taken = lo === MSI_ADDRESS && hi === 0 && data < INTX_INTERRUPT;
    return taken && this.owner.command() & PCI_COMMAND_MASTER ? data : undefined;
  }

  /** virtio_notify_vector. */
  *#notify(vector: number, isrBits: number): Actor {
    if (!this.msix.enabled) yield* this.isr.raise(isrBits);
    else if (vector !== VIRTIO_MSI_NO_VECTOR) yield* this.msix.notify(vector);
  }

  *#collect(): Actor<number> {
    return this.#guestNotifiers?.irqfd ? 0 : yield* this.owner.virtio.pendingInterrupts();
  }

  /** 4.1.5.3: "If MSI-X capability is disabled". And PCI 3.0, 6.2.2: bit 10 of the command register. */
  get #intx(): boolean {
    return !this.msix.enabled && !(this.owner.command() & PCI_COMMAND_INTX_DISABLE);
  }

  *#updateLine(): Actor {
    const line = this.#intx && this.isr.bits !== 0;
    if (line === this.#line) return;
    this.#line = line;
    yield* this.owner.irq.setLine(INTX_INTERRUPT, line);
  }

  /** virtio_vector_first_queue and on: in queue order, none while there are no guest notifiers with irqfds. */
  #queuesOf(vector: number): number[] {
    if (!this.#guestNotifiers?.irqfd) return [];
    return this.owner.queues().flatMap(({ msixVector }, queue) => (msixVector === vector ? [queue] : []));
  }
}
