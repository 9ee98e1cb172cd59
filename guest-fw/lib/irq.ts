// Interrupts as a kernel's drivers use them (firmware polls): waiting for one, the MSI-X table of a PCI function (PCI
// 3.0, 6.8.2; Linux: drivers/pci/msi), and the ISR status that acknowledges INTA# (virtio 1.4, 4.1.4.5).

import { VIRTIO_PCI_CAP_ISR_CFG, VirtioPciCap } from "../../device/spec/virtio-pci";
import { MSI_ADDRESS } from "../../vm/spec/board";
import {
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_VNDR,
  PCI_MSIX_BIR,
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_QSIZE,
  PciMsixCap,
  PciMsixEntry,
} from "../../vm/spec/pci";
import { read16, read32, read8, write16, write32, write64 } from "./mmio";
import { PciFunction } from "./pci";

/**
 * Waits until an interrupt is pending. Returns those that are, as a bit mask by number. Edges are taken by it: look for
 * the work that they announce afterwards. A level (INTX_INTERRUPT) stays until its device is acknowledged.
 */
@external("env", "wfi")
export declare function wfi(): u32;

/** The vector table of a function, and its pending bits. */
export class Msix {
  /** Entries of the table; 0: the function has no MSI-X. */
  vectors: u32 = 0;
  private control: u64 = 0;
  private table: u64 = 0;
  private pba: u64 = 0;

  constructor(pci: PciFunction) {
    const found = pci.capabilities(PCI_CAP_ID_MSIX);
    if (found.length != 0) {
      const capability = pci.config + found[0];
      this.table = place(pci, read32(capability + PciMsixCap.TABLE));
      this.pba = place(pci, read32(capability + PciMsixCap.PBA));
      this.control = capability + PciMsixCap.FLAGS;
      if (this.table != 0 && this.pba != 0) this.vectors = (read16(this.control) & PCI_MSIX_FLAGS_QSIZE) + 1;
    }
  }

  enable(): void {
    write16(this.control, read16(this.control) | PCI_MSIX_FLAGS_ENABLE);
  }
  disable(): void {
    write16(this.control, read16(this.control) & ~PCI_MSIX_FLAGS_ENABLE);
  }

  /** Makes a vector send interrupt number `interrupt`, and masks it: an entry is only changed while it is masked. */
  setVector(vector: u32, interrupt: u32): void {
    this.mask(vector);
    write64(this.entry(vector) + PciMsixEntry.LOWER_ADDR, MSI_ADDRESS);
    write32(this.entry(vector) + PciMsixEntry.DATA, interrupt);
  }

  mask(vector: u32): void {
    write32(this.entry(vector) + PciMsixEntry.VECTOR_CTRL, PCI_MSIX_ENTRY_CTRL_MASKBIT);
  }
  unmask(vector: u32): void {
    write32(this.entry(vector) + PciMsixEntry.VECTOR_CTRL, 0);
  }

  /** Has an interrupt come while the vector was masked? */
  isPending(vector: u32): bool {
    return ((read32(this.pba + (vector / 32) * 4) >> (vector % 32)) & 1) != 0;
  }

  private entry(vector: u32): u64 {
    return this.table + vector * PciMsixEntry.SIZEOF;
  }
}

/** gpa of a structure that a capability's dword places: an offset, with the BAR's number in its low bits. */
function place(pci: PciFunction, dword: u32): u64 {
  const bar = dword & PCI_MSIX_BIR;
  if (bar >= <u32>pci.bars.length || pci.bars[bar] == 0) return 0;
  return pci.bars[bar] + (dword & ~PCI_MSIX_BIR);
}

/** ISR status of a virtio function; only of use while MSI-X is disabled. */
export class IsrStatus {
  private gpa: u64 = 0;

  constructor(pci: PciFunction) {
    const found = pci.capabilities(PCI_CAP_ID_VNDR);
    for (let i = 0; i < found.length && this.gpa == 0; i++) {
      const capability = pci.config + found[i];
      if (read8(capability + VirtioPciCap.CFG_TYPE) != VIRTIO_PCI_CAP_ISR_CFG) continue;
      const bar = read8(capability + VirtioPciCap.BAR);
      if (bar < <u32>pci.bars.length && pci.bars[bar] != 0)
        this.gpa = pci.bars[bar] + read32(capability + VirtioPciCap.OFFSET);
    }
  }

  /** Returns VIRTIO_PCI_ISR_*, 0 if the interrupt was another's. The read clears them and deasserts the line. */
  acknowledge(): u32 {
    return this.gpa == 0 ? 0 : read8(this.gpa);
  }
}
