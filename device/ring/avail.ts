// The driver area, read: the index and the heads that the driver offers (virtio 1.4, 2.7.6, 2.7.13).

import { VirtqAvail } from "../spec/virtq";

/**
 * The driver's avail.idx. Sequentially consistent: everything that the driver wrote before publishing this index (ring
 * entries, descriptors, buffers) is visible to the plain loads that follow.
 */
export function availIdx(avail: usize): u32 {
  return atomic.load<u16>(avail, VirtqAvail.IDX);
}

/** The head in the entry of the free-running index `idx`; the chain walk judges it. */
export function availHead(avail: usize, size: u32, idx: u32): u32 {
  return load<u16>(avail + (idx & (size - 1)) * VirtqAvail.RING_ENTRY, VirtqAvail.RING);
}
