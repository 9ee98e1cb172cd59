// The board's guest-physical memory map: what the device tree of a `virt`-like machine tells its guest. Guest RAM
// starts at 2 GiB, so a guest-physical address (gpa) is never an offset into the memory that holds guest RAM.
// Portable subset: compiled by tsc and by asc (see device/spec/portable.d.ts).

/** gpa of byte 0 of guest RAM. */
export const RAM_BASE = 0x80000000;

/** Guest RAM is two regions, as below and above a PC's legacy hole: offsets [0, RAM_LOW_SIZE) and [RAM_HIGH_START, end). */
export const RAM_LOW_SIZE = 0xa0000;
export const RAM_HIGH_START = 0x100000;

/** PCI configuration space (ECAM): 256 buses of 1 MiB. */
export const ECAM_BASE = 0x30000000;
export const ECAM_SIZE = 0x10000000;

/**
 * Where a device writes to interrupt the vCPU, as on a board with a GICv2m frame or an IMSIC: the data is the number of
 * the interrupt, which is its bit in what `wfi` returns.
 */
export const MSI_ADDRESS = 0x28000000;
/** INTA# to INTD# of every slot are one wire. Messages are the interrupts below it. */
export const INTX_INTERRUPT = 31;

/** The window that the host bridge decodes for BARs. */
export const PCI_MMIO_BASE = 0x40000000;
export const PCI_MMIO_SIZE = 0x40000000;
