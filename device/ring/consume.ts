// A run over many chains in one call: what a device does that reads what the driver sends and returns it (a network
// device's transmit queue). Made of the same judgements as the steps; between two runs nothing is kept here either.

import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_CHAIN_INDIRECT,
  VIRTQ_CHAIN_LAST,
  VIRTQ_CHAIN_MORE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_NOTIFY_EVENT,
  VIRTQ_NOTIFY_NEVER,
  VIRTQ_REFUSED_AVAIL_IDX,
  VIRTQ_REFUSED_HEAD,
  VIRTQ_REFUSED_NEXT,
  VIRTQ_RUN_DONE,
  VIRTQ_RUN_ELSEWHERE,
  VIRTQ_RUN_IDLE,
  VIRTQ_RUN_NOTIFY,
  VIRTQ_WALK_COUNT,
  VIRTQ_WALK_IN_TABLE,
  VirtqDesc,
  VirtqUsed,
  virtqAvailIdxValid,
  vringNeedEvent,
} from "../spec/virtq";
import { copy } from "../../vm/wasm/copy";
import { pause } from "../../vm/wasm/pause";
import { availHead, availIdx } from "./avail";
import { afterBuffer, judgeBuffer, judgeIndirect } from "./chain";
import { availFlags, usedEvent } from "./notify";
import { usedFill, usedPublish } from "./used";

/** Where a run ended: the next avail entry to take, the used index as published, and the sum described at `consume`. */
export let ranAvail: u32 = 0;
export let ranUsed: u32 = 0;
export let ranSum: u32 = 0;

const MAX_TOTAL: u64 = 4294967296; // 2.7.5.2

/** Bytes of the word that is added up. */
const SUMMED: u32 = 4;

/** What follows a descriptor's address, of one with which a chain is not at its end. */
const CHAINED: u64 = ((VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_INDIRECT) as u64) << 32;

/**
 * Takes at most `most` chains, copies their readable bytes, up to `room` a chain, to `sink`, and returns them unwritten.
 * With room for it, the 32-bit word that stands at `sink` after each chain is added up.
 *
 * @param features VIRTQ_WALK_INDIRECT_DESC or 0
 * @param inOrder VIRTIO_F_IN_ORDER is negotiated
 * @param regionLo,regionHi,bytes,offset the one region of guest RAM in which buffers are looked for
 * @param batch used elements are published when nothing is left to take, or this many wait
 * @param looks how often an empty ring is looked at before the run ends
 * @param patience turns of the pause before a second look, for each chain that is missing to a burst: bursts grow while the
 *   driver offers, so that a driver at full speed is left alone with its cache lines, and a lone request is taken at once
 * @returns VIRTQ_RUN_*, or the refusal of the chain at ranAvail
 */
export function consume(
  desc: usize,
  avail: usize,
  used: usize,
  size: u32,
  features: u32,
  inOrder: bool,
  notify: u32,
  regionLo: u32,
  regionHi: u32,
  bytes: u32,
  offset: usize,
  sink: usize,
  room: u32,
  nextAvail: u32,
  nextUsed: u32,
  most: u32,
  batch: u32,
  looks: u32,
  patience: u32,
): u32 {
  const gpa = ((regionHi as u64) << 32) | (regionLo as u64);
  const region = bytes as u64;
  let seen = nextAvail; // avail.idx as last loaded
  let published = nextUsed;
  let head: u32 = 0;
  let sum: u32 = 0;
  let burst: u32 = 0;
  let vain: u32 = 0;
  let waited = false;
  let ended: u32 = VIRTQ_RUN_DONE;

  while (most > 0) {
    const waiting = (nextUsed - published) & 0xffff;
    if (nextAvail == seen) {
      seen = availIdx(avail);
      if (!virtqAvailIdxValid(seen, nextAvail - waiting, size)) {
        ended = VIRTQ_REFUSED_AVAIL_IDX;
        break;
      }
      const offered = (seen - nextAvail) & 0xffff;
      if (offered == 0 || (offered < burst && !waited)) {
        if (waiting > 0) {
          if (publish(avail, used, size, inOrder, notify, published, nextUsed, head)) ended = VIRTQ_RUN_NOTIFY;
          published = nextUsed;
          if (ended != VIRTQ_RUN_DONE) break;
        } else if (offered == 0 && vain++ == looks) {
          ended = VIRTQ_RUN_IDLE;
          break;
        }
        seen = nextAvail;
        pause(used + VirtqUsed.IDX, (burst - min(offered, burst)) * patience);
        waited = true;
        if (offered == 0) burst >>= 1;
        continue;
      }
      waited = false;
      burst = min(burst + offered, size >> 1);
      vain = 0;
    }

    const count = min(min((seen - nextAvail) & 0xffff, most), batch - waiting);
    prefetch(desc, avail, size, nextAvail, count);
    let i: u32 = 0;
    for (; i < count; i++) {
      const next = availHead(avail, size, nextAvail + i);
      const first = desc + (next as usize) * VirtqDesc.SIZEOF;
      const rest = next < size ? load<u64>(first, VirtqDesc.LEN) : CHAINED;
      // Most chains are one buffer, which needs no walk. VIRTQ_CHAIN_LAST is VIRTQ_RUN_DONE: a sound chain ends nothing.
      if (rest & CHAINED) {
        ended = walk(desc, size, next, features, gpa, region, offset, sink, room);
        if (ended != VIRTQ_CHAIN_LAST) break;
      } else {
        const len = rest as u32;
        const flags: u32 = (rest >> 32) as u16;
        const at = load<u64>(first, VirtqDesc.ADDR) - gpa;
        ended = judgeBuffer(len, flags, size, 0, false);
        if (ended != VIRTQ_CHAIN_LAST) break;
        if (!holds(region, at, len)) {
          ended = VIRTQ_RUN_ELSEWHERE;
          break;
        }
        if (room > 0 && !(flags & VIRTQ_DESC_F_WRITE)) copy(sink, offset + (at as usize), min(len, room));
      }
      if (room >= SUMMED) sum += load<u32>(sink);
      head = next;
      if (!inOrder) usedFill(used, size, nextUsed + i, head, 0);
    }
    nextAvail = (nextAvail + i) & 0xffff;
    nextUsed = (nextUsed + i) & 0xffff;
    most -= i;
    if (i < count) break;
    if (waiting + count == batch) {
      if (publish(avail, used, size, inOrder, notify, published, nextUsed, head)) ended = VIRTQ_RUN_NOTIFY;
      published = nextUsed;
      if (ended != VIRTQ_RUN_DONE) break;
    }
  }

  if (published != nextUsed && publish(avail, used, size, inOrder, notify, published, nextUsed, head)) {
    // A refusal outlasts the notification: the next run meets it again.
    ended = VIRTQ_RUN_NOTIFY;
  }
  ranAvail = nextAvail;
  ranUsed = nextUsed;
  ranSum = sum;
  return ended;
}

