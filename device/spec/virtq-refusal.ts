// The words of every refusal of a split virtqueue: which rule of virtio 1.4 the driver broke. TypeScript only (strings).

import {
  VIRTQ_REFUSED_AVAIL_IDX,
  VIRTQ_REFUSED_BUFFER_ADDRESS,
  VIRTQ_REFUSED_CHAIN_LENGTH,
  VIRTQ_REFUSED_HEAD,
  VIRTQ_REFUSED_INDIRECT_ADDRESS,
  VIRTQ_REFUSED_INDIRECT_FEATURE,
  VIRTQ_REFUSED_INDIRECT_LENGTH,
  VIRTQ_REFUSED_INDIRECT_NESTED,
  VIRTQ_REFUSED_INDIRECT_NEXT,
  VIRTQ_REFUSED_INDIRECT_SIZE,
  VIRTQ_REFUSED_NEXT,
  VIRTQ_REFUSED_ORDER,
  VIRTQ_REFUSED_TOTAL_LENGTH,
  VIRTQ_REFUSED_ZERO_LENGTH,
} from "./virtq.js";

export interface VirtqRefusal {
  /** The broken rule, in a short sentence: the standard's where it has one, ours where it is our limit. */
  readonly rule: string;
  /** Section of virtio 1.4. */
  readonly section: string;
}

/** By refusal code (VIRTQ_REFUSED_*). */
export const VIRTQ_REFUSALS: Readonly<Record<number, VirtqRefusal>> = {
  [VIRTQ_REFUSED_AVAIL_IDX]: {
    rule: "avail.idx moved backwards or more than the queue size ahead",
    section: "2.7.6.1",
  },
  [VIRTQ_REFUSED_HEAD]: { rule: "an avail ring entry names no descriptor of the table", section: "2.7.6" },
  [VIRTQ_REFUSED_NEXT]: { rule: "a descriptor's next names no descriptor of its table", section: "2.7.5" },
  [VIRTQ_REFUSED_CHAIN_LENGTH]: {
    rule: "a descriptor chain loops or is longer than the queue size",
    section: "2.7.5.3.1",
  },
  [VIRTQ_REFUSED_ZERO_LENGTH]: {
    rule: "a descriptor of length 0 (the standard is silent; refused as QEMU does)",
    section: "2.7.5",
  },
  [VIRTQ_REFUSED_ORDER]: { rule: "a device-readable descriptor after a device-writable one", section: "2.7.4.2" },
  [VIRTQ_REFUSED_TOTAL_LENGTH]: { rule: "a descriptor chain longer than 2^32 bytes in total", section: "2.7.5.2" },
  [VIRTQ_REFUSED_INDIRECT_FEATURE]: {
    rule: "VIRTQ_DESC_F_INDIRECT without VIRTIO_F_INDIRECT_DESC negotiated",
    section: "2.7.5.3.1",
  },
  [VIRTQ_REFUSED_INDIRECT_NESTED]: {
    rule: "VIRTQ_DESC_F_INDIRECT within an indirect table",
    section: "2.7.5.3.1",
  },
  [VIRTQ_REFUSED_INDIRECT_NEXT]: {
    rule: "both VIRTQ_DESC_F_INDIRECT and VIRTQ_DESC_F_NEXT in flags",
    section: "2.7.5.3.1",
  },
  [VIRTQ_REFUSED_INDIRECT_LENGTH]: {
    rule: "an indirect table whose length is 0 or no multiple of 16",
    section: "2.7.5.3",
  },
  [VIRTQ_REFUSED_INDIRECT_SIZE]: {
    rule: "an indirect table of more entries than the queue size, the longest chain allowed",
    section: "2.7.5.3.1",
  },
  [VIRTQ_REFUSED_INDIRECT_ADDRESS]: { rule: "an indirect table outside guest RAM", section: "2.7.5.3" },
  [VIRTQ_REFUSED_BUFFER_ADDRESS]: { rule: "a buffer outside guest RAM", section: "2.7.5" },
};
