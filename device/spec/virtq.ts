// The split virtqueue as virtio 1.4, section 2.7 lays it out (Linux: include/uapi/linux/virtio_ring.h). All fields are
// little-endian. Used by the device side (device/ring), the driver side (guest-fw/lib) and the tests.
// Portable subset: compiled by tsc and by asc; 16-bit indices are masked with 0xffff so that i32 and number agree.

/** 2.7: the largest queue size; a size is always a power of two. */
export const VIRTQ_MAX_SIZE = 32768;

/** 2.7: alignment in bytes of the descriptor, driver and device area. */
export const VIRTQ_DESC_ALIGN = 16;
export const VIRTQ_AVAIL_ALIGN = 2;
export const VIRTQ_USED_ALIGN = 4;

/** 2.7.5, struct virtq_desc: le64 addr, le32 len, le16 flags, le16 next. */
export const enum VirtqDesc {
  ADDR = 0,
  LEN = 8,
  FLAGS = 12,
  NEXT = 14,
  SIZEOF = 16,
}
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;

/** 2.7.6, struct virtq_avail: le16 flags, le16 idx, le16 ring[size], le16 used_event. */
export const enum VirtqAvail {
  FLAGS = 0,
  IDX = 2,
  RING = 4,
  // biome-ignore lint/suspicious/noDuplicateEnumValues: the bytes of an entry, not an offset
  RING_ENTRY = 2,
}
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

/** 2.7.8, struct virtq_used_elem: le32 id, le32 len. */
export const enum VirtqUsedElem {
  ID = 0,
  LEN = 4,
  SIZEOF = 8,
}

/** 2.7.8, struct virtq_used: le16 flags, le16 idx, struct virtq_used_elem ring[size], le16 avail_event. */
export const enum VirtqUsed {
  FLAGS = 0,
  IDX = 2,
  RING = 4,
}
export const VIRTQ_USED_F_NO_NOTIFY = 1;

/** Offset of used_event in the driver area: it follows the ring. */
export function virtqUsedEventOffset(size: u32): u32 {
  return VirtqAvail.RING + VirtqAvail.RING_ENTRY * size;
}

/** Offset of avail_event in the device area: it follows the ring. */
export function virtqAvailEventOffset(size: u32): u32 {
  return VirtqUsed.RING + VirtqUsedElem.SIZEOF * size;
}

/** 2.7: bytes of each area. */
export function virtqDescBytes(size: u32): u32 {
  return VirtqDesc.SIZEOF * size;
}
export function virtqAvailBytes(size: u32): u32 {
  return virtqUsedEventOffset(size) + 2;
}
export function virtqUsedBytes(size: u32): u32 {
  return virtqAvailEventOffset(size) + 2;
}

/**
 * 2.7.7.2, 2.7.10.1 with VIRTIO_F_EVENT_IDX: an index moved from `old` to `next`; did it pass the entry that the other
 * side named in `event`? All three are 16-bit and wrap (Linux: vring_need_event).
 */
export function vringNeedEvent(event: i32, next: i32, old: i32): bool {
  return ((next - event - 1) & 0xffff) < ((next - old) & 0xffff);
}

/**
 * 2.7.6.1: "A driver MUST NOT decrement the available idx on a virtqueue", and it has no more than `size` heads to
 * offer (2.7). Seen from the device's own `nextAvail` both breaches are the same 16-bit distance.
 */
export function virtqAvailIdxValid(availIdx: i32, nextAvail: i32, size: i32): bool {
  return ((availIdx - nextAvail) & 0xffff) <= size;
}

// What one step of a chain walk answers: a descriptor (the chain's last, or with another to follow), the address of an
// indirect table that the caller has to translate, or a refusal (any value from VIRTQ_REFUSED on).
export const VIRTQ_CHAIN_LAST = 0;
export const VIRTQ_CHAIN_MORE = 1;
export const VIRTQ_CHAIN_INDIRECT = 2;

// Refusals: the driver broke a rule, the device sets DEVICE_NEEDS_RESET. virtq-refusal.ts has each one's words.
export const VIRTQ_REFUSED = 16;
export const VIRTQ_REFUSED_AVAIL_IDX = 16;
export const VIRTQ_REFUSED_HEAD = 17;
export const VIRTQ_REFUSED_NEXT = 18;
export const VIRTQ_REFUSED_CHAIN_LENGTH = 19;
export const VIRTQ_REFUSED_ZERO_LENGTH = 20;
export const VIRTQ_REFUSED_ORDER = 21;
export const VIRTQ_REFUSED_TOTAL_LENGTH = 22;
export const VIRTQ_REFUSED_INDIRECT_FEATURE = 23;
export const VIRTQ_REFUSED_INDIRECT_NESTED = 24;
export const VIRTQ_REFUSED_INDIRECT_NEXT = 25;
export const VIRTQ_REFUSED_INDIRECT_LENGTH = 26;
export const VIRTQ_REFUSED_INDIRECT_SIZE = 27;
export const VIRTQ_REFUSED_INDIRECT_ADDRESS = 28;
export const VIRTQ_REFUSED_BUFFER_ADDRESS = 29;

// The state of a chain walk between two steps, one word: how many buffers were seen (a chain has at most 32768, so the
// bits above are free), and three facts. A walk begins with 0, or VIRTQ_WALK_INDIRECT_DESC where that was negotiated.
export const VIRTQ_WALK_COUNT = 0xffff;
export const VIRTQ_WALK_WRITABLE = 0x10000;
export const VIRTQ_WALK_IN_TABLE = 0x20000;
export const VIRTQ_WALK_INDIRECT_DESC = 0x40000;

// What a run over many chains ends with, on either side of a queue. The device's may also end with a refusal.
export const VIRTQ_RUN_DONE = 0; // as many as were asked for
export const VIRTQ_RUN_IDLE = 1; // looked in vain as often as was allowed
export const VIRTQ_RUN_NOTIFY = 2; // what was published last wants a notification; go on after it
export const VIRTQ_RUN_ELSEWHERE = 3; // the next chain reaches out of the run's region; the steps can take it

// What a run is to do about notifications after it has published.
export const VIRTQ_NOTIFY_NEVER = 0; // the other side polls: do not even look
export const VIRTQ_NOTIFY_FLAGS = 1; // look at its flags
export const VIRTQ_NOTIFY_EVENT = 2; // look at its event word (EVENT_IDX)
