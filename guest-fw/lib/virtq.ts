// The driver side of a split virtqueue (virtio 1.4, 2.7): what Linux's drivers/virtio/virtio_ring.c is, laid out in
// memory as EDK2's VirtioLib does it. Linked into every guest, and built alone as driver.wasm.
//
// A queue is a struct in guest memory, so that a guest can have several. What the device can rightly write, the used
// ring, is never trusted: free list, chain lengths and indices are kept in the driver's private memory.

import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_USED_F_NO_NOTIFY,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
  virtqAvailBytes,
  virtqAvailEventOffset,
  virtqDescBytes,
  virtqUsedBytes,
  virtqUsedEventOffset,
  vringNeedEvent,
} from "../../device/spec/virtq";
import { gpa, loadIndex, storeIndex } from "./shared";

const PAGE: usize = 4096;

/** `add`'s answer when the chain does not fit; `reap`'s when nothing is pending. Heads are never negative. */
export const VIRTQ_NONE: i32 = -1;
/** `reap`'s answers when the device wrote nonsense: the queue is broken and only a device reset helps. */
export const VIRTQ_USED_BAD_IDX: i32 = -2; // used.idx ahead of what is in flight
export const VIRTQ_USED_BAD_ID: i32 = -3; // no chain in flight has this head
export const VIRTQ_USED_BAD_LEN: i32 = -4; // more bytes than the chain's writable buffers hold

/** What the driver privately knows of one descriptor; all but `next` is kept for a chain's head only. */
@unmanaged
class Entry {
  /** The descriptor after this one, in its chain or in the free list. */
  next: u32;
  /** Descriptors of the table in the chain in flight with this head; 0 when there is none. */
  descriptors: u32;
  /** Bytes of its writable buffers. */
  writable: u64;
}

@inline
function pages(bytes: usize): usize {
  return (bytes + PAGE - 1) & ~(PAGE - 1);
}

/** Bytes of the rings of a queue: descriptors and avail on pages of their own, used on pages of its own. */
export function virtqRingBytes(size: u32): usize {
  return pages(virtqDescBytes(size) + virtqAvailBytes(size)) + pages(virtqUsedBytes(size));
}

/** Bytes of a queue's private memory: this struct, then an entry for each descriptor. */
export function virtqPrivateBytes(size: u32): usize {
  return offsetof<Virtqueue>() + size * offsetof<Entry>();
}

/**
 * A driver's life with a queue: `init`; then for requests `add`, `publish`, and a kick if `kickPrepare` says so; for
 * answers `poll`, then `reap` for each pending element. publish, kickPrepare, poll, enableCalls and disableCalls make
 * one access to a shared word each, the others none.
 *
 * Buffers are given as an array of struct virtq_desc at `buffers`, of which addr, len and VIRTQ_DESC_F_WRITE count.
 */
@unmanaged
export class Virtqueue {
  /** The three areas, as the guest's own pointers (their gpas go into the device's registers). */
  desc: usize;
  avail: usize;
  used: usize;
  size: u32;
  /** 1 when VIRTIO_F_EVENT_IDX, VIRTIO_F_IN_ORDER is negotiated. */
  eventIdx: u32;
  inOrder: u32;
  /**
   * Free list, last in, first out: while one request is in flight at a time, its head is the same each time. In order it
   * is one circle for good: freeCount descriptors from freeHead on are free, the others in flight, oldest first.
   */
  freeHead: u32;
  freeCount: u32;
  inFlight: u32;
  /** avail.idx as it will be when all added chains are published, as it is, and as it was at the last kick decision. */
  nextIdx: u32;
  availIdx: u32;
  kickedIdx: u32;
  /** used.idx as last polled, and the next element to reap. */
  usedIdx: u32;
  reapIdx: u32;
  /** In order: 1 while the used element last read stands for further chains, and what it says. */
  inBatch: u32;
  batchHead: u32;
  batchLen: u32;
  /** Of the chain that `reap` returned: bytes that the device wrote. */
  reapedLen: u32;

  /**
   * Lays a queue of `size` entries (a power of two) out at `rings`, page-aligned and of virtqRingBytes, and zeroes it;
   * 2.7.10.1: "The driver MUST initialize flags in the used ring to 0 when allocating the used ring."
   */
  init(rings: usize, size: u32, eventIdx: bool, inOrder: bool = false): void {
    memory.fill(changetype<usize>(this), 0, virtqPrivateBytes(size));
    memory.fill(rings, 0, virtqRingBytes(size));
    this.desc = rings;
    this.avail = rings + virtqDescBytes(size);
    this.used = rings + pages(virtqDescBytes(size) + virtqAvailBytes(size));
    this.size = size;
    this.eventIdx = eventIdx;
    this.inOrder = inOrder;
    this.freeCount = size;
    // 2.7.5 with IN_ORDER: "driver MUST set next to 0 for the last descriptor in the table (where x = queue_size - 1) and
    // to x + 1 for the rest of the descriptors."
    for (let i: u32 = 0; i < size; i++) this.entry(i).next = (i + 1) & (size - 1);
  }

