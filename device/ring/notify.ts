// Notification suppression, the device's half (virtio 1.4, 2.7.7.2 and 2.7.10.2). The words lie beside the indices;
// sequentially consistent accesses give the store-then-load order that both sections need: an index is published
// first, then the other side's word is read. The decision itself is vringNeedEvent of device/spec/virtq.ts.

import { VirtqAvail, VirtqUsed, virtqAvailEventOffset, virtqUsedEventOffset } from "../spec/virtq";

/** avail.flags, to be read after usedPublish where EVENT_IDX is not negotiated. */
export function availFlags(avail: usize): u32 {
  return atomic.load<u16>(avail, VirtqAvail.FLAGS);
}

/** used_event, to be read after usedPublish where EVENT_IDX is negotiated. */
export function usedEvent(avail: usize, size: u32): u32 {
  return atomic.load<u16>(avail + virtqUsedEventOffset(size));
}

/** used.flags: 0 or VIRTQ_USED_F_NO_NOTIFY, and always 0 where EVENT_IDX is negotiated. */
export function setUsedFlags(used: usize, flags: u32): void {
  atomic.store<u16>(used, flags as u16, VirtqUsed.FLAGS);
}

/** avail_event: notify when avail.idx passes this entry. */
export function setAvailEvent(used: usize, size: u32, idx: u32): void {
  atomic.store<u16>(used + virtqAvailEventOffset(size), idx as u16);
}