/**
 * Touches the first descriptors of `count` chains: WebAssembly has no prefetch instruction, but loads that nothing waits for
 * fetch their cache lines side by side. What they find is not looked at.
 */
@inline
function prefetch(desc: usize, avail: usize, size: u32, from: u32, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    load<u8>(desc + (availHead(avail, size, from + i) & (size - 1)) * VirtqDesc.SIZEOF);
  }
}

/** Whether all of the `len` bytes at `at` lie in a region of `bytes`; an address before it has wrapped, and is far behind. */
@inline
function holds(bytes: u64, at: u64, len: u32): bool {
  return at < bytes && (len as u64) <= bytes - at;
}

/**
 * Walks the chain at `head` and copies it out. Exported so that the optimiser leaves it a function of its own: inlined, its
 * locals would cost `consume` a fourth of its speed.
 * @returns VIRTQ_CHAIN_LAST when all of it is sound, or why it is not taken
 */
export function walk(
  desc: usize,
  size: u32,
  head: u32,
  features: u32,
  gpa: u64,
  bytes: u64,
  offset: usize,
  sink: usize,
  room: u32,
): u32 {
  let table = desc;
  let entries = size;
  let index = head;
  let state = features;
  let total: u64 = 0;
  let filled: u32 = 0;
  let judged: u32;
  do {
    if (index >= entries) return (state & VIRTQ_WALK_COUNT) == 0 ? VIRTQ_REFUSED_HEAD : VIRTQ_REFUSED_NEXT;
    const descriptor = table + (index as usize) * VirtqDesc.SIZEOF;
    const addr = load<u64>(descriptor, VirtqDesc.ADDR);
    const rest = load<u64>(descriptor, VirtqDesc.LEN);
    const len = rest as u32;
    const flags: u32 = (rest >> 32) as u16;
    const at = addr - gpa;
    const place = offset + (at as usize);
    if (flags & VIRTQ_DESC_F_INDIRECT) {
      judged = judgeIndirect(len, flags, size, state);
      if (judged != VIRTQ_CHAIN_INDIRECT) return judged;
      table = place;
      entries = len / VirtqDesc.SIZEOF;
      index = 0;
      state |= VIRTQ_WALK_IN_TABLE;
    } else {
      total += len;
      judged = judgeBuffer(len, flags, size, state, total > MAX_TOTAL);
      if (judged != VIRTQ_CHAIN_LAST && judged != VIRTQ_CHAIN_MORE) return judged;
      index = (rest >> 48) as u32;
      state = afterBuffer(flags, state);
    }
    if (!holds(bytes, at, len)) return VIRTQ_RUN_ELSEWHERE;
    if (filled < room && !(flags & (VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_INDIRECT))) {
      const part = min(len, room - filled);
      copy(sink + filled, place, part);
      filled += part;
    }
  } while (judged != VIRTQ_CHAIN_LAST);
  return judged;
}

/** Returns the chains between two used indices, `head` the last of them. @returns whether the driver wants to be told */
@inline
function publish(
  avail: usize,
  used: usize,
  size: u32,
  inOrder: bool,
  notify: u32,
  from: u32,
  to: u32,
  head: u32,
): bool {
  // 2.7.9: "only writing out a single used ring entry with the id corresponding to the head entry of the descriptor
  // chain describing the last buffer in the batch", in the place of the first.
  if (inOrder) usedFill(used, size, from, head, 0);
  usedPublish(used, to);
  if (notify == VIRTQ_NOTIFY_NEVER) return false;
  if (notify == VIRTQ_NOTIFY_EVENT) return vringNeedEvent(usedEvent(avail, size), to, from);
  return !(availFlags(avail) & VIRTQ_AVAIL_F_NO_INTERRUPT);
}
