// The rows of the hostile-input table for rings and descriptors, one by one, each with its rule's section of virtio 1.4:
// what breaks a rule is refused by name, what only looks odd is served.

import { describe, expect, it } from "vitest";
import * as virtq from "../../../device/spec/virtq.js";
import { VIRTQ_REFUSALS } from "../../../device/spec/virtq-refusal.js";
import { desc, RawQueue, TABLES } from "../../driver/raw-queue.js";
import type { Desc } from "../../model/chain-rules.js";

const NEXT = virtq.VIRTQ_DESC_F_NEXT;
const WRITE = virtq.VIRTQ_DESC_F_WRITE;
const INDIRECT = virtq.VIRTQ_DESC_F_INDIRECT;
const SIZE = 8;

/** Readable buffers chained one after the other, from descriptor 0. */
function chained(count: number, last: Partial<Desc> = {}): Desc[] {
  return Array.from({ length: count }, (_, i) =>
    i + 1 < count ? desc({ flags: NEXT, next: i + 1 }) : desc({ flags: 0, ...last }),
  );
}

const toTable = (entries: number, fields: Partial<Desc> = {}): Desc =>
  desc({ addr: TABLES[0]!, len: 16 * entries, flags: INDIRECT, ...fields });

/** The refusal of the chain at descriptor 0, or how many buffers it has. */
function outcome(queue: RawQueue): number | string {
  const taken = queue.avail([0]).device.take()!;
  return "refused" in taken ? refusalName(taken.refused) : taken.buffers.length;
}

function refusalName(code: number): string {
  const name = Object.entries(virtq).find(([key, value]) => key.startsWith("VIRTQ_REFUSED_") && value === code)![0];
  return `${name.replace("VIRTQ_REFUSED_", "")} ${VIRTQ_REFUSALS[code]!.section}`;
}