  @inline
  private entry(i: u32): Entry {
    return changetype<Entry>(changetype<usize>(this) + offsetof<Virtqueue>() + i * offsetof<Entry>());
  }

  /** 2.7.13.1: places `count` buffers into free descriptors and offers the chain. Returns its head, or VIRTQ_NONE. */
  @inline
  add(buffers: usize, count: u32): i32 {
    if (count == 0 || count > this.freeCount) return VIRTQ_NONE;
    const head = this.freeHead;
    const free = this.write(head, buffers, count);
    this.enter(this.nextIdx, head);
    this.know(head, count, writableBytes(buffers, count));
    this.offered(1, free, count);
    return head;
  }

  /**
   * 2.7.5.3: the same through one descriptor with VIRTQ_DESC_F_INDIRECT (to be negotiated). The array itself becomes
   * the table: 16-byte aligned, and the device's until the chain comes back.
   */
  @inline
  addIndirect(buffers: usize, count: u32): i32 {
    // 2.7.5.3.1: "A driver MUST NOT create a descriptor chain longer than the Queue Size of the device."
    if (count == 0 || count > this.size || this.freeCount == 0) return VIRTQ_NONE;
    const head = this.freeHead;
    const free = this.writeIndirect(head, buffers, count);
    this.enter(this.nextIdx, head);
    this.know(head, 1, writableBytes(buffers, count));
    this.offered(1, free, 1);
    return head;
  }

  // The parts of `add`: first what the device will read, then what only the driver knows. Who offers many chains does each
  // part for all of them, so that the device's cache lines are fetched together (stream.ts).

  /** Writes a chain from the free descriptor `head` on. Returns the free descriptor after it. */
  @inline
  write(head: u32, buffers: usize, count: u32): u32 {
    let free = head;
    for (let i: u32 = 0; i < count; i++) {
      const desc = this.desc + free * VirtqDesc.SIZEOF;
      free = this.entry(free).next;
      link(buffers + i * VirtqDesc.SIZEOF, desc, i + 1 < count, free, this.inOrder != 0);
    }
    return free;
  }

  @inline
  writeIndirect(head: u32, buffers: usize, count: u32): u32 {
    for (let i: u32 = 0; i < count; i++) {
      const buffer = buffers + i * VirtqDesc.SIZEOF;
      link(buffer, buffer, i + 1 < count, i + 1, true);
    }
    describe(
      this.desc + head * VirtqDesc.SIZEOF,
      gpa(buffers),
      count * VirtqDesc.SIZEOF,
      VIRTQ_DESC_F_INDIRECT,
      this.inOrder != 0,
    );
    return this.entry(head).next;
  }

  /** 2.7.13.2: the head goes into the avail ring entry of `idx`; the device sees it when avail.idx has passed that. */
  @inline
  enter(idx: u32, head: u32): void {
    const ring = this.avail + (idx & (this.size - 1)) * VirtqAvail.RING_ENTRY;
    if (this.inOrder && load<u16>(ring, VirtqAvail.RING) == (head as u16)) return;
    store<u16>(ring, head as u16, VirtqAvail.RING);
  }

  @inline
  know(head: u32, descriptors: u32, writable: u64): void {
    const entry = this.entry(head);
    entry.descriptors = descriptors;
    entry.writable = writable;
  }

  /** The first descriptor behind the chain of `descriptors` from `head` on. */
  @inline
  after(head: u32, descriptors: u32): u32 {
    for (; descriptors > 0; descriptors--) head = this.entry(head).next;
    return head;
  }

  /** `chains` were offered, of `descriptors` in all; `free` is the next one. The device sees them at the next publish. */
  @inline
  offered(chains: u32, free: u32, descriptors: u32): void {
    this.freeHead = free;
    this.freeCount -= descriptors;
    this.inFlight += chains;
    this.nextIdx = (this.nextIdx + chains) & 0xffff;
  }

  /**
   * 2.7.13.3.1: "The driver MUST perform a suitable memory barrier before the idx update, to ensure the device sees
   * the most up-to-date copy." The store is sequentially consistent: it is that barrier.
   */
  @inline
  publish(): void {
    this.availIdx = this.nextIdx;
    storeIndex(this.avail + VirtqAvail.IDX, this.availIdx);
  }

  /**
   * 2.7.10.1, after publish: does the device want a notification of the chains published since the last decision?
   * 2.7.13.4.1: "The driver MUST perform a suitable memory barrier before reading flags or avail_event, to avoid missing
   * a notification." The load after publish's store, both sequentially consistent, is ordered so.
   */
  @inline
  kickPrepare(): bool {
    const old = this.kickedIdx;
    this.kickedIdx = this.availIdx;
    if (!this.eventIdx) return !(loadIndex(this.used + VirtqUsed.FLAGS) & VIRTQ_USED_F_NO_NOTIFY);
    return vringNeedEvent(loadIndex(this.used + virtqAvailEventOffset(this.size)), this.availIdx, old);
  }

