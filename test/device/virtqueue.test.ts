// The device side of a split virtqueue over ring.wasm: where a ring may lie (2.7, hostile input P2), the walk of a chain
// with its buffers translated, and which words of guest RAM each step touches. The walk's rules alone: test/device/ring.

import { describe, expect, it, test } from "vitest";
import {
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_REFUSED_BUFFER_ADDRESS,
  VIRTQ_REFUSED_HEAD,
  VIRTQ_REFUSED_INDIRECT_ADDRESS,
  VIRTQ_REFUSED_INDIRECT_FEATURE,
} from "../../device/spec/virtq.js";
import { type Chain, ringAreas, ringLabels, Virtqueue } from "../../device/virtqueue.js";
import { RegionTable } from "../../vm/regions.js";
import { type Op, ramCell } from "../../vm/sync/op.js";
import { guestRam, instantiateRing } from "../driver/wasm.js";
import { run } from "../vm/run.js";

describe("ring areas (virtio 1.4, 2.7; P2)", () => {
  // Size 8: 16 * 8 = 128 bytes of descriptors; 6 + 2 * 8 = 22 of avail; 6 + 8 * 8 = 70 of used.
  const GOOD = { desc: 0x1000, avail: 0x1080, used: 0x10a0 };
  const RAM = 0x2000;
  const areas = (at: Partial<typeof GOOD>, size = 8) =>
    ringAreas(size, (area, length) => {
      const offset = { ...GOOD, ...at }[area];
      return offset >= 0 && offset + length <= RAM ? offset : undefined;
    });

  it("asks for the bytes of each area", () => {
    const asked: [string, number][] = [];
    ringAreas(8, (area, length) => asked.push([area, length]) * 0x1000);
    expect(asked).toEqual([
      ["desc", 128],
      ["avail", 22],
      ["used", 70],
    ]);
  });

  it("takes areas that touch, in any order", () => {
    expect(areas({})).toEqual({ size: 8, ...GOOD });
    expect(areas({ avail: 0x1000 - 22 })).toBeDefined();
    expect(areas({ desc: 0x1050, avail: 0x10d0, used: 0x1000 })).toBeDefined();
    expect(areas({ used: RAM - 72 })).toBeDefined();
  });

  test.each([
    ["desc not aligned to 16", { desc: 0xf08 }],
    ["desc aligned to 8 only", { desc: 0xff8 - 0x100 }],
    ["avail not aligned to 2", { avail: 0x1801 }],
    ["used not aligned to 4", { used: 0x1802 }],
    ["desc outside", { desc: RAM - 112 }],
    ["avail outside", { avail: RAM - 20 }],
    ["used outside", { used: RAM - 68 }],
    ["avail's first byte in desc", { avail: 0x107e }],
    ["avail's last byte in desc", { avail: 0x1000 - 20 }],
    ["used's first byte in avail", { used: 0x1094 }],
    ["used's last byte in desc", { used: 0x1000 - 68 }],
    ["all at one place", { avail: 0x1000, used: 0x1000 }],
  ])("%s: refused", (_, at) => {
    expect(areas(at)).toBeUndefined();
  });

  it("names the words that both sides touch", () => {
    expect(ringLabels(1, { size: 8, ...GOOD })).toEqual([
      [0x1080, "q1.avail.flags"],
      [0x1082, "q1.avail.idx"],
      [0x1080 + 4 + 2 * 8, "q1.used_event"],
      [0x10a0, "q1.used.flags"],
      [0x10a2, "q1.used.idx"],
      [0x10a0 + 4 + 8 * 8, "q1.avail_event"],
    ]);
  });
});

const AT = { size: 8, desc: 0x1_0000, avail: 0x2_0000, used: 0x3_0000 };
/** An indirect table's offset. */
const TABLE = 0x4_0000;
const F = { next: VIRTQ_DESC_F_NEXT, write: VIRTQ_DESC_F_WRITE, indirect: VIRTQ_DESC_F_INDIRECT };