describe("refusals of a descriptor chain", () => {
  it("R1 (2.7.5.3.1): a loop ends after queue size steps, a chain of exactly the queue size is served", () => {
    const loops: Desc[][] = [
      [desc({ flags: NEXT, next: 0 })], // itself
      [desc({ flags: NEXT, next: 1 }), desc({ flags: NEXT, next: 0 })], // a cycle of two
      chained(SIZE, { flags: NEXT, next: SIZE - 1 }), // at the very end
    ];
    for (const loop of loops) {
      const queue = new RawQueue(SIZE).table(loop);
      expect(outcome(queue)).toBe("CHAIN_LENGTH 2.7.5.3.1");
      expect(queue.device.steps).toBe(SIZE + 1);
    }
    expect(outcome(new RawQueue(SIZE).table(chained(SIZE)))).toBe(SIZE);
  });

  it("R1 (2.7.5.3.1): a loop inside an indirect table, and a direct part plus a table longer than the queue", () => {
    const loop = new RawQueue(SIZE).table([toTable(1)]).indirectTable(0, [desc({ flags: NEXT, next: 0 })]);
    expect(outcome(loop)).toBe("CHAIN_LENGTH 2.7.5.3.1");
    expect(loop.device.steps).toBe(SIZE + 2);

    const long = (entries: number): RawQueue =>
      new RawQueue(SIZE).table([desc({ flags: NEXT, next: 1 }), toTable(entries)]).indirectTable(0, chained(entries));
    expect(outcome(long(SIZE - 1))).toBe(SIZE);
    expect(outcome(long(SIZE))).toBe("CHAIN_LENGTH 2.7.5.3.1");
  });

  it.each([SIZE, SIZE + 1, 0xffff])("R2 (2.7.5): next = %i names no descriptor of the table", (next) => {
    expect(outcome(new RawQueue(SIZE).table([desc({ flags: NEXT, next })]))).toBe("NEXT 2.7.5");
  });

  it("R2 (2.7.5): next in an indirect table is bounded by that table, not by the queue", () => {
    const queue = new RawQueue(SIZE).table([toTable(2)]);
    expect(outcome(queue.indirectTable(0, [desc({ flags: NEXT, next: 2 })]))).toBe("NEXT 2.7.5");
  });

  it("2.7.5: next without VIRTQ_DESC_F_NEXT means nothing", () => {
    expect(outcome(new RawQueue(SIZE).table([desc({ next: 0xffff })]))).toBe(1);
  });

  it.each([SIZE, 0xffff])("R3 (2.7.6): avail ring head = %i names no descriptor", (head) => {
    expect(new RawQueue(SIZE).avail([head]).device.take()).toEqual({ refused: virtq.VIRTQ_REFUSED_HEAD });
  });

  it.each([SIZE + 1, 0x8000, 0xffff])("R4, R5 (2.7.6.1): avail.idx = %i with nothing taken yet", (idx) => {
    const queue = new RawQueue(SIZE).table(chained(1)).avail([0], idx);
    expect(queue.device.take()).toEqual({ refused: virtq.VIRTQ_REFUSED_AVAIL_IDX });
  });

  it("R6 (2.7.13.3): avail.idx wraps from 65535 to 0 and the chains on both sides are served", () => {
    const queue = new RawQueue(SIZE).table([desc({ len: 1 }), desc({ len: 2 })]);
    queue.device.startAt(0xffff);
    queue.avail([1, 0, 0, 0, 0, 0, 0, 0], 1); // entry 65535 lies in slot 7, entry 0 in slot 0
    expect(queue.device.take()).toMatchObject({ head: 0 });
    expect(queue.device.take()).toMatchObject({ head: 1 });
    expect(queue.device.take()).toBeUndefined();
  });

  it("R7 (2.7.6): the same head in every slot is served that many times and no more", () => {
    const queue = new RawQueue(SIZE).table(chained(2)).avail(new Array(SIZE).fill(0));
    for (let i = 0; i < SIZE; i++) expect(queue.device.take()).toMatchObject({ head: 0 });
    expect(queue.device.take()).toBeUndefined();
  });

  it.each([0, WRITE])("R8 (2.7.5): a descriptor of length 0 (flags %i)", (flags) => {
    expect(outcome(new RawQueue(SIZE).table([desc({ len: 0, flags })]))).toBe("ZERO_LENGTH 2.7.5");
  });

  it("R10 (2.7.5): addr 2^64 - 1 and len 2^32 - 1 come out whole, for the caller's 64-bit check", () => {
    const queue = new RawQueue(SIZE).table([desc({ addr: (1n << 64n) - 1n, len: 0xffffffff, flags: WRITE })]);
    expect(queue.avail([0]).device.take()).toEqual({
      head: 0,
      buffers: [{ addr: 0xffffffffffffffffn, len: 0xffffffff, write: true }],
    });
  });

  it("R12 (2.7.4.2): a readable descriptor after a writable one, in the table or across an indirect table's border", () => {
    const direct = [desc({ flags: NEXT | WRITE, next: 1 }), desc()];
    expect(outcome(new RawQueue(SIZE).table(direct))).toBe("ORDER 2.7.4.2");
    const across = new RawQueue(SIZE).table([desc({ flags: NEXT | WRITE, next: 1 }), toTable(1)]);
    expect(outcome(across.indirectTable(0, [desc()]))).toBe("ORDER 2.7.4.2");
    const inside = new RawQueue(SIZE).table([toTable(2)]).indirectTable(0, direct);
    expect(outcome(inside)).toBe("ORDER 2.7.4.2");
  });

  it("R13 (2.7.5.2): 2^32 bytes in total are allowed, one more is not", () => {
    const total = (last: number): RawQueue =>
      new RawQueue(SIZE).table([desc({ len: 0xffffffff, flags: NEXT, next: 1 }), desc({ len: last })]);
    expect(outcome(total(1))).toBe(2);
    expect(outcome(total(2))).toBe("TOTAL_LENGTH 2.7.5.2");
    expect(outcome(total(0xffffffff))).toBe("TOTAL_LENGTH 2.7.5.2");
  });

  it("R13 (2.7.5.2): the total runs on into an indirect table", () => {
    const queue = new RawQueue(SIZE).table([desc({ len: 0xffffffff, flags: NEXT, next: 1 }), toTable(1)]);
    expect(outcome(queue.indirectTable(0, [desc({ len: 2 })]))).toBe("TOTAL_LENGTH 2.7.5.2");
  });

  it("R14 (2.7.5.3.1): VIRTQ_DESC_F_INDIRECT without the feature", () => {
    const queue = new RawQueue(SIZE, { indirectDesc: false }).table([toTable(1)]).indirectTable(0, [desc()]);
    expect(outcome(queue)).toBe("INDIRECT_FEATURE 2.7.5.3.1");
  });

  it("R15 (2.7.5.3.1): VIRTQ_DESC_F_INDIRECT inside an indirect table", () => {
    const queue = new RawQueue(SIZE).table([toTable(1)]);
    expect(outcome(queue.indirectTable(0, [toTable(1, { addr: TABLES[1]! })]))).toBe("INDIRECT_NESTED 2.7.5.3.1");
  });

  it("R16 (2.7.5.3.1): VIRTQ_DESC_F_INDIRECT and VIRTQ_DESC_F_NEXT both set", () => {
    const queue = new RawQueue(SIZE).table([toTable(1, { flags: INDIRECT | NEXT, next: 1 }), desc()]);
    expect(outcome(queue.indirectTable(0, [desc()]))).toBe("INDIRECT_NEXT 2.7.5.3.1");
  });

  it.each([0, 1, 15, 17, 24, 0xffffffff])("R17 (2.7.5.3): an indirect table of %i bytes", (len) => {
    expect(outcome(new RawQueue(SIZE).table([toTable(1, { len })]))).toBe("INDIRECT_LENGTH 2.7.5.3");
  });

  it("R18 (2.7.5.3.1): an indirect table of more entries than the queue size, even if its chain is short", () => {
    const table = (entries: number): RawQueue =>
      new RawQueue(SIZE).table([toTable(entries)]).indirectTable(0, [desc()]);
    expect(outcome(table(SIZE))).toBe(1);
    expect(outcome(table(SIZE + 1))).toBe("INDIRECT_SIZE 2.7.5.3.1");
    expect(outcome(table(0x10000))).toBe("INDIRECT_SIZE 2.7.5.3.1");
    expect(outcome(table(0x0fffffff))).toBe("INDIRECT_SIZE 2.7.5.3.1");
  });

  it("R19 (2.7.5.3): an indirect table outside guest RAM is the caller's refusal; the step asks for its translation", () => {
    const queue = new RawQueue(SIZE).table([toTable(2, { addr: 0xffff_ffff_ffff_fff0n })]);
    expect(outcome(queue)).toBe("INDIRECT_ADDRESS 2.7.5.3");
    expect(queue.device.steps).toBe(1);
  });

  it("R22 (2.7.8): the device never reads the used ring back", () => {
    const queue = new RawQueue(SIZE).table(chained(1)).avail([0, 0]);
    const { view, areas, device } = queue;
    for (let element = 0; element < 2; element++) {
      new Uint8Array(view.buffer, areas.used, virtq.virtqUsedBytes(SIZE)).fill(0xa5);
      device.take();
      device.complete(0, 7);
      device.publishUsed();
      expect(view.getUint16(areas.used + 2, true)).toBe(element + 1); // idx
      expect(view.getUint32(areas.used + 4 + 8 * element, true)).toBe(0); // id
      expect(view.getUint32(areas.used + 8 + 8 * element, true)).toBe(7); // len
    }
  });
});

