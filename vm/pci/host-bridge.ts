// The PCI host bridge at 00:00.0: configuration space by ECAM, and the window in which it decodes BARs. On QEMU's `virt`
// boards this is hw/pci-host/gpex.c with hw/pci/pcie_host.c. One bus, one function a device.

import { allOnes, type Bus, type MmioRegion } from "../bus.js";
import { ECAM_BASE, ECAM_SIZE, PCI_MMIO_BASE, PCI_MMIO_SIZE } from "../spec/board.js";
import type { Actor } from "../sync/op.js";
import { PciFunction } from "./function.js";

/** 1b36:0008, "QEMU generic PCIe host bridge", class 0600. */
const IDENTITY = {
  vendorId: 0x1b36,
  deviceId: 0x0008,
  revisionId: 0,
  classDevice: 0x0600,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
  interruptPin: 0,
};

export class HostBridge implements MmioRegion {
  readonly name = "ecam";
  readonly size = ECAM_SIZE;
  /** By device number. */
  readonly #functions = new Map<number, PciFunction>();

  constructor(readonly bus: Bus) {
    this.plug(0, new PciFunction(IDENTITY));
    bus.map(this, ECAM_BASE, 0);
  }

  /** Puts a function at 00:`device`.0. */
  plug(device: number, fn: PciFunction): void {
    if (device < 0 || device > 31 || this.#functions.has(device)) throw new Error(`no free PCI slot ${device}`);
    this.#functions.set(device, fn);
  }

  /** Machine reset of every function. The guest is not running. */
  *reset(): Actor {
    for (const fn of this.#functions.values()) {
      yield* fn.resetDevice();
      fn.resetRegisters();
      this.#decode(fn);
    }
  }

  *read(offset: number, width: number): Actor<number> {
    const fn = this.#at(offset);
    if (!fn) return allOnes(width);
    yield* fn.beforeRead(offset & 0xfff, width);
    return fn.load(offset & 0xfff, width);
  }

  *write(offset: number, width: number, value: number): Actor {
    const fn = this.#at(offset);
    if (!fn) return;
    fn.store(offset & 0xfff, width, value);
    yield* fn.afterWrite(offset & 0xfff, width);
    this.#decode(fn);
  }

  // ECAM: bits 27 to 20 are the bus, 19 to 15 the device, 14 to 12 the function, 11 to 0 the register.
  #at(offset: number): PciFunction | undefined {
    const other = offset & 0x0ff07000; // any bus but 0, any function but 0
    return other === 0 ? this.#functions.get((offset >>> 15) & 31) : undefined;
  }

  // A BAR that lies outside the window (as one being sized does) is decoded by nobody.
  #decode(fn: PciFunction): void {
    for (const bar of fn.bars) {
      const base = fn.barBase(bar);
      const inWindow =
        base !== undefined &&
        base.hi === 0 &&
        base.lo >= PCI_MMIO_BASE &&
        base.lo - PCI_MMIO_BASE <= PCI_MMIO_SIZE - bar.region.size;
      if (inWindow) this.bus.map(bar.region, base.lo, base.hi);
      else this.bus.unmap(bar.region);
    }
  }
}
