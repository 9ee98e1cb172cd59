// Hostile drivers against every back-end: the rows R of the hostile-input table as the data plane sees them. The walk of a
// chain alone is tested with ring.wasm (test/device/ring).
//
// A broken rule breaks the ring: it is marked, the err eventfd is signalled once, and nothing of it is served until it is
// started again. The other ring goes on, but behind rust-…: there the worker ends, as the real one does (protocol.md 6; the
// errors that it unwraps: virtiofs.md 2, "Robustness").

import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { VIRTQ_REFUSALS } from "../../../device/spec/virtq-refusal.js";
import { VIRTQ_DESC_F_INDIRECT, VirtqAvail, VirtqDesc, VirtqUsed } from "../../../device/spec/virtq.js";
import { EVENT_IDX, FEATURES, GPA, perform, QUEUE_SIZE, RAM_BYTES, Rig } from "./rig.js";

const INDIRECT_DESC = 1n << 28n;

/** Steps of one worker's round over one broken ring: no more than a constant and some a chain. */
const FEW_STEPS = 40 + 10 * QUEUE_SIZE;

const readable = (all: Rig, k = 0) => ({ addr: GPA + BigInt(all.buffer(1, k)), len: 16, write: false });
const writable = (all: Rig, k = 1) => ({ ...readable(all, k), write: true });

/** What the driver puts into ring 1, at index 1: one request has been served before. */
const BREACHES: readonly [row: string, rule: string, breach: (all: Rig) => void][] = [
  [
    "R1 descriptor loop",
    "a descriptor chain loops or is longer than the queue size",
    (all) => {
      all.descriptor(1, 0, readable(all), 0);
      all.publish(1, 0);
    },
  ],
  [
    "R2 next beyond the table",
    "a descriptor's next names no descriptor of its table",
    (all) => {
      all.descriptor(1, 0, readable(all), QUEUE_SIZE);
      all.publish(1, 0);
    },
  ],
  [
    "R3 head beyond the table",
    "an avail ring entry names no descriptor of the table",
    (all) => all.publish(1, QUEUE_SIZE),
  ],
  [
    "R4 avail.idx more than the queue size ahead",
    "avail.idx moved backwards or more than the queue size ahead",
    (all) => all.setAvailIdx(1, 1 + QUEUE_SIZE + 1),
  ],
  [
    "R5 avail.idx backwards",
    "avail.idx moved backwards or more than the queue size ahead",
    (all) => all.setAvailIdx(1, 0),
  ],
  [
    "R8 length 0",
    "a descriptor of length 0 (the standard is silent; refused as QEMU does)",
    (all) => {
      all.descriptor(1, 0, { ...readable(all), len: 0 });
      all.publish(1, 0);
    },
  ],
  ...(
    [
      ["beyond RAM", GPA + BigInt(RAM_BYTES), 1],
      ["in a BAR", 0x4000_0000n, 4],
      ["its last byte beyond RAM", GPA + BigInt(RAM_BYTES) - 15n, 16],
      ["an offset in the place of a gpa", 0x1000n, 16],
      ["2^63", 1n << 63n, 16],
      ["wraps at 2^64 (R10)", (1n << 64n) - 8n, 16],
      ["2^32 - 16 bytes long (R10)", GPA, 0xffff_fff0],
    ] as const
  ).map(([what, addr, len]): (typeof BREACHES)[number] => [
    `R9 buffer ${what}`,
    "a buffer outside guest RAM",
    (all) => {
      all.descriptor(1, 0, readable(all), 1);
      all.descriptor(1, 1, { addr, len, write: true });
      all.publish(1, 0);
    },
  ]),
  [
    "R12 readable after writable",
    "a device-readable descriptor after a device-writable one",
    (all) => {
      all.descriptor(1, 0, writable(all), 1);
      all.descriptor(1, 1, readable(all));
      all.publish(1, 0);
    },
  ],
  [
    "R14 INDIRECT not negotiated",
    "VIRTQ_DESC_F_INDIRECT without VIRTIO_F_INDIRECT_DESC negotiated",
    (all) => {
      all.descriptor(1, 0, readable(all));
      all.view.setUint16(all.areas(1).desc + VirtqDesc.FLAGS, VIRTQ_DESC_F_INDIRECT, true);
      all.publish(1, 0);
    },
  ],
];

