// A PCI function's configuration space (PCI Local Bus 3.0, 6.1, 6.2, 6.7): what QEMU's hw/pci/pci.c keeps for a device.
// Every byte has a mask of the bits that a guest may write; sizing a BAR (6.2.5.1) and all read-only registers follow
// from the masks. A conventional function: 256 bytes, as a virtio device of QEMU's has on the root bus.

import { allOnes, loadLe, type MmioRegion, storeLe } from "../bus.js";
import {
  PCI_BASE_ADDRESS_MEM_FLAGS,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_STATUS_CAP_LIST,
  PciCap,
  PciConfig,
} from "../spec/pci.js";
import type { Actor } from "../sync/op.js";

export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revisionId: number;
  /** Base class and subclass (PCI_CLASS_DEVICE), for example 0x0180. */
  readonly classDevice: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** 1 is INTA#; 0: the function has no pin. */
  readonly interruptPin: number;
}

/** A memory BAR; a 64-bit one takes the registers `index` and `index + 1`. */
export interface PciBar {
  readonly index: number;
  readonly region: MmioRegion;
}

/** The header's registers that a guest may write, BARs apart: offset, width, writable bits. */
const WRITABLE: readonly (readonly [PciConfig, number, number])[] = [
  [PciConfig.COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE],
  [PciConfig.CACHE_LINE_SIZE, 1, 0xff],
  [PciConfig.INTERRUPT_LINE, 1, 0xff],
];

export class PciFunction {
  readonly bars: PciBar[] = [];
  protected readonly config = new Uint8Array(PciConfig.SIZEOF);
  readonly #writable = new Uint8Array(PciConfig.SIZEOF);
  #link: number = PciConfig.CAPABILITY_LIST;
  #free: number = PciConfig.HEADER_SIZEOF;

  constructor(identity: PciIdentity) {
    storeLe(this.config, PciConfig.VENDOR_ID, 2, identity.vendorId);
    storeLe(this.config, PciConfig.DEVICE_ID, 2, identity.deviceId);
    storeLe(this.config, PciConfig.REVISION_ID, 1, identity.revisionId);
    storeLe(this.config, PciConfig.CLASS_DEVICE, 2, identity.classDevice);
    storeLe(this.config, PciConfig.SUBSYSTEM_VENDOR_ID, 2, identity.subsystemVendorId);
    storeLe(this.config, PciConfig.SUBSYSTEM_ID, 2, identity.subsystemId);
    storeLe(this.config, PciConfig.INTERRUPT_PIN, 1, identity.interruptPin);
    for (const [offset, width, bits] of WRITABLE) this.allowWrite(offset, width, bits);
  }

  get command(): number {
    return loadLe(this.config, PciConfig.COMMAND, 2);
  }

  /** A guest's read, after `beforeRead`. Beyond the 256 bytes there is nothing. */
  load(offset: number, width: number): number {
    if (offset + width > PciConfig.SIZEOF) return allOnes(width);
    return loadLe(this.config, offset, width);
  }

  /** A guest's write, before `afterWrite`: the writable bits change. */
  store(offset: number, width: number, value: number): void {
    if (offset + width > PciConfig.SIZEOF) return;
    for (let i = 0; i < width; i++) {
      const mask = this.#writable[offset + i]!;
      this.config[offset + i] = (this.config[offset + i]! & ~mask) | ((value >>> (8 * i)) & mask);
    }
  }

  /** What a function has to do before a guest reads these bytes. */
  *beforeRead(_offset: number, _width: number): Actor {}

  /** What a function has to do once a guest has written these bytes. */
  *afterWrite(_offset: number, _width: number): Actor {}

  /** Machine reset: brings the device behind this function to rest; the registers go to power-on values afterwards. */
  *resetDevice(): Actor {}

  /** Every register that a guest can write is 0 at power-on. */
  resetRegisters(): void {
    this.#writable.forEach((mask, offset) => {
      this.config[offset] = this.config[offset]! & ~mask;
    });
  }

  /** Where a BAR is, or undefined while the function does not decode memory (6.2.2). */
  barBase(bar: PciBar): { lo: number; hi: number } | undefined {
    if (!(this.command & PCI_COMMAND_MEMORY)) return undefined;
    const register = PciConfig.BASE_ADDRESS_0 + 4 * bar.index;
    const lo = (loadLe(this.config, register, 4) & ~PCI_BASE_ADDRESS_MEM_FLAGS) >>> 0;
    const wide = this.config[register]! & PCI_BASE_ADDRESS_MEM_TYPE_64;
    return { lo, hi: wide ? loadLe(this.config, register + 4, 4) : 0 };
  }

  /**
   * @param region of a power of two of bytes, at least 16
   * @param type flags of PCI_BASE_ADDRESS_MEM_*
   */
  protected addBar(index: number, region: MmioRegion, type: number): void {
    const register = PciConfig.BASE_ADDRESS_0 + 4 * index;
    storeLe(this.config, register, 4, type);
    this.allowWrite(register, 4, ~(region.size - 1));
    if (type & PCI_BASE_ADDRESS_MEM_TYPE_64) this.allowWrite(register + 4, 4, 0xffffffff);
    this.bars.push({ index, region });
  }

  /**
   * Appends a capability to the chain.
   * @param structure the whole of it; its first two bytes (id and next) are filled in here
   * @returns where it is
   */
  protected addCapability(id: number, structure: Uint8Array): number {
    const at = this.#free;
    this.config.set(structure, at);
    this.config[at + PciCap.ID] = id;
    this.config[this.#link] = at;
    this.config[PciConfig.STATUS] = this.config[PciConfig.STATUS]! | PCI_STATUS_CAP_LIST;
    this.#link = at + PciCap.NEXT;
    this.#free = (at + structure.length + 3) & ~3; // 6.7: capabilities are dword aligned
    return at;
  }

  protected allowWrite(offset: number, width: number, bits: number): void {
    storeLe(this.#writable, offset, width, bits);
  }
}
