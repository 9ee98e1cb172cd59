// ISR status (virtio 1.4, 4.1.4.5; QEMU: virtio_pci_isr_read). One byte at offset 0, at any width; QEMU answers with it
// at every offset of its page. What the device has pending is asked when a driver looks.

import type { MmioRegion } from "../../vm/bus.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { DRIVER_BUGS, noteDriverBug } from "./driver-bug.js";

export interface IsrOwner {
  /** Bits that have become due since the last call. */
  pending(): Actor<number>;
  /** `bits` has changed. */
  changed(): Actor;
}

export class IsrCfg implements MmioRegion {
  readonly name = "isr";
  #bits = 0;

  constructor(
    readonly size: number,
    readonly owner: IsrOwner,
    readonly note: Note | undefined,
  ) {}

  /** What has been collected: what the device has pending besides is not in it. */
  get bits(): number {
    return this.#bits;
  }

  *raise(bits: number): Actor {
    yield* this.#set(this.#bits | bits);
  }

  *clear(): Actor {
    yield* this.#set(0);
  }

  /** The bits, without the effect of a driver's read: for the Interrupt Status bit of the PCI header. */
  *look(): Actor<number> {
    yield* this.raise(yield* this.owner.pending());
    return this.#bits;
  }

  *read(offset: number): Actor<number> {
    if (offset !== 0) return 0;
    const bits = this.#bits | (yield* this.owner.pending());
    // 4.1.4.5.1: "The device MUST reset ISR status to 0 on driver read."
    yield* this.clear();
    this.note?.("read[isr_status]", `=> ${bits}`);
    return bits;
  }

  // biome-ignore lint/correctness/useYield: a trap without steps
  *write(): Actor {
    noteDriverBug(this.note, DRIVER_BUGS.REGISTER_READ_ONLY);
  }

  *#set(bits: number): Actor {
    if (bits === this.#bits) return;
    this.#bits = bits;
    yield* this.owner.changed();
  }
}
