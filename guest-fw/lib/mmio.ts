// Guest-physical accesses that leave guest RAM: every one is a trap (an MMIO exit) that a front-end performs while the
// vCPU waits. 8-byte registers are two 4-byte accesses, so no wider one exists.

@external("env", "mmio_read")
declare function mmioRead(lo: u32, hi: u32, width: u32): u32;

@external("env", "mmio_write")
declare function mmioWrite(lo: u32, hi: u32, width: u32, value: u32): void;

export function read8(gpa: u64): u32 {
  return mmioRead(gpa as u32, (gpa >> 32) as u32, 1) & 0xff;
}
export function read16(gpa: u64): u32 {
  return mmioRead(gpa as u32, (gpa >> 32) as u32, 2) & 0xffff;
}
export function read32(gpa: u64): u32 {
  return mmioRead(gpa as u32, (gpa >> 32) as u32, 4);
}

export function write8(gpa: u64, value: u32): void {
  mmioWrite(gpa as u32, (gpa >> 32) as u32, 1, value);
}
export function write16(gpa: u64, value: u32): void {
  mmioWrite(gpa as u32, (gpa >> 32) as u32, 2, value);
}
export function write32(gpa: u64, value: u32): void {
  mmioWrite(gpa as u32, (gpa >> 32) as u32, 4, value);
}

/** The two accesses of Virtio10Transfer to a field of 8 bytes: low half first. */
export function write64(gpa: u64, value: u64): void {
  write32(gpa, value as u32);
  write32(gpa + 4, (value >> 32) as u32);
}
