// The driver side of a split virtqueue (virtio 1.4, 2.7): what Linux's drivers/virtio/virtio_ring.c is, laid out in
// memory as EDK2's VirtioLib does it. Linked into every guest, and built alone as driver.wasm.
//
// A queue is a struct in guest memory, so that a guest can have several. What the device can rightly write, the used
// ring, is never trusted: free list, chain lengths and indices are kept in the driver's private memory.

import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
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
import { describe, link, nextIs, tableOf, writableBytes } from "./virtq-desc";

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
   * Free list. `reap` puts a chain in front: while one request is in flight at a time, its head is the same each time.
   * `reapMany` puts chains behind: descriptors that are used one after the other stay side by side in their cache lines. In
   * order it is one circle for good: freeCount descriptors from freeHead on are free, the others in flight, oldest first.
   */
  freeHead: u32;
  freeTail: u32;
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
  /** Of the chain reaped last: its head, and the bytes that the device wrote. */
  reapedHead: u32;
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
    this.freeTail = size - 1;
    // 2.7.5 with IN_ORDER: "driver MUST set next to 0 for the last descriptor in the table (where x = queue_size - 1) and
    // to x + 1 for the rest of the descriptors."
    for (let i: u32 = 0; i < size; i++) this.entry(i).next = (i + 1) & (size - 1);
  }

  @inline
  private get entries(): usize {
    return changetype<usize>(this) + offsetof<Virtqueue>();
  }

  @inline
  private entry(i: u32): Entry {
    return entryAt(this.entries, i);
  }

  /** 2.7.13.1: places `count` buffers into free descriptors and offers the chain. Returns its head, or VIRTQ_NONE. */
  add(buffers: usize, count: u32): i32 {
    if (count == 0 || count > this.freeCount) return VIRTQ_NONE;
    const head = this.freeHead;
    this.offer(1, buffers, 0, count, false);
    return head;
  }

  /**
   * 2.7.5.3: the same through one descriptor with VIRTQ_DESC_F_INDIRECT (to be negotiated). The array itself becomes
   * the table: 16-byte aligned, and the device's until the chain comes back.
   */
  addIndirect(buffers: usize, count: u32): i32 {
    // 2.7.5.3.1: "A driver MUST NOT create a descriptor chain longer than the Queue Size of the device."
    if (count == 0 || count > this.size || this.freeCount == 0) return VIRTQ_NONE;
    const head = this.freeHead;
    this.offer(1, buffers, 0, count, true);
    return head;
  }

  /** Offers `chains` chains of `count` buffers each, which fit; the array of the one with head h is at buffers + h * stride. */
  @inline
  offer(chains: u32, buffers: usize, stride: u32, count: u32, indirect: bool): void {
    if (this.inOrder) this.place(true, chains, buffers, stride, count, indirect);
    else this.place(false, chains, buffers, stride, count, indirect);
  }

  /**
   * All that the device reads is written first: its cache lines come over while the driver notes down the rest. A loop costs
   * its entry even where it goes round no time, so a chain of one buffer, which most are, is spared them.
   */
  @inline
  private place(inOrder: bool, chains: u32, buffers: usize, stride: u32, count: u32, indirect: bool): void {
    const table = this.desc;
    const ring = this.avail + VirtqAvail.RING;
    const mask = this.size - 1;
    const entries = this.entries;
    const idx = this.nextIdx;
    const perChain: u32 = indirect ? 1 : count;
    let free = this.freeHead;
    for (let i: u32 = 0; i < chains; i++) {
      const head = free;
      let buffer = buffers + head * stride;
      if (indirect) {
        describe(table + head * VirtqDesc.SIZEOF, gpa(buffer), tableOf(count), inOrder);
        for (let k: u32 = 1; k < count; k++, buffer += VirtqDesc.SIZEOF) link(buffer, buffer, nextIs(k), true);
        link(buffer, buffer, 0, true);
      } else {
        if (count > 1) {
          for (let k: u32 = 1; k < count; k++, buffer += VirtqDesc.SIZEOF) {
            const desc = table + free * VirtqDesc.SIZEOF;
            free = nextOf(entries, free, mask, inOrder);
            link(buffer, desc, nextIs(free), inOrder);
          }
        }
        link(buffer, table + free * VirtqDesc.SIZEOF, 0, inOrder);
      }
      free = nextOf(entries, free, mask, inOrder);
      // 2.7.13.2: the head goes into the next avail ring entry; the device sees it at the next publish.
      const entry = ring + ((idx + i) & mask) * VirtqAvail.RING_ENTRY;
      if (!inOrder || load<u16>(entry) != (head as u16)) store<u16>(entry, head as u16);
    }
    let head = this.freeHead;
    for (let i: u32 = 0; i < chains; i++) {
      const entry = entryAt(entries, head);
      entry.descriptors = perChain;
      entry.writable = writableBytes(buffers + head * stride, count);
      head = nextOf(entries, head, mask, inOrder);
      if (perChain > 1) for (let k: u32 = 1; k < perChain; k++) head = nextOf(entries, head, mask, inOrder);
    }
    this.freeHead = free;
    this.freeCount -= chains * perChain;
    this.inFlight += chains;
    this.nextIdx = (idx + chains) & 0xffff;
  }

  /** The free descriptor that follows the `descriptors` next ones from `head` on. */
  @inline
  after(head: u32, descriptors: u32): u32 {
    for (; descriptors > 0; descriptors--) head = this.entry(head).next;
    return head;
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
    return this.pending;
  }

  /** Elements that the last poll saw and that were not reaped. */
  @inline
  get pending(): u32 {
    return (this.usedIdx - this.reapIdx) & 0xffff;
  }

  /**
   * Takes the next element that the last poll saw. Returns the chain's head, its descriptors free again and its used
   * length in reapedLen, or VIRTQ_NONE, or VIRTQ_USED_BAD_*; then nothing has been taken.
   */
  reap(): i32 {
    const reaped = this.reapUpTo(1, true);
    return reaped == 1 ? this.reapedHead : reaped == 0 ? VIRTQ_NONE : reaped;
  }

  /**
   * Takes at most `most` of the elements that the last poll saw. Returns how many; reapedHead and reapedLen are the last
   * one's. Or VIRTQ_USED_BAD_*; then that one has not been taken.
   */
  @inline
  reapMany(most: u32): i32 {
    return this.reapUpTo(most, false);
  }

  @inline
  private reapUpTo(most: u32, inFront: bool): i32 {
    const pending = this.pending;
    if (pending > this.inFlight) return VIRTQ_USED_BAD_IDX;
    const count = min(most, pending);
    return this.inOrder ? this.reapInOrder(count, pending) : this.reapEach(count, inFront);
  }

  @inline
  private reapEach(count: u32, inFront: bool): i32 {
    const ring = this.used + VirtqUsed.RING;
    const size = this.size;
    const entries = this.entries;
    const from = this.reapIdx;
    const none = this.freeCount == 0;
    const before = this.freeTail;
    let free = this.freeHead;
    let tail = before;
    let freed: u32 = 0;
    let head: u32 = 0;
    let len: u32 = 0;
    let bad: i32 = 0;
    let reaped: u32 = 0;
    for (; reaped < count; reaped++) {
      const element = ring + ((from + reaped) & (size - 1)) * VirtqUsedElem.SIZEOF;
      head = load<u32>(element, VirtqUsedElem.ID);
      len = load<u32>(element, VirtqUsedElem.LEN);
      bad = judge(entries, size, head, len);
      if (bad) break;
      const entry = entryAt(entries, head);
      const descriptors = entry.descriptors;
      entry.descriptors = 0;
      freed += descriptors;
      let last = head;
      if (descriptors > 1) for (let i: u32 = 1; i < descriptors; i++) last = entryAt(entries, last).next;
      if (inFront) {
        entryAt(entries, last).next = free;
        free = head;
        if (none) tail = last;
      } else {
        entryAt(entries, tail).next = head;
        tail = last;
      }
    }
    // Behind the tail of a list that was empty stands what is its head now.
    this.freeHead = none && !inFront ? entryAt(entries, before).next : free;
    this.freeTail = tail;
    this.freeCount += freed;
    this.reapedLen = len;
    return this.reaped(reaped, head, bad);
  }

  /** 2.7.9: an element's id is that of "the last buffer in the batch", which ends where used.idx does or before. */
  private reapInOrder(count: u32, pending: u32): i32 {
    const ring = this.used + VirtqUsed.RING;
    const mask = this.size - 1;
    const entries = this.entries;
    const from = this.reapIdx;
    let head = (this.freeHead + this.freeCount) & mask;
    let inBatch = this.inBatch;
    let id = this.batchHead;
    let len = this.batchLen;
    let last: u32 = 0;
    let freed: u32 = 0;
    let bad: i32 = 0;
    let reaped: u32 = 0;
    for (; reaped < count; reaped++) {
      if (!inBatch) {
        const element = ring + ((from + reaped) & mask) * VirtqUsedElem.SIZEOF;
        id = load<u32>(element, VirtqUsedElem.ID);
        len = load<u32>(element, VirtqUsedElem.LEN);
        bad = judge(entries, mask + 1, id, len);
        if (bad) break;
      }
      inBatch = u32(head != id);
      if (inBatch && reaped + 1 == pending) {
        bad = VIRTQ_USED_BAD_ID;
        break;
      }
      const entry = entryAt(entries, head);
      last = head;
      head = (head + entry.descriptors) & mask;
      freed += entry.descriptors;
      entry.descriptors = 0;
    }
    this.inBatch = inBatch;
    this.batchHead = id;
    this.batchLen = len;
    // "The skipped buffers (for which no used ring entry was written) are assumed to have been used (read or written) by
    // the device completely."
    this.reapedLen = inBatch ? (min(this.entry(last).writable, u32.MAX_VALUE as u64) as u32) : len;
    this.freeCount += freed;
    return this.reaped(reaped, last, bad);
  }

  @inline
  private reaped(count: u32, last: u32, bad: i32): i32 {
    this.reapedHead = last;
    this.inFlight -= count;
    this.reapIdx = (this.reapIdx + count) & 0xffff;
    return count > 0 ? (count as i32) : bad;
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

@inline
function entryAt(entries: usize, i: u32): Entry {
  return changetype<Entry>(entries + i * offsetof<Entry>());
}

/** The free descriptor after `i`: in order they are one circle for good. */
@inline
function nextOf(entries: usize, i: u32, mask: u32, inOrder: bool): u32 {
  return inOrder ? (i + 1) & mask : entryAt(entries, i).next;
}

/** Why a used element is nonsense, or 0. */
@inline
function judge(entries: usize, size: u32, id: u32, len: u32): i32 {
  if (id >= size || entryAt(entries, id).descriptors == 0) return VIRTQ_USED_BAD_ID;
  return (len as u64) > entryAt(entries, id).writable ? VIRTQ_USED_BAD_LEN : 0;
}
