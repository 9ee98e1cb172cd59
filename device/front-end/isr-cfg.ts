// ISR status (virtio 1.4, 4.1.4.5; QEMU: virtio_pci_isr_read). One byte at offset 0, at any width; QEMU answers with it
// at every offset of its page. What the device has pending is asked when a driver looks, since nobody else waits for it.

import type { MmioRegion } from "../../vm/bus.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { DRIVER_BUGS, noteDriverBug } from "./driver-bug.js";

export class IsrCfg implements MmioRegion {
  readonly name = "isr";
  #bits = 0;

  constructor(
    readonly size: number,
    readonly pending: () => Actor<number>,
    readonly note: Note | undefined,
  ) {}

  raise(bits: number): void {
    this.#bits |= bits;
  }

  clear(): void {
    this.#bits = 0;
  }

  /** The bits, without the effect of a driver's read: for the Interrupt Status bit of the PCI header. */
  *look(): Actor<number> {
    this.#bits |= yield* this.pending();
    return this.#bits;
  }

  *read(offset: number): Actor<number> {
    if (offset !== 0) return 0;
    const bits = yield* this.look();
    // 4.1.4.5.1: "The device MUST reset ISR status to 0 on driver read."
    this.#bits = 0;
    this.note?.("read[isr_status]", `=> ${bits}`);
    return bits;
  }

  // biome-ignore lint/correctness/useYield: a trap without steps
  *write(): Actor {
    noteDriverBug(this.note, DRIVER_BUGS.REGISTER_READ_ONLY);
  }
}
