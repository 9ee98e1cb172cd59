// Golden message sequences, derived from protocol.md's lists by hand: 2.2 (a) connect, (b) queue_enable, (c) first start,
// (d) stop, (e) restart, (f) stop and cont; 2.3 differences between versions; 2.4 what is waited for; 3 the bytes.
//
// A line is one message as the front-end sends it, or one reply (flags 0x5) where the front-end has read it: id, flags,
// size, payload, and each descriptor with its name. A reply stands before the next message only if it was awaited.
//
// Measured there: QEMU 7.2.22 (our qemu-8.1) and 10.0.13 (our qemu-8.2) with OVMF 2022.11, against the C virtiofsd 7.2.22
// and the Rust virtiofsd 1.13.2. Inferred from source where a test says so. Not taken from protocol.md, since it does not
// say: the values of the replies to 17 and 36, and the guest's RAM regions (our board's two, in place of q35's two).

import { describe, expect, it, test } from "vitest";
import type { Variant } from "../../../device/back-end/back-end.js";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { FRONT_END_VARIANTS } from "../../../device/front-end/variants.js";
import { Machine } from "./machine.js";

type BackEndName = keyof typeof BACK_END_VARIANTS;
type FrontEndName = keyof typeof FRONT_END_VARIANTS;

/**
 * What each back-end offers, by bits: MQ 0, LOG_SHMFD 1, REPLY_ACK 3, BACKEND_REQ 5, BACKEND_SEND_FD 10,
 * HOST_NOTIFIER 11, RESET_DEVICE 13, CONFIGURE_MEM_SLOTS 15, DEVICE_STATE 19.
 */
const BACK_ENDS = {
  // 3: "C 7.2.22 -> 0x8c2b" [measured]. Features: bit 30, EVENT_IDX 29, INDIRECT_DESC 28, VERSION_1 32, and
  // libvhost-user's own LOG_ALL 26, NOTIFY_ON_EMPTY 24.
  c: { features: "0x175000000", protocol: "0x8c2b" },
  // 6: virtiofsd 1.3.0's list, MQ, SLAVE_REQ, SLAVE_SEND_FD, REPLY_ACK, CONFIGURE_MEM_SLOTS [read]; 1.7.2's own list is
  // not known (12), so this row is inferred.
  "rust-0.10": { features: "0x170000000", protocol: "0x8429" },
  // 12, 4.5: what a virtiofsd with 0.12 offers is not known; rust-0.10's row stands for it [inferred].
  "rust-0.12": { features: "0x170000000", protocol: "0x8429" },
  // 2.2 (a), 3: virtiofsd 1.13.2 (0.17.0) and 1.14.0 (0.23.0) with QEMU 10.0.13 -> 0x8a42b [measured]; 6: features
  // later with LOG_ALL, 26.
  "rust-0.13.1": { features: "0x174000000", protocol: "0x8a42b" },
  "rust-0.22": { features: "0x174000000", protocol: "0x8a42b" },
  // Our own: MQ, REPLY_ACK, BACKEND_REQ, RESET_DEVICE, CONFIGURE_MEM_SLOTS.
  rekick: { features: "0x170000000", protocol: "0xa029" },
} as const satisfies Record<BackEndName, object>;

/** 2.2 (a). The two versions differ in the payload of 16 only where the back-end offers more than these do. */
const connect = ({ features, protocol }: (typeof BACK_ENDS)[BackEndName]): string[] => [
  "1 0x1 0",
  `1 0x5 8 ${features}`,
  "15 0x1 0",
  `15 0x5 8 ${protocol}`,
  `16 0x1 8 ${protocol}`, // not waited for
  "17 0x1 0", // MQ
  "17 0x5 8 0x2",
  "36 0x1 0", // CONFIGURE_MEM_SLOTS
  "36 0x5 8 0x8",
  "21 0x9 0 +socket", // BACKEND_REQ: "flags 0x9 in every trace"
  "21 0x5 8 = 0",
  "3 0x1 0",
  "1 0x1 0",
  `1 0x5 8 ${features}`,
  "13 0x1 8 q0 +q0.masked-call",
  "14 0x1 8 q0 +q0.err",
  "13 0x1 8 q1 +q1.masked-call",
  "14 0x1 8 q1 +q1.err",
];

/** 2.2 (c) 1-3. SET_FEATURES: the driver's VERSION_1 (7.2 row 5: no ring feature) and bit 30, "from 7.2 on". */
const CALLS = ["13 0x1 8 q0 +q0.call", "13 0x1 8 q1 +q1.call"];
const SET_FEATURES = "2 0x1 8 0x140000000";

