// The device area, written: finished chains go back to the driver (virtio 1.4, 2.7.8, 2.7.14). The device never reads
// it back: its own used index is an argument.

import { VirtqUsed, VirtqUsedElem } from "../spec/virtq";

/**
 * Fills the element of the free-running index `idx`: chain `id` is done, `len` bytes were written into it.
 * 2.7.8.2: "The device MUST set len prior to updating the used idx."
 */
export function usedFill(used: usize, size: u32, idx: u32, id: u32, len: u32): void {
  const element = used + (idx & (size - 1)) * VirtqUsedElem.SIZEOF;
  store<u32>(element, id, VirtqUsed.RING + VirtqUsedElem.ID);
  store<u32>(element, len, VirtqUsed.RING + VirtqUsedElem.LEN);
}

/** used.idx = idx. Sequentially consistent: orders the elements and the buffers' bytes before the index. */
export function usedPublish(used: usize, idx: u32): void {
  atomic.store<u16>(used, idx as u16, VirtqUsed.IDX);
}