describe("what only looks odd is served", () => {
  it("2.7.5.3.2: the write-only flag of a descriptor that refers to an indirect table is ignored", () => {
    const queue = new RawQueue(SIZE).table([toTable(2, { flags: INDIRECT | WRITE })]);
    expect(outcome(queue.indirectTable(0, chained(2)))).toBe(2);
  });

  it("2.7.5.3.2: normal chained descriptors followed by a single one with VIRTQ_DESC_F_INDIRECT", () => {
    const queue = new RawQueue(SIZE).table([...chained(3, { flags: NEXT, next: 3 }), toTable(2)]);
    expect(outcome(queue.indirectTable(0, chained(2, { flags: WRITE })))).toBe(5);
  });

  it("2.7.5.3: the first descriptor of an indirect table is at index 0, whatever its place in the queue's table", () => {
    const queue = new RawQueue(SIZE).table([desc(), desc(), toTable(2)]);
    queue.indirectTable(0, [desc({ len: 5, flags: NEXT, next: 1 }), desc({ len: 6 })]).avail([2]);
    expect(queue.device.take()).toMatchObject({ head: 2, buffers: [{ len: 5 }, { len: 6 }] });
  });

  it("2.7.5: reserved flag bits are ignored", () => {
    expect(outcome(new RawQueue(SIZE).table([desc({ flags: 0xfff8 })]))).toBe(1);
  });
});
