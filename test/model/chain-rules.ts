// The rules of a descriptor chain (virtio 1.4, 2.7.4, 2.7.5), judged the slow way over whole tables of objects: which
// rules does the first bad descriptor break? Partner of chainStep in device/ring/chain.ts.

import * as virtq from "../../device/spec/virtq.js";
import type { Buffer } from "./split-queue.js";

export interface Desc {
  readonly addr: bigint;
  readonly len: number;
  readonly flags: number;
  readonly next: number;
}

export type Judgement = { readonly buffers: readonly Buffer[] } | { readonly broken: ReadonlySet<number> };

export function judgeChain(
  table: readonly Desc[],
  head: number,
  indirectDesc: boolean,
  tableAt: (addr: bigint, entries: number) => readonly Desc[] | undefined,
): Judgement {
  const size = table.length;
  const buffers: Buffer[] = [];
  let current = table;
  let index = head;
  for (;;) {
    const broken = new Set<number>();
    const desc = current[index];
    if (!desc) {
      const isHead = buffers.length === 0 && current === table;
      return { broken: new Set([isHead ? virtq.VIRTQ_REFUSED_HEAD : virtq.VIRTQ_REFUSED_NEXT]) };
    }
    const has = (flag: number): boolean => (desc.flags & flag) !== 0;

    if (has(virtq.VIRTQ_DESC_F_INDIRECT)) {
      if (!indirectDesc) broken.add(virtq.VIRTQ_REFUSED_INDIRECT_FEATURE);
      if (current !== table) broken.add(virtq.VIRTQ_REFUSED_INDIRECT_NESTED);
      if (has(virtq.VIRTQ_DESC_F_NEXT)) broken.add(virtq.VIRTQ_REFUSED_INDIRECT_NEXT);
      if (desc.len === 0 || desc.len % 16 !== 0) broken.add(virtq.VIRTQ_REFUSED_INDIRECT_LENGTH);
      if (Math.floor(desc.len / 16) > size) broken.add(virtq.VIRTQ_REFUSED_INDIRECT_SIZE);
      if (broken.size > 0) return { broken };
      const inner = tableAt(desc.addr, desc.len / 16);
      if (!inner) return { broken: new Set([virtq.VIRTQ_REFUSED_INDIRECT_ADDRESS]) };
      current = inner;
      index = 0;
      continue;
    }

    const write = has(virtq.VIRTQ_DESC_F_WRITE);
    if (buffers.length === size) broken.add(virtq.VIRTQ_REFUSED_CHAIN_LENGTH);
    if (desc.len === 0) broken.add(virtq.VIRTQ_REFUSED_ZERO_LENGTH);
    if (!write && buffers.some((buffer) => buffer.write)) broken.add(virtq.VIRTQ_REFUSED_ORDER);
    const total = [...buffers, desc].reduce((sum, { len }) => sum + BigInt(len), 0n);
    if (total > 1n << 32n) broken.add(virtq.VIRTQ_REFUSED_TOTAL_LENGTH);
    if (broken.size > 0) return { broken };

    buffers.push({ addr: desc.addr, len: desc.len, write });
    if (!has(virtq.VIRTQ_DESC_F_NEXT)) return { buffers };
    index = desc.next;
  }
}