  /** Looks at used.idx. Returns how many elements are pending. */
  @inline
  poll(): u32 {
    this.usedIdx = loadIndex(this.used + VirtqUsed.IDX);
    return (this.usedIdx - this.reapIdx) & 0xffff;
  }

  /**
   * Takes the next element that the last poll saw. Returns the chain's head, its descriptors free again and its used
   * length in reapedLen, or VIRTQ_NONE, or VIRTQ_USED_BAD_*; then nothing has been taken.
   */
  @inline
  reap(): i32 {
    const pending = (this.usedIdx - this.reapIdx) & 0xffff;
    if (pending == 0) return VIRTQ_NONE;
    if (pending > this.inFlight) return VIRTQ_USED_BAD_IDX;
    let id = this.batchHead;
    let len = this.batchLen;
    if (!this.inBatch) {
      const element = this.used + (this.reapIdx & (this.size - 1)) * VirtqUsedElem.SIZEOF;
      id = load<u32>(element, VirtqUsed.RING + VirtqUsedElem.ID);
      len = load<u32>(element, VirtqUsed.RING + VirtqUsedElem.LEN);
      if (id >= this.size || this.entry(id).descriptors == 0) return VIRTQ_USED_BAD_ID;
    }
    // 2.7.9: the element's id is that of "the last buffer in the batch", which ends where used.idx does or before.
    const head = this.inOrder ? (this.freeHead + this.freeCount) & (this.size - 1) : id;
    const writable = this.entry(head).writable;
    if (head == id) {
      if ((len as u64) > writable) return VIRTQ_USED_BAD_LEN;
      this.reapedLen = len;
      if (this.inOrder) this.inBatch = 0;
    } else {
      if (pending == 1) return VIRTQ_USED_BAD_ID;
      // "The skipped buffers (for which no used ring entry was written) are assumed to have been used (read or written)
      // by the device completely."
      this.reapedLen = min(writable, u32.MAX_VALUE as u64) as u32;
      this.inBatch = 1;
      this.batchHead = id;
      this.batchLen = len;
    }
    this.release(head);
    this.reapIdx = (this.reapIdx + 1) & 0xffff;
    return head;
  }

  /** Puts a chain back in front of the free list, in its own order; in order it is where it belongs. */
  @inline
  private release(head: u32): void {
    const descriptors = this.entry(head).descriptors;
    if (!this.inOrder) {
      let last = head;
      for (let i: u32 = 1; i < descriptors; i++) last = this.entry(last).next;
      this.entry(last).next = this.freeHead;
      this.freeHead = head;
    }
    this.entry(head).descriptors = 0;
    this.freeCount += descriptors;
    this.inFlight--;
  }

  /**
   * 2.7.7.1: no used buffer notifications, please; a hint that the device may overlook. With EVENT_IDX "the driver MUST
   * set flags to 0", so used_event names the element before the next one, 65536 elements away.
   */
  disableCalls(): void {
    if (this.eventIdx) storeIndex(this.avail + virtqUsedEventOffset(this.size), (this.reapIdx - 1) & 0xffff);
    else storeIndex(this.avail + VirtqAvail.FLAGS, VIRTQ_AVAIL_F_NO_INTERRUPT);
  }

  /** Asks for a notification of the next used element. 2.7.14: poll again afterwards, it may be there already. */
  enableCalls(): void {
    if (this.eventIdx) storeIndex(this.avail + virtqUsedEventOffset(this.size), this.reapIdx);
    else storeIndex(this.avail + VirtqAvail.FLAGS, 0);
  }
}

/** Writes the buffer at `buffer` as the descriptor at `desc` (they may be one), chained to `next` if more follow. */
@inline
function link(buffer: usize, desc: usize, more: bool, next: u32, recurs: bool): void {
  const write: u32 = load<u16>(buffer, VirtqDesc.FLAGS) & VIRTQ_DESC_F_WRITE;
  const flags = more ? write | VIRTQ_DESC_F_NEXT | (next << 16) : write;
  describe(desc, load<u64>(buffer, VirtqDesc.ADDR), load<u32>(buffer, VirtqDesc.LEN), flags, recurs);
}

/**
 * Writes a descriptor; `flags` with next above them.
 * @param recurs it probably stands there already: then it is not written, and its cache line stays with the device
 */
@inline
function describe(desc: usize, addr: u64, len: u32, flags: u32, recurs: bool): void {
  const rest = (len as u64) | ((flags as u64) << 32);
  if (recurs && load<u64>(desc, VirtqDesc.ADDR) == addr && load<u64>(desc, VirtqDesc.LEN) == rest) return;
  store<u64>(desc, addr, VirtqDesc.ADDR);
  store<u64>(desc, rest, VirtqDesc.LEN);
}

/** Of an array of buffers. */
@inline
export function writableBytes(buffers: usize, count: u32): u64 {
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const buffer = buffers + i * VirtqDesc.SIZEOF;
    if (load<u16>(buffer, VirtqDesc.FLAGS) & VIRTQ_DESC_F_WRITE) bytes += load<u32>(buffer, VirtqDesc.LEN);
  }
  return bytes;
}
