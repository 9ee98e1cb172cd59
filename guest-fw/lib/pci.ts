// The PCI bus as firmware finds it (EDK2's PciHostBridgeDxe and PciBusDxe): functions are looked for on bus 0 through
// ECAM, their memory BARs are sized and given addresses in the window that the host bridge decodes. Bridges to further
// buses and I/O BARs do not occur on this board and stay as they are.

import { ECAM_BASE, PCI_MMIO_BASE, PCI_MMIO_SIZE } from "../../vm/spec/board";
import {
  PCI_BASE_ADDRESS_MEM_FLAGS,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_STATUS_CAP_LIST,
  PCI_VENDOR_ID_NONE,
  PciCap,
  PciConfig,
  pciEcamOffset,
} from "../../vm/spec/pci";
import { die } from "./console";
import { read16, read32, read8, write16, write32 } from "./mmio";

const DEVICES: u32 = 32;
const FUNCTIONS: u32 = 8;
const BARS: u32 = 6;

/** Header type: layout 0 is a function that is no bridge; function 0 tells whether there are others. */
const HEADER_TYPE_LAYOUT: u32 = 0x7f;
const HEADER_TYPE_MULTI_FUNCTION: u32 = 0x80;

/** Bit 0 of a BAR: it decodes I/O space. */
const BAR_SPACE_IO: u32 = 1;

const WINDOW_END: u64 = (PCI_MMIO_BASE as u64) + PCI_MMIO_SIZE;

/** Capabilities are 4-byte aligned and lie behind the header: a longer list goes in circles. */
const MOST_CAPABILITIES: u32 = (PciConfig.SIZEOF - PciConfig.HEADER_SIZEOF) / 4;

export class PciFunction {
  /** The address of each memory BAR, 0 where there is none. */
  readonly bars: StaticArray<u64> = new StaticArray<u64>(BARS);

  /** @param config gpa of the function's configuration space */
  constructor(readonly config: u64) {}

  get vendor(): u32 {
    return read16(this.config + PciConfig.VENDOR_ID);
  }
  get device(): u32 {
    return read16(this.config + PciConfig.DEVICE_ID);
  }

  /** Lets the function decode its BARs and reach guest RAM. */
  enable(): void {
    const command = read16(this.config + PciConfig.COMMAND);
    write16(this.config + PciConfig.COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
  }

  /** Configuration offsets of the capabilities with this id, in list order. */
  capabilities(id: u32): u32[] {
    const found: u32[] = [];
    if (!(read16(this.config + PciConfig.STATUS) & PCI_STATUS_CAP_LIST)) return found;
    let at = read8(this.config + PciConfig.CAPABILITY_LIST) & ~3;
    for (let i: u32 = 0; at >= <u32>PciConfig.HEADER_SIZEOF && i < MOST_CAPABILITIES; i++) {
      if (read8(this.config + at + PciCap.ID) == id) found.push(at);
      at = read8(this.config + at + PciCap.NEXT) & ~3;
    }
    return found;
  }
}

/** Every function of bus 0, its memory BARs set but not yet decoded. */
export function enumeratePci(): PciFunction[] {
  const found: PciFunction[] = [];
  const window = new Window();
  for (let device: u32 = 0; device < DEVICES; device++) {
    let functions: u32 = 1;
    for (let fn: u32 = 0; fn < functions; fn++) {
      const pci = new PciFunction((ECAM_BASE as u64) + pciEcamOffset(0, device, fn, 0));
      if (pci.vendor == PCI_VENDOR_ID_NONE) continue;
      const headerType = read8(pci.config + PciConfig.HEADER_TYPE);
      if (fn == 0 && headerType & HEADER_TYPE_MULTI_FUNCTION) functions = FUNCTIONS;
      if ((headerType & HEADER_TYPE_LAYOUT) == 0) window.assignBars(pci);
      found.push(pci);
    }
  }
  return found;
}

/** The host bridge's MMIO window, given out from its bottom. */
class Window {
  private next: u64 = PCI_MMIO_BASE;

  /** Sizes each memory BAR by writing ones (PCI 3.0, 6.2.5.1), then sets it to an address of its own. */
  assignBars(pci: PciFunction): void {
    // No decoding while a BAR holds ones.
    const command = read16(pci.config + PciConfig.COMMAND);
    write16(pci.config + PciConfig.COMMAND, command & ~PCI_COMMAND_MEMORY);

    for (let i: u32 = 0; i < BARS; i++) {
      const bar = pci.config + PciConfig.BASE_ADDRESS_0 + i * 4;
      const low = probe(bar);
      if (low == 0 || low & BAR_SPACE_IO) continue;
      const wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_64) != 0;
      if (wide && i + 1 == BARS) die("PCI: the last BAR is the lower half of a 64-bit one");
      // The address bits that can be written begin at the BAR's size.
      let writable: u64 = low & ~PCI_BASE_ADDRESS_MEM_FLAGS;
      if (wide) writable |= (probe(bar + 4) as u64) << 32;
      if (writable == 0) continue;
      const address = this.allocate(writable & (0 - writable));
      write32(bar, address as u32);
      pci.bars[i] = address;
      if (wide) {
        write32(bar + 4, (address >> 32) as u32);
        i++;
      }
    }
  }

  /** `size` bytes, a power of two, naturally aligned. */
  private allocate(size: u64): u64 {
    const address = (this.next + size - 1) & ~(size - 1);
    if (size > WINDOW_END || address + size > WINDOW_END) die("PCI: no room left for the BARs");
    this.next = address + size;
    return address;
  }
}

/** What a BAR reads after ones were written; an I/O BAR gets its old value back. */
function probe(bar: u64): u32 {
  const old = read32(bar);
  write32(bar, 0xffffffff);
  const ones = read32(bar);
  write32(bar, old);
  return ones;
}