/** gpa 0x80000000 on: 1 MiB at offset 0. gpa 0x80100000 on, which adjoins: 64 KiB at offset 0x180000. */
const REGIONS = new RegionTable([
  { lo: 0x8000_0000, hi: 0, size: 0x10_0000, offset: 0 },
  { lo: 0x8010_0000, hi: 0, size: 0x1_0000, offset: 0x18_0000 },
]);

function queue() {
  const memory = guestRam();
  const view = new DataView(memory.buffer);
  const bytes = new Uint8Array(memory.buffer);
  const virtqueue = new Virtqueue(instantiateRing(memory), AT, 1, true);
  const desc = (at: number, addr: bigint, len: number, flags = 0, next = 0): void => {
    view.setBigUint64(at, addr, true);
    view.setUint32(at + 8, len, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  };
  const head = (idx: number, value: number) => view.setUint16(AT.avail + 4 + 2 * (idx % AT.size), value, true);
  const chain = (idx: number, indirect = true): Chain | number =>
    run(virtqueue.chain(idx, indirect, REGIONS)[Symbol.iterator]());
  return { view, bytes, virtqueue, desc, head, chain };
}

describe("a chain", () => {
  it("has its readable and its writable buffers apart, translated, in order", () => {
    const { desc, head, chain } = queue();
    head(9, 3); // entry 9 % 8 = 1
    desc(AT.desc + 16 * 3, 0x8000_5000n, 40, F.next, 6);
    desc(AT.desc + 16 * 6, 0x8000_6000n, 16, F.next, 0);
    desc(AT.desc, 0x8000_7000n, 80, F.write | F.next, 1);
    desc(AT.desc + 16, 0x8000_8000n, 4096, F.write);
    expect(chain(9)).toMatchObject({
      head: 3,
      readable: [
        { offset: 0x5000, length: 40 },
        { offset: 0x6000, length: 16 },
      ],
      writable: [
        { offset: 0x7000, length: 80 },
        { offset: 0x8000, length: 4096 },
      ],
    });
  });

  it("splits a buffer that crosses adjoining regions into two segments (R11)", () => {
    const { desc, head, chain } = queue();
    head(0, 0);
    desc(AT.desc, 0x800f_ff00n, 0x300, F.write);
    expect(chain(0)).toMatchObject({
      readable: [],
      writable: [
        { offset: 0xf_ff00, length: 0x100 },
        { offset: 0x18_0000, length: 0x200 },
      ],
    });
  });

  it("goes through an indirect table, which itself must lie in one region", () => {
    const { desc, head, chain } = queue();
    head(0, 2);
    desc(AT.desc + 32, 0x8000_0000n + BigInt(TABLE), 32, F.indirect);
    desc(TABLE, 0x8000_5000n, 8, F.next, 1);
    desc(TABLE + 16, 0x8000_6000n, 8, F.write);
    expect(chain(0)).toMatchObject({
      head: 2,
      readable: [{ offset: 0x5000, length: 8 }],
      writable: [{ offset: 0x6000, length: 8 }],
    });
    expect(chain(0, false)).toBe(VIRTQ_REFUSED_INDIRECT_FEATURE);
    for (const outside of [0x8020_0000n, 0x800f_fff0n, 0x1_8004_0000n]) {
      desc(AT.desc + 32, outside, 32, F.indirect);
      expect(chain(0)).toBe(VIRTQ_REFUSED_INDIRECT_ADDRESS);
    }
  });

  test.each([
    ["below RAM", 0x7fff_ffffn, 2],
    ["behind RAM", 0x8011_0000n, 1],
    ["its end behind RAM", 0x8010_ffffn, 2],
    ["with a high half", 0x1_8000_0000n, 1],
    ["wrapping at 2^64", 0xffff_ffff_ffff_fffen, 4],
    ["an offset, no gpa", 0x5000n, 1],
  ])("with a buffer %s is refused (R9, R10)", (_, addr, len) => {
    const { desc, head, chain } = queue();
    head(0, 0);
    desc(AT.desc, 0x8000_5000n, 1, F.next, 1);
    desc(AT.desc + 16, addr, len, F.write);
    expect(chain(0)).toBe(VIRTQ_REFUSED_BUFFER_ADDRESS);
  });

  it("whose head is none of the table's is refused (R3)", () => {
    const { head, chain } = queue();
    head(0, 8);
    expect(chain(0)).toBe(VIRTQ_REFUSED_HEAD);
  });

  it("is known by its head and its buffers", () => {
    const { desc, head, chain } = queue();
    head(0, 0);
    desc(AT.desc, 0x8000_5000n, 1);
    const key = (chain(0) as Chain).key;
    expect((chain(0) as Chain).key).toBe(key);
    desc(AT.desc, 0x8000_5000n, 1, F.write);
    expect((chain(0) as Chain).key).not.toBe(key);
  });
});

describe("steps that the driver can see", () => {
  const step = (op: Op<number>): number => run(op[Symbol.iterator]());

  it("element first, then the index (2.7.8.2), each at its place modulo the size", () => {
    const { view, virtqueue } = queue();
    step(virtqueue.fillUsed(0xffff, 5, 80)); // entry 0xffff % 8 = 7
    expect(view.getUint32(AT.used + 4 + 8 * 7, true)).toBe(5);
    expect(view.getUint32(AT.used + 8 + 8 * 7, true)).toBe(80);
    expect(view.getUint16(AT.used + 2, true)).toBe(0);
    step(virtqueue.publishUsed(0x1_0000 & 0xffff));
    step(virtqueue.publishUsed(3));
    expect(view.getUint16(AT.used + 2, true)).toBe(3);
  });

  it("reads avail.flags, avail.idx and used_event, writes used.flags and avail_event", () => {
    const { view, virtqueue } = queue();
    view.setUint16(AT.avail, 1, true);
    view.setUint16(AT.avail + 2, 0xfffe, true);
    view.setUint16(AT.avail + 4 + 16, 0x1234, true);
    expect([step(virtqueue.availFlags()), step(virtqueue.availIdx()), step(virtqueue.usedEvent())]).toEqual([
      1, 0xfffe, 0x1234,
    ]);
    step(virtqueue.setUsedFlags(1));
    step(virtqueue.setAvailEvent(0x4321));
    expect([view.getUint16(AT.used, true), view.getUint16(AT.used + 4 + 64, true)]).toEqual([1, 0x4321]);
  });

  it("declares exactly the shared words that each touches", () => {
    const { virtqueue } = queue();
    const footprints = {
      availIdx: virtqueue.availIdx(),
      availFlags: virtqueue.availFlags(),
      usedEvent: virtqueue.usedEvent(),
      publishUsed: virtqueue.publishUsed(1),
      setUsedFlags: virtqueue.setUsedFlags(1),
      setAvailEvent: virtqueue.setAvailEvent(1),
      fillUsed: virtqueue.fillUsed(1, 0, 0),
    };
    const touched = Object.fromEntries(Object.entries(footprints).map(([name, op]) => [name, op.footprint]));
    const cells = (...offsets: number[]) => offsets.map(ramCell);
    expect(touched).toEqual({
      availIdx: { reads: cells(AT.avail + 2), writes: [] },
      availFlags: { reads: cells(AT.avail), writes: [] },
      usedEvent: { reads: cells(AT.avail + 20), writes: [] },
      publishUsed: { reads: [], writes: cells(AT.used + 2) },
      setUsedFlags: { reads: [], writes: cells(AT.used) },
      setAvailEvent: { reads: [], writes: cells(AT.used + 68) },
      fillUsed: { reads: [], writes: cells(AT.used + 12, AT.used + 14, AT.used + 16, AT.used + 18) },
    });
  });

  it("serving touches the chain's buffers, odd ends included, and gives what the device wrote", () => {
    const { desc, head, chain, virtqueue } = queue();
    head(0, 0);
    desc(AT.desc, 0x8000_5001n, 2, F.next, 1);
    desc(AT.desc + 16, 0x8000_6000n, 4, F.write);
    const op = virtqueue.serve(chain(0) as Chain, () => 3);
    expect(op.footprint.reads).toEqual([ramCell(0x5000), ramCell(0x5002)]);
    expect(op.footprint.writes).toEqual([ramCell(0x6000), ramCell(0x6002)]);
    expect(step(op)).toBe(3);
  });
});