/** 2.2 (c) 4…: one a region, each a round trip. */
const ADD_MEM_REGS = [
  "37 0x9 40 pad=0 gpa=0x80000000 size=0xa0000 offset=0x0 +memory",
  "37 0x5 8 = 0",
  "37 0x9 40 pad=0 gpa=0x80100000 size=0x100000 offset=0x100000 +memory",
  "37 0x5 8 = 0",
];

/** 2.2 (c) 6-9: only the queue that has an address. `kick` is the eventfd of this start. */
const ring = (q: number, { base = 0, kick = 0 } = {}): string[] => [
  `8 0x1 8 q${q} 128`, // 7.2 row 11: queue_size used as it is, QEMU's default
  `10 0x1 8 q${q} ${base}`,
  `9 0x1 40 q${q} flags=0 log=0`,
  `12 0x1 8 q${q} +q${q}.kick${kick}`,
];

/** 2.3: the version difference. Both queues, configured or not. */
const enables = (frontEnd: FrontEndName, enable: 0 | 1): string[] =>
  [0, 1].flatMap((q) =>
    frontEnd === "qemu-8.1" ? [`18 0x1 8 q${q} ${enable}`] : [`18 0x9 8 q${q} ${enable}`, "18 0x5 8 = 0"],
  );

/** 2.2 (d). */
const stop = (frontEnd: FrontEndName, base: number): string[] => [
  ...enables(frontEnd, 0),
  "11 0x1 8 q1 0",
  `11 0x5 8 q1 ${base}`,
  "13 0x1 8 q0 +q0.masked-call",
  "13 0x1 8 q1 +q1.masked-call",
];

/** 2.2 (d), 2.3: at every virtio reset from 8.2 on, if negotiated, "not waited", "also when not started". */
const resetDevice = (frontEnd: FrontEndName, backEnd: BackEndName): string[] =>
  frontEnd === "qemu-8.2" && backEnd === "rekick" ? ["34 0x1 0"] : [];

const machine = (frontEnd: FrontEndName, backEnd: Variant, options?: ConstructorParameters<typeof Machine>[2]) =>
  new Machine(FRONT_END_VARIANTS[frontEnd], backEnd, options);

/** Connected, reset, and the driver's own reset done (7.2 row 1); nothing on record. */
function powered(...parts: Parameters<typeof machine>): Machine {
  const all = machine(...parts);
  all.connect();
  all.reset();
  all.placeBar();
  all.status(0);
  all.messages();
  return all;
}

const COMBINATIONS = (["qemu-8.1", "qemu-8.2"] as const).flatMap((frontEnd) =>
  (["c", "rust-0.10", "rekick"] as const).map((backEnd) => ({ frontEnd, backEnd })),
);

