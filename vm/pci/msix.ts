// MSI-X (PCI Local Bus 3.0, 6.8.2; QEMU: hw/pci/msix.c): the capability, and the BAR with the vector table and the
// pending bits. A vector that is masked sends nothing; what came for it meanwhile is pending, and is sent when it is
// unmasked.

import { allOnes, loadLe, type MmioRegion, storeLe } from "../bus.js";
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PciMsixCap,
  PciMsixEntry,
} from "../spec/pci.js";
import type { Actor } from "../sync/op.js";

/** What a vector writes, and where. */
export interface MsiMessage {
  readonly lo: number;
  readonly hi: number;
  readonly data: number;
}

/** The function around the table. */
export interface MsixOwner {
  /** Message control, as the guest has set it. */
  control(): number;
  /** Sends a message: a write of the function's to memory. */
  send(message: MsiMessage): Actor;
  /** From now on a vector's interrupts may be sent, or must not be (msix_set_vector_notifiers). */
  vectorUnmasked(vector: number): Actor;
  vectorMasked(vector: number): Actor;
  /** Has an interrupt come for a masked vector at a place of the function's own? It is then taken from there. */
  poll(vector: number): Actor<boolean>;
}

/** QEMU's BAR: a page, the table in its first half and the pending bits in the second, or more if the table is longer. */
const PAGE = 4096;

export class Msix implements MmioRegion {
  readonly name = "msix";
  readonly size: number;
  readonly #pbaOffset: number;
  readonly #table: Uint8Array;
  readonly #pending: Uint8Array;
  /** By vector: was it unmasked when its owner was last told? */
  readonly #open: boolean[];

  constructor(
    readonly vectors: number,
    readonly owner: MsixOwner,
  ) {
    this.#table = new Uint8Array(vectors * PciMsixEntry.SIZEOF);
    this.#pending = new Uint8Array(8 * Math.ceil(vectors / 64));
    this.#pbaOffset = Math.max(PAGE / 2, 2 ** Math.ceil(Math.log2(this.#table.length)));
    this.size = 2 * this.#pbaOffset;
    this.#open = new Array<boolean>(vectors);
    this.reset();
  }

  /** The capability structure, for table and pending bits in this BAR. */
  capability(bar: number): Uint8Array {
    const cap = new Uint8Array(PciMsixCap.SIZEOF);
    storeLe(cap, PciMsixCap.FLAGS, 2, this.vectors - 1);
    storeLe(cap, PciMsixCap.TABLE, 4, bar);
    storeLe(cap, PciMsixCap.PBA, 4, this.#pbaOffset | bar);
    return cap;
  }

  /** 6.8.2.9: every vector is masked at power-on. The function is at rest, and its message control 0. */
  reset(): void {
    this.#table.fill(0);
    this.#pending.fill(0);
    this.#open.fill(false);
    for (let vector = 0; vector < this.vectors; vector++)
      storeLe(this.#table, vector * PciMsixEntry.SIZEOF + PciMsixEntry.VECTOR_CTRL, 4, PCI_MSIX_ENTRY_CTRL_MASKBIT);
  }

  get enabled(): boolean {
    return (this.owner.control() & PCI_MSIX_FLAGS_ENABLE) !== 0;
  }

  isOpen(vector: number): boolean {
    return this.#open[vector] ?? false;
  }

  message(vector: number): MsiMessage {
    const entry = vector * PciMsixEntry.SIZEOF;
    const word = (field: number): number => loadLe(this.#table, entry + field, 4);
    return { lo: word(PciMsixEntry.LOWER_ADDR), hi: word(PciMsixEntry.UPPER_ADDR), data: word(PciMsixEntry.DATA) };
  }

  /** msix_notify: an interrupt of this vector. */
  *notify(vector: number): Actor {
    if (this.isOpen(vector)) yield* this.owner.send(this.message(vector));
    else this.#setPending(vector, true);
  }

  /** The guest has written message control. */
  *controlWritten(): Actor {
    for (let vector = 0; vector < this.vectors; vector++) yield* this.#refresh(vector);
  }

  // 6.8.2: "Software must use aligned DWORD or QWORD transactions"; the result of others is undefined.
  *read(offset: number, width: number): Actor<number> {
    if (width !== 4 || offset % 4 !== 0) return allOnes(width);
    if (offset < this.#table.length) return loadLe(this.#table, offset, 4);
    const at = offset - this.#pbaOffset;
    if (at < 0 || at >= this.#pending.length) return 0;
    for (let vector = 8 * at; vector < Math.min(8 * at + 32, this.vectors); vector++)
      if (!this.isOpen(vector) && (yield* this.owner.poll(vector))) this.#setPending(vector, true);
    return loadLe(this.#pending, at, 4);
  }

  // 6.8.2.10: "Software should never write, and should only read Pending Bits."
  *write(offset: number, width: number, value: number): Actor {
    if (width !== 4 || offset % 4 !== 0 || offset >= this.#table.length) return;
    storeLe(this.#table, offset, 4, value);
    yield* this.#refresh(Math.floor(offset / PciMsixEntry.SIZEOF));
  }

  /** msix_handle_mask_update. */
  *#refresh(vector: number): Actor {
    const open = !this.#isMasked(vector);
    if (open === this.#open[vector]) return;
    this.#open[vector] = open;
    if (!open) return yield* this.owner.vectorMasked(vector);
    yield* this.owner.vectorUnmasked(vector);
    if (!this.#isPending(vector)) return;
    this.#setPending(vector, false);
    yield* this.owner.send(this.message(vector));
  }

  #isMasked(vector: number): boolean {
    const control = this.owner.control();
    if (!(control & PCI_MSIX_FLAGS_ENABLE) || control & PCI_MSIX_FLAGS_MASKALL) return true;
    const entry = vector * PciMsixEntry.SIZEOF;
    return (loadLe(this.#table, entry + PciMsixEntry.VECTOR_CTRL, 4) & PCI_MSIX_ENTRY_CTRL_MASKBIT) !== 0;
  }

  #isPending(vector: number): boolean {
    return (this.#pending[vector >>> 3]! & (1 << (vector & 7))) !== 0;
  }

  #setPending(vector: number, pending: boolean): void {
    const bit = 1 << (vector & 7);
    const others = this.#pending[vector >>> 3]! & ~bit;
    this.#pending[vector >>> 3] = pending ? others | bit : others;
  }
}
