// The walk of one descriptor chain, a descriptor a step, with every rule that the standard sets to a driver (virtio
// 1.4, 2.7.4 and 2.7.5). In the real world this is QEMU's virtqueue_split_pop or rust-vmm's DescriptorChain.
//
// No state survives a step: where the walk stands comes in as arguments, and goes back, with the descriptor, in result
// registers that the caller reads at once. What a refusal leaves in the registers means nothing.
//
// The driver may rewrite a descriptor at any time, so each is loaded once and judged on the copy.

import {
  VIRTQ_CHAIN_INDIRECT,
  VIRTQ_CHAIN_LAST,
  VIRTQ_CHAIN_MORE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_REFUSED_CHAIN_LENGTH,
  VIRTQ_REFUSED_HEAD,
  VIRTQ_REFUSED_INDIRECT_FEATURE,
  VIRTQ_REFUSED_INDIRECT_LENGTH,
  VIRTQ_REFUSED_INDIRECT_NESTED,
  VIRTQ_REFUSED_INDIRECT_NEXT,
  VIRTQ_REFUSED_INDIRECT_SIZE,
  VIRTQ_REFUSED_NEXT,
  VIRTQ_REFUSED_ORDER,
  VIRTQ_REFUSED_TOTAL_LENGTH,
  VIRTQ_REFUSED_ZERO_LENGTH,
  VIRTQ_WALK_COUNT,
  VIRTQ_WALK_INDIRECT_DESC,
  VIRTQ_WALK_IN_TABLE,
  VIRTQ_WALK_WRITABLE,
  VirtqDesc,
} from "../spec/virtq";

/** The descriptor as it was loaded: gpa in two halves, bytes, flags, next. */
export let descAddrLo: u32 = 0;
export let descAddrHi: u32 = 0;
export let descLen: u32 = 0;
export let descFlags: u32 = 0;
export let descNext: u32 = 0;

/** Where the walk stands after this step: VIRTQ_WALK_* and the bytes of all buffers so far. */
export let walkState: u32 = 0;
export let walkTotal: f64 = 0;

const MAX_TOTAL: f64 = 4294967296; // 2.7.5.2: 2^32 bytes, exact in a double, as is any sum that is compared with it

/**
 * Takes descriptor `index` of the table at offset `table` with `entries` entries. The queue has `size` of them, and a
 * chain may be that long, so a walk ends after at most size + 1 steps. The first step gets the head, `state` = 0 or
 * VIRTQ_WALK_INDIRECT_DESC, and `total` = 0; later ones get walkState and walkTotal back.
 *
 * Answers VIRTQ_CHAIN_LAST or VIRTQ_CHAIN_MORE (go on at descNext of the same table) for a buffer; VIRTQ_CHAIN_INDIRECT
 * for a table of descLen / 16 entries at descAddr (translate it, go on there at index 0); else a VIRTQ_REFUSED_* code.
 */
export function chainStep(table: usize, entries: u32, index: u32, size: u32, state: u32, total: f64): u32 {
  if (index >= entries) return (state & VIRTQ_WALK_COUNT) == 0 ? VIRTQ_REFUSED_HEAD : VIRTQ_REFUSED_NEXT;

  const desc = table + (index as usize) * VirtqDesc.SIZEOF;
  const addr = load<u64>(desc, VirtqDesc.ADDR);
  const len = load<u32>(desc, VirtqDesc.LEN);
  const flags: u32 = load<u16>(desc, VirtqDesc.FLAGS);
  descAddrLo = addr as u32;
  descAddrHi = (addr >> 32) as u32;
  descLen = len;
  descFlags = flags;
  descNext = load<u16>(desc, VirtqDesc.NEXT);

  if (flags & VIRTQ_DESC_F_INDIRECT) {
    const judged = judgeIndirect(len, flags, size, state);
    if (judged != VIRTQ_CHAIN_INDIRECT) return judged;
    walkState = state | VIRTQ_WALK_IN_TABLE;
    walkTotal = total;
    return VIRTQ_CHAIN_INDIRECT;
  }
  walkTotal = total + (len as f64);
  walkState = afterBuffer(flags, state);
  return judgeBuffer(len, flags, size, state, walkTotal > MAX_TOTAL);
}

/** VIRTQ_CHAIN_LAST or VIRTQ_CHAIN_MORE, or why the buffer is refused. `long`: the chain has more than 2^32 bytes. */
@inline
export function judgeBuffer(len: u32, flags: u32, size: u32, state: u32, long: bool): u32 {
  if ((state & VIRTQ_WALK_COUNT) == size) return VIRTQ_REFUSED_CHAIN_LENGTH;
  if (len == 0) return VIRTQ_REFUSED_ZERO_LENGTH;
  // 2.7.4.2: "The driver MUST place any device-writable descriptor elements after any device-readable descriptor
  // elements."
  if (state & VIRTQ_WALK_WRITABLE && !(flags & VIRTQ_DESC_F_WRITE)) return VIRTQ_REFUSED_ORDER;
  // 2.7.5.2: "Drivers MUST NOT add a descriptor chain longer than 2^32 bytes in total"
  if (long) return VIRTQ_REFUSED_TOTAL_LENGTH;
  return flags & VIRTQ_DESC_F_NEXT ? VIRTQ_CHAIN_MORE : VIRTQ_CHAIN_LAST;
}

/** The state of the walk after that buffer. */
@inline
export function afterBuffer(flags: u32, state: u32): u32 {
  return (state + 1) | (flags & VIRTQ_DESC_F_WRITE ? VIRTQ_WALK_WRITABLE : 0);
}

/**
 * VIRTQ_CHAIN_INDIRECT, or why the table is refused.
 * 2.7.5.3.2: "The device MUST ignore the write-only flag (flags&VIRTQ_DESC_F_WRITE) in the descriptor that refers to an
 * indirect table." Normal descriptors may stand before it; it is no buffer itself and is not counted as one.
 */
@inline
export function judgeIndirect(len: u32, flags: u32, size: u32, state: u32): u32 {
  // 2.7.5.3.1: "The driver MUST NOT set the VIRTQ_DESC_F_INDIRECT flag unless the VIRTIO_F_INDIRECT_DESC feature was
  // negotiated. The driver MUST NOT set the VIRTQ_DESC_F_INDIRECT flag within an indirect descriptor"
  if (!(state & VIRTQ_WALK_INDIRECT_DESC)) return VIRTQ_REFUSED_INDIRECT_FEATURE;
  if (state & VIRTQ_WALK_IN_TABLE) return VIRTQ_REFUSED_INDIRECT_NESTED;
  // 2.7.5.3.1: "A driver MUST NOT set both VIRTQ_DESC_F_INDIRECT and VIRTQ_DESC_F_NEXT in flags."
  if (flags & VIRTQ_DESC_F_NEXT) return VIRTQ_REFUSED_INDIRECT_NEXT;
  if (len == 0 || len % VirtqDesc.SIZEOF != 0) return VIRTQ_REFUSED_INDIRECT_LENGTH;
  // 2.7.5.3.1: "A driver MUST NOT create a descriptor chain longer than the Queue Size of the device."
  if (len / VirtqDesc.SIZEOF > size) return VIRTQ_REFUSED_INDIRECT_SIZE;
  return VIRTQ_CHAIN_INDIRECT;
}