// Rust: the pair qemu-8.2 × a released back-end that offers RESET_DEVICE was measured with 1.13.2; rekick has its place.
describe.each(COMBINATIONS)("$frontEnd × $backEnd", ({ frontEnd, backEnd }) => {
  const start = () => powered(frontEnd, BACK_END_VARIANTS[backEnd]);

  test("(a) connect", () => {
    const m = machine(frontEnd, BACK_END_VARIANTS[backEnd]);
    m.connect();
    expect(m.messages()).toEqual(connect(BACK_ENDS[backEnd]));
  });

  test("(d) machine reset and the driver's status 0, not started", () => {
    const m = machine(frontEnd, BACK_END_VARIANTS[backEnd]);
    m.connect();
    m.messages();
    m.reset(); // "one 34 at machine init …
    expect(m.messages()).toEqual(resetDevice(frontEnd, backEnd));
    m.placeBar();
    m.status(0); // … and one before the driver's first init sequence"
    expect(m.messages()).toEqual(resetDevice(frontEnd, backEnd));
  });

  test("(b) queue_enable, and everything before it, sends nothing", () => {
    const m = start();
    m.negotiate();
    m.addQueue(1);
    expect(m.messages()).toEqual([]);
  });

  test("(c) first start, inside the DRIVER_OK write", () => {
    const m = start();
    m.negotiate();
    m.addQueue(1);
    m.status(0x0f);
    expect(m.messages()).toEqual([
      ...CALLS,
      SET_FEATURES,
      ...ADD_MEM_REGS,
      ...ring(1),
      ...enables(frontEnd, 1),
      ...CALLS,
    ]);
  });

  test("2.1: DRIVER_OK on a started device sends nothing", () => {
    const m = start();
    m.start();
    m.messages();
    m.status(0x0f);
    expect(m.messages()).toEqual([]);
  });

  test("(d) machine reset of a started device", () => {
    const m = start();
    m.start();
    m.messages();
    m.reset();
    expect(m.messages()).toEqual([...stop(frontEnd, 0), ...resetDevice(frontEnd, backEnd)]);
  });

  test("(d) the driver's status 0 on a started device", () => {
    const m = start();
    m.start();
    m.messages();
    m.status(0);
    expect(m.messages()).toEqual([...stop(frontEnd, 0), ...resetDevice(frontEnd, backEnd)]);
  });

  test("(e) restart after a reset: as (c) without any 37, BASE 0, and a new kick eventfd", () => {
    const m = start();
    m.start();
    m.reset();
    m.placeBar();
    m.messages();
    m.status(0); // (d): "one more before the second driver start"
    expect(m.messages()).toEqual(resetDevice(frontEnd, backEnd));
    m.start();
    expect(m.messages()).toEqual([...CALLS, SET_FEATURES, ...ring(1, { kick: 1 }), ...enables(frontEnd, 1), ...CALLS]);
  });

  test("(d), (f) clearing bus-master stops; the next start has the saved BASE, ring memory kept [read/inferred]", () => {
    const m = start();
    m.start();
    m.settle();
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect(m.rig.usedIdx(1)).toBe(1);
    m.messages();
    m.command(0x2);
    expect(m.messages()).toEqual(stop(frontEnd, 1)); // "(d) without 34"
    m.command(0x6);
    m.status(0x0f);
    expect(m.messages()).toEqual([
      ...CALLS,
      SET_FEATURES,
      ...ring(1, { base: 1, kick: 1 }),
      ...enables(frontEnd, 1),
      ...CALLS,
    ]);
    m.reset();
    m.placeBar();
    m.messages();
    m.status(0);
    m.start();
    expect(m.messages()).toContain("10 0x1 8 q1 0"); // (c) 7: "0 after reset"
  });

  test("(c) variant: all queues configured, as Linux does [read]: each queue's four messages, then all 18", () => {
    const m = start();
    m.negotiate();
    m.addQueue(0);
    m.addQueue(1);
    m.status(0x0f);
    expect(m.messages()).toEqual([
      ...CALLS,
      SET_FEATURES,
      ...ADD_MEM_REGS,
      ...ring(0),
      ...ring(1),
      ...enables(frontEnd, 1),
      ...CALLS,
    ]);
  });

  test('enable-at "queue-enable", the picture that the mail draws: the burst leaves in the queue_enable write', () => {
    const m = powered(frontEnd, BACK_END_VARIANTS[backEnd], { enableAt: "queue-enable" });
    m.negotiate();
    expect(m.messages()).toEqual([]);
    m.addQueue(1);
    expect(m.messages()).toEqual([
      ...CALLS,
      SET_FEATURES,
      ...ADD_MEM_REGS,
      ...ring(1),
      ...enables(frontEnd, 1),
      ...CALLS,
    ]);
    m.status(0x0f);
    expect(m.messages()).toEqual([]);
  });
});

test('2.3 "qemu-8.1" never sends 34, though RESET_DEVICE is negotiated [measured]', () => {
  const m = machine("qemu-8.1", BACK_END_VARIANTS.rekick);
  m.connect();
  m.reset();
  m.placeBar();
  m.status(0);
  m.start();
  m.reset();
  const lines = m.messages();
  expect(lines).toContain("16 0x1 8 0xa029");
  expect(lines.filter((line) => line.startsWith("34 "))).toEqual([]);
});

test("2.2 (a) the later front-end also takes DEVICE_STATE (19): against Rust virtiofsd 1.13.2 0xa42b and 0x8a42b [measured]", () => {
  const offer: Variant = { ...BACK_END_VARIANTS["rust-0.10"], protocolFeatures: 0x8a42bn };
  const taken = (frontEnd: FrontEndName) => {
    const m = machine(frontEnd, offer);
    m.connect();
    return m.messages().filter((line) => line.startsWith("16 "));
  };
  expect(taken("qemu-8.1")).toEqual(["16 0x1 8 0xa42b"]);
  expect(taken("qemu-8.2")).toEqual(["16 0x1 8 0x8a42b"]);
});