describe.each(Object.entries(BACK_END_VARIANTS))("%s", (name, variant) => {
  const started = (features = FEATURES) => new Rig(variant).connect({ features }).start(0).start(1);
  const workerOf = (all: Rig, q: number) => all.workers[variant.workers === "one" ? 0 : q]!;
  const survives = !name.startsWith("rust-");

  function breached(rule: string, breach: (all: Rig) => void): Rig {
    const all = started();
    expect(all.roundTrip(1, "before")).toBe(true);
    breach(all);
    all.kick(1);
    expect(workerOf(all, 1).run().length).toBeLessThanOrEqual(FEW_STEPS);
    expect(VIRTQ_REFUSALS[all.vring(1).broken]?.rule).toBe(rule);
    expect(all.queues[1]!.err.eventfd.count()).toBe(1);
    expect(all.notes.filter((note) => note.startsWith("ring broken: q1"))).toHaveLength(1);
    expect(all.usedIdx(1)).toBe(1);
    return all;
  }

  test.each(BREACHES)("%s: the ring breaks, and nothing more is served", (_row, rule, breach) => {
    const all = breached(rule, breach);
    expect(all.roundTrip(1)).toBe(false);
    expect(workerOf(all, 1).ended).toBe(!survives);
  });

  test.each(survives ? BREACHES : [])("%s: the other ring and the next start go on", (_row, rule, breach) => {
    const all = breached(rule, breach);
    // Kicked again it stays broken, says nothing again, and nobody ends.
    expect(all.roundTrip(1)).toBe(false);
    expect(all.queues[1]!.err.eventfd.count()).toBe(1);
    expect(all.workers.some((worker) => worker.ended)).toBe(false);
    expect(all.roundTrip(0, "the other ring")).toBe(true);

    all.stop(1);
    all.clearRing(1);
    expect(all.start(1, { generation: 1 }).roundTrip(1, "after", 1)).toBe(true);
    expect(all.vring(1).broken).toBe(0);
  });

  test("R6 avail.idx wraps from 65535 to 0", () => {
    const all = new Rig(variant).connect();
    const near = 0x1_0000 - 2;
    all.setAvailIdx(1, near);
    all.view.setUint16(all.areas(1).used + VirtqUsed.IDX, near, true);
    all.start(1, { base: near });
    for (let i = 0; i < 4; i++) expect(all.roundTrip(1, `request ${i}`)).toBe(true);
    expect(all.usedIdx(1)).toBe(2);
  });

  test("R7 the same head in every slot: all are served, no more than the queue's size at once", () => {
    const all = started();
    all.offer(1);
    for (let i = 1; i < QUEUE_SIZE; i++) all.publish(1, 0);
    all.kick(1);
    all.settle();
    expect(all.usedIdx(1)).toBe(QUEUE_SIZE);
    expect(all.served).toHaveLength(QUEUE_SIZE);
  });

  test("well-formed requests before the broken one are answered", () => {
    const all = started();
    all.offer(1, "good");
    all.publish(1, QUEUE_SIZE + 1);
    all.kick(1);
    all.settle();
    expect(all.usedIdx(1)).toBe(1);
    expect(all.reply(1, 4)).toBe("good");
    expect(all.vring(1).broken).not.toBe(0);
  });

  test("R11 a buffer that crosses regions whose gpas adjoin: two pieces, wherever they lie in the file", () => {
    const half = BigInt(RAM_BYTES / 2);
    // The rings' half of the file comes first in guest-physical memory, the other half right after it.
    const regions = [
      { gpa: GPA, size: half, uaddr: 0x7000_0000n, offset: half },
      { gpa: GPA + half, size: half, uaddr: 0x9000_0000n, offset: 0n },
    ];
    const all = new Rig(variant).connect({ regions });
    all.start(1, { uaddr: 0x7000_0000n - half });
    const edge = GPA + half;
    all.ram.bytes.set(new TextEncoder().encode("abc"), RAM_BYTES - 3);
    all.ram.bytes.set(new TextEncoder().encode("defg"), 0);
    all.descriptor(1, 0, { addr: edge - 3n, len: 7, write: false }, 1);
    all.descriptor(1, 1, { addr: edge - 2n, len: 7, write: true });
    all.publish(1, 0);
    all.kick(1);
    all.settle();
    expect(String.fromCharCode(...all.served[0]!.bytes)).toBe("abcdefg");
    expect(all.usedElement(1, 0)).toEqual([0, 7]);
    const written = [...all.ram.bytes.slice(RAM_BYTES - 2), ...all.ram.bytes.slice(0, 5)];
    expect(String.fromCharCode(...written)).toBe("abcdefg");
  });

  test("R11, R9 two regions that do not adjoin: a buffer across the hole breaks the ring", () => {
    const regions = [
      { gpa: GPA + 0x10_0000n, size: 0x10_0000n, uaddr: 0x7000_0000n, offset: 0x10_0000n },
      { gpa: GPA, size: 0xf_ffffn, uaddr: 0x9000_0000n, offset: 0n }, // a hole of one byte
    ];
    const all = new Rig(variant).connect({ regions }).start(1, { uaddr: 0x7000_0000n - 0x10_0000n });
    all.descriptor(1, 0, { addr: GPA + 0xf_ff00n, len: 0x200, write: false });
    all.publish(1, 0);
    all.kick(1);
    all.settle();
    expect(VIRTQ_REFUSALS[all.vring(1).broken]?.rule).toBe("a buffer outside guest RAM");
  });

  test("R21 poisoned used_event: at worst a lost or an extra call", () => {
    const all = started(FEATURES | EVENT_IDX);
    for (const event of [0xffff, 0x8000, 1]) {
      all.view.setUint16(all.areas(1).avail + VirtqAvail.RING + VirtqAvail.RING_ENTRY * QUEUE_SIZE, event, true);
      expect(all.roundTrip(1)).toBe(true);
    }
  });

  test("R22 the driver overwrites used.idx and used elements: the device goes by its own index", () => {
    const all = started();
    expect(all.roundTrip(1, "one")).toBe(true);
    all.view.setUint16(all.areas(1).used + VirtqUsed.IDX, 0x7777, true);
    all.ram.bytes.fill(0xff, all.areas(1).used + VirtqUsed.RING, all.areas(1).used + VirtqUsed.RING + 8);
    all.offer(1, "two");
    all.kick(1);
    all.settle();
    expect(all.usedIdx(1)).toBe(2);
    expect(all.usedElement(1, 1)).toEqual([0, 3]);
  });

  test("R23 kicks before the start reach nobody; after the stop they are nobody's", () => {
    const all = new Rig(variant).connect();
    all.kick(1);
    all.settle();
    all.start(1);
    expect(all.roundTrip(1)).toBe(true);
    all.stop(1);
    const { length } = all.served;
    all.offer(1);
    all.kick(1);
    all.settle();
    expect(all.served).toHaveLength(length);
    // The ring goes on where it stopped, with a new eventfd that is charged: the request was not lost.
    all.start(1, { base: length, generation: 1 });
    expect(all.served).toHaveLength(length + 1);
  });

  // The published defect is that vhost-user-backend up to 0.21 loses exactly this kick (protocol.md 4.2, W3 and W4).
  test("R23 a kick on a ring that is disabled", () => {
    const all = new Rig(variant).connect().configure(1);
    const kick = all.queues[1]!.kicks[0]!;
    all.vringFdOf(12, 1, kick.fd);
    all.settle();
    all.offer(1);
    all.kick(1);
    all.settle();
    all.send(18, all.state(1, 1));
    all.settle();
    expect(all.usedIdx(1)).toBe(["rust-0.10", "rust-0.12", "rust-0.13.1"].includes(name) ? 0 : 1);
  });

  test("R24 a kick storm on an empty ring: one look for all of it, and the other ring's turn comes", () => {
    const all = started();
    const worker = workerOf(all, 1);
    for (let i = 0; i < 10_000; i++) all.kick(1);
    const steps = worker.run();
    expect(steps.filter((step) => step === "q1.kick0.read")).toHaveLength(1);
    expect(steps.filter((step) => step === "q1.avail.idx")).toHaveLength(1);
    for (let i = 0; i < 100; i++) {
      all.kick(1);
      all.offer(0);
      all.kick(0);
      all.settle();
    }
    expect(all.usedIdx(0)).toBe(100);
  });

  it("is bounded in any ring contents; nobody ends, and a restart serves, where a breach is survived", () => {
    const desc = fc.record({
      addr: fc.constantFrom(GPA, GPA + 0x10_0000n, GPA + BigInt(RAM_BYTES) - 1n, 0n, (1n << 64n) - 1n),
      len: fc.constantFrom(0, 1, 15, 16, 32, 64, 4096, 0xffff_ffff),
      flags: fc.integer({ min: 0, max: 7 }),
      next: fc.integer({ min: 0, max: QUEUE_SIZE }),
    });
    const ring = fc.record({
      descs: fc.array(desc, { minLength: QUEUE_SIZE, maxLength: QUEUE_SIZE }),
      heads: fc.array(fc.integer({ min: 0, max: QUEUE_SIZE }), { minLength: QUEUE_SIZE, maxLength: QUEUE_SIZE }),
      idx: fc.oneof(fc.integer({ min: 0, max: QUEUE_SIZE }), fc.integer({ min: 0, max: 0xffff })),
      features: fc.constantFrom(0n, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC),
    });
    fc.assert(
      fc.property(ring, ({ descs, heads, idx, features }) => {
        const all = started(FEATURES | features);
        descs.forEach(({ addr, len, flags, next }, i) => {
          const at = all.areas(1).desc + VirtqDesc.SIZEOF * i;
          all.view.setBigUint64(at + VirtqDesc.ADDR, addr, true);
          all.view.setUint32(at + VirtqDesc.LEN, len, true);
          all.view.setUint16(at + VirtqDesc.FLAGS, flags, true);
          all.view.setUint16(at + VirtqDesc.NEXT, next, true);
        });
        heads.forEach((head, i) => {
          const entry = all.areas(1).avail + VirtqAvail.RING + VirtqAvail.RING_ENTRY * i;
          all.view.setUint16(entry, head, true);
        });
        all.setAvailIdx(1, idx);
        all.kick(1);
        all.settle();
        expect(all.served.length).toBeLessThanOrEqual(2 * QUEUE_SIZE); // a device's write may land on the ring itself
        if (!survives) return;
        expect(all.workers.some((worker) => worker.ended)).toBe(false);
        all.clearRing(0);
        all.clearRing(1);
        all.stop(0);
        all.stop(1);
        expect(all.start(0, { generation: 1 }).roundTrip(0, "zero", 1)).toBe(true);
        expect(all.start(1, { generation: 1 }).roundTrip(1, "one", 1)).toBe(true);
      }),
      { seed: 20250802, numRuns: 150 },
    );
  });
});

test("the rig's queues lie in guest RAM, apart from each other", () => {
  const all = new Rig(BACK_END_VARIANTS.rekick);
  expect(all.areas(1).desc - all.areas(0).buffers).toBeGreaterThanOrEqual(0x8000);
  expect(all.buffer(1, 8)).toBeLessThan(RAM_BYTES);
  expect(perform(all.backEnd.memory.load()).regions).toEqual([]);
});
