// PCI configuration space, type 0 header (PCI Local Bus 3.0, 6.1; names as in Linux include/uapi/linux/pci_regs.h), and
// where the enhanced configuration access mechanism puts it (PCI Express Base 7.2.2).
// Portable subset: compiled by tsc and by asc (see device/spec/portable.d.ts).

/** Type 0 configuration header: byte offsets. Little-endian. */
export const enum PciConfig {
  VENDOR_ID = 0x00,
  DEVICE_ID = 0x02,
  COMMAND = 0x04,
  STATUS = 0x06,
  REVISION_ID = 0x08,
  CLASS_PROG = 0x09,
  CLASS_DEVICE = 0x0a,
  CACHE_LINE_SIZE = 0x0c,
  HEADER_TYPE = 0x0e,
  BASE_ADDRESS_0 = 0x10,
  SUBSYSTEM_VENDOR_ID = 0x2c,
  SUBSYSTEM_ID = 0x2e,
  CAPABILITY_LIST = 0x34,
  INTERRUPT_LINE = 0x3c,
  INTERRUPT_PIN = 0x3d,
  HEADER_SIZEOF = 0x40,
  SIZEOF = 0x100,
}

export const PCI_COMMAND_MEMORY = 0x2;
export const PCI_COMMAND_MASTER = 0x4;
export const PCI_COMMAND_INTX_DISABLE = 0x400;

export const PCI_STATUS_INTERRUPT = 0x08;
export const PCI_STATUS_CAP_LIST = 0x10;

export const PCI_BASE_ADDRESS_MEM_TYPE_64 = 0x4;
export const PCI_BASE_ADDRESS_MEM_PREFETCH = 0x8;
/** The bits of a memory BAR that are not address. */
export const PCI_BASE_ADDRESS_MEM_FLAGS = 0xf;

/** 6.7: every capability begins so. */
export const enum PciCap {
  ID = 0,
  NEXT = 1,
}
export const PCI_CAP_ID_VNDR = 0x09;
export const PCI_CAP_ID_MSIX = 0x11;

/** 6.8.2: the MSI-X capability. TABLE and PBA are an offset into a BAR, with the BAR's number in the low three bits. */
export const enum PciMsixCap {
  FLAGS = 2,
  TABLE = 4,
  PBA = 8,
  SIZEOF = 12,
}
/** 6.8.2.3, message control: table size minus 1. */
export const PCI_MSIX_FLAGS_QSIZE = 0x7ff;
export const PCI_MSIX_FLAGS_MASKALL = 0x4000;
export const PCI_MSIX_FLAGS_ENABLE = 0x8000;
export const PCI_MSIX_BIR = 0x7;

/** 6.8.2.6 to 6.8.2.9: an entry of the vector table. */
export const enum PciMsixEntry {
  LOWER_ADDR = 0,
  UPPER_ADDR = 4,
  DATA = 8,
  VECTOR_CTRL = 12,
  SIZEOF = 16,
}
export const PCI_MSIX_ENTRY_CTRL_MASKBIT = 1;

/** What a read of the vendor id gives where there is no function (6.1). */
export const PCI_VENDOR_ID_NONE = 0xffff;

/** Where the ECAM window has a register: 4 KiB a function, 8 functions a device, 32 devices a bus. */
export function pciEcamOffset(bus: u32, device: u32, fn: u32, register: u32): u32 {
  return (bus << 20) | (device << 15) | (fn << 12) | register;
}