test("9 VRING_ADDR carries front-end addresses of the driver's areas, used before avail (3)", () => {
  const m = powered("qemu-8.1", BACK_END_VARIANTS.rekick);
  m.start();
  const bodies = m.channel.log.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset));
  const region = bodies.filter((view) => view.getUint32(0, true) === 37)[2]!; // first request, its ack, the second one
  const addr = bodies.find((view) => view.getUint32(0, true) === 9)!;
  const [gpa, , uaddr] = [20, 28, 36].map((at) => region.getBigUint64(at, true)) as [bigint, bigint, bigint];
  const { desc, avail, used } = m.rig.areas(1);
  const driver = [desc, used, avail].map((offset) => 0x8000_0000n + BigInt(offset));
  expect([20, 28, 36].map((at) => addr.getBigUint64(at, true) - uaddr + gpa)).toEqual(driver);
  expect(uaddr).not.toBe(gpa);
});

describe("without REPLY_ACK (2.4, 2.3 last column) [read or inferred, no trace]", () => {
  const PLAIN: Variant = {
    ...BACK_END_VARIANTS["rust-0.10"],
    protocolFeatures: BACK_END_VARIANTS["rust-0.10"].protocolFeatures & ~(1n << 3n),
  };
  const FENCE = ["1 0x1 0", "1 0x5 8 0x170000000"];
  const unacked = ADD_MEM_REGS.filter((line) => !line.startsWith("37 0x5")).map((line) => line.replace("0x9", "0x1"));

  it("SET_BACKEND_REQ_FD and the memory messages are not waited for", () => {
    const m = machine("qemu-8.2", PLAIN);
    m.connect();
    expect(m.messages()).toEqual(
      connect({ ...BACK_ENDS["rust-0.10"], protocol: "0x8421" as "0x8429" }).flatMap((line) =>
        line.startsWith("21 0x5") ? [] : [line.replace("21 0x9", "21 0x1")],
      ),
    );
  });

  it("8.2 fences each 18 with a whole GET_FEATURES exchange, on start and stop: 18, 1*, 18, 1*", () => {
    const m = powered("qemu-8.2", PLAIN);
    m.start();
    expect(m.messages()).toEqual([
      ...CALLS,
      SET_FEATURES,
      ...unacked,
      ...ring(1),
      "18 0x1 8 q0 1",
      ...FENCE,
      "18 0x1 8 q1 1",
      ...FENCE,
      ...CALLS,
    ]);
    m.status(0);
    expect(m.messages()).toEqual([
      "18 0x1 8 q0 0",
      ...FENCE,
      "18 0x1 8 q1 0",
      ...FENCE,
      "11 0x1 8 q1 0",
      "11 0x5 8 q1 0",
      "13 0x1 8 q0 +q0.masked-call",
      "13 0x1 8 q1 +q1.masked-call",
    ]);
  });

  it("8.1 waits for nothing in the whole burst", () => {
    const m = powered("qemu-8.1", PLAIN);
    m.start();
    expect(m.messages()).toEqual([...CALLS, SET_FEATURES, ...unacked, ...ring(1), ...enables("qemu-8.1", 1), ...CALLS]);
  });
});

describe("without CONFIGURE_MEM_SLOTS (2.2, variants) [read]", () => {
  const TABLES: Variant = {
    ...BACK_END_VARIANTS.rekick,
    protocolFeatures: BACK_END_VARIANTS.rekick.protocolFeatures & ~(1n << 15n),
  };
  const SET_MEM_TABLE = [
    [
      "5 0x9 72 n=2 pad=0",
      "gpa=0x80000000 size=0xa0000 offset=0x0",
      "gpa=0x80100000 size=0x100000 offset=0x100000",
      "+memory",
      "+memory",
    ].join(" "),
    "5 0x5 8 = 0",
  ];

  it("no 36 at connect", () => {
    const m = machine("qemu-8.1", TABLES);
    m.connect();
    expect(m.messages().filter((line) => line.startsWith("36 "))).toEqual([]);
  });

  it("one 5 SET_MEM_TABLE at every start, first and restart, in the place of the 37s", () => {
    const m = powered("qemu-8.1", TABLES);
    for (const kick of [0, 1]) {
      m.status(0);
      m.messages();
      m.start();
      expect(m.messages()).toEqual([
        ...CALLS,
        SET_FEATURES,
        ...SET_MEM_TABLE,
        ...ring(1, { kick }),
        ...enables("qemu-8.1", 1),
        ...CALLS,
      ]);
    }
  });
});

test("2.5: what QEMU 7.2-8.1 streams from its last round trip on: 8 messages at first start, 11 at a restart", () => {
  const m = powered("qemu-8.1", BACK_END_VARIANTS["rust-0.10"]);
  const streamed = () => {
    const lines = m.messages();
    return lines.length - 1 - lines.findLastIndex((line) => line.includes(" 0x5 "));
  };
  m.start();
  expect(streamed()).toBe(8);
  m.status(0);
  m.messages();
  m.start();
  expect(streamed()).toBe(11);
});
