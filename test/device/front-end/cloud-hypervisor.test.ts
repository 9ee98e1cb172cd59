// cloud-hypervisor's message sequences, derived by hand from protocol.md 2.7 [read, no trace]; 3 the bytes. A line is a
// message or a reply, as in messages.test.ts. The order within each row of the table is the table's; which protocol
// features it asks for was not read, so the payload of 16 is inferred.

import { describe, expect, it, test } from "vitest";
import type { Variant } from "../../../device/back-end/back-end.js";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { BackEndError } from "../../../device/front-end/vhost-device.js";
import { settle, Thread } from "../thread.js";
import { COMMON, Machine } from "./machine.js";

const REKICK = BACK_END_VARIANTS.rekick;
const RUST = BACK_END_VARIANTS["rust-0.10"];

/** "From here NEED_REPLY": flags 0x9, and the ACK read before the next message. */
const acked = (...lines: string[]): string[] => lines.flatMap((line) => [line, `${line.split(" ")[0]} 0x5 8 = 0`]);

const connect = (features: string, offered: string, taken: string): string[] => [
  "3 0x1 0",
  "1 0x1 0",
  `1 0x5 8 ${features}`,
  "15 0x1 0",
  `15 0x5 8 ${offered}`,
  `16 0x1 8 ${taken}`,
];

/** SET_FEATURES (VERSION_1 and bit 30), SET_MEM_TABLE: our board's two regions. */
const HEAD = acked(
  "2 0x9 8 0x140000000",
  "5 0x9 72 n=2 pad=0 gpa=0x80000000 size=0xa0000 offset=0x0 gpa=0x80100000 size=0x100000 offset=0x100000 +memory +memory",
);
const num = (q: number) => acked(`8 0x9 8 q${q} 128`);
/** "Per queue: ADDR, BASE, CALL, KICK". The kick eventfd is always the same. */
const ring = (q: number, base = 0) =>
  acked(
    `9 0x9 40 q${q} flags=0 log=0`,
    `10 0x9 8 q${q} ${base}`,
    `13 0x9 8 q${q} +q${q}.call`,
    `12 0x9 8 q${q} +q${q}.kick0`,
  );
const enable = (q: number, on: 0 | 1) => acked(`18 0x9 8 q${q} ${on}`);
const BACKEND_REQ = acked("21 0x9 0 +socket");

function powered(backEnd: Variant = REKICK, options?: ConstructorParameters<typeof Machine>[2]): Machine {
  const m = new Machine("cloud-hypervisor", backEnd, options);
  m.connect();
  m.reset();
  m.placeBar();
  m.status(0);
  m.messages();
  return m;
}

describe("2.7, message by message", () => {
  it.each([
    ["rekick", connect("0x970000000", "0xa029", "0x8029")],
    ["rust-0.10", connect("0x170000000", "0x8429", "0x8429")],
    ["c", connect("0x175000000", "0x8c2b", "0x842b")],
  ] as const)(
    "connect: SET_OWNER, GET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES; %s",
    (backEnd, lines) => {
      const m = new Machine("cloud-hypervisor", BACK_END_VARIANTS[backEnd]);
      m.connect();
      expect(m.messages()).toEqual(lines);
      m.reset();
      expect(m.messages()).toEqual([]);
    },
  );

  test("activate, inside the DRIVER_OK write: the one queue that the driver enabled", () => {
    const m = powered();
    m.negotiate();
    m.addQueue(1);
    expect(m.messages()).toEqual([]);
    m.status(0x0f);
    expect(m.messages()).toEqual([...HEAD, ...num(1), ...ring(1), ...enable(1, 1), ...BACKEND_REQ]);
    m.status(0x0f);
    expect(m.messages()).toEqual([]);
  });

  test("activate with all queues: NUM of all, then each queue's four, then ENABLE of all", () => {
    const m = powered();
    m.negotiate();
    m.addQueue(0);
    m.addQueue(1);
    m.status(0x0f);
    const queues = [...num(0), ...num(1), ...ring(0), ...ring(1), ...enable(0, 1), ...enable(1, 1)];
    expect(m.messages()).toEqual([...HEAD, ...queues, ...BACKEND_REQ]);
  });

  test("reset: ENABLE(0) for all queues only; the next start begins at the ring's avail.idx, with the same eventfd", () => {
    const m = powered();
    m.start();
    m.messages();
    m.status(0);
    expect(m.messages()).toEqual(enable(1, 0));
    m.status(0);
    expect(m.messages()).toEqual([]);
    m.rig.setAvailIdx(1, 5);
    m.start();
    expect(m.messages()).toEqual([...HEAD, ...num(1), ...ring(1, 5), ...enable(1, 1), ...BACKEND_REQ]);
  });

  test("pause and resume: ENABLE(0), ENABLE(1), nothing else", () => {
    const m = powered();
    m.start();
    m.messages();
    m.run(m.frontEnd.vmStop(m.pci));
    expect(m.messages()).toEqual(enable(1, 0));
    m.run(m.frontEnd.vmCont(m.pci, 1));
    expect(m.messages()).toEqual(enable(1, 1));
  });

  test("reconnect: SET_OWNER, GET_FEATURES, SET_PROTOCOL_FEATURES, then activate, from the ring's avail.idx", () => {
    const m = powered(RUST, { restarts: true });
    m.start();
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    m.messages();
    m.run(m.frontEnd.reconnect(m.pci));
    const begin = ["3 0x1 0", "1 0x1 0", "1 0x5 8 0x170000000", "16 0x1 8 0x8429"];
    expect(m.messages()).toEqual([...begin, ...HEAD, ...num(1), ...ring(1, 1), ...enable(1, 1), ...BACKEND_REQ]);
    m.rig.offer(1, "again");
    m.notify(1);
    m.settle();
    expect(m.rig.reply(1, 5)).toBe("again");
  });

  test("NUM is the maximum size, whatever the driver chose", () => {
    const m = powered();
    m.negotiate();
    m.write(COMMON + 22, 2, 1);
    m.write(COMMON + 24, 2, 4);
    m.addQueue(1);
    m.status(0x0f);
    expect(m.messages()).toContain("8 0x9 8 q1 128");
  });

  test("bus mastering turned off is nothing to it", () => {
    const m = powered();
    m.start();
    m.messages();
    m.command(0x2);
    m.command(0x6);
    m.status(0x0f);
    expect(m.messages()).toEqual([]);
  });

  it("asks for no ACK where REPLY_ACK is not negotiated", () => {
    const m = powered({ ...REKICK, protocolFeatures: REKICK.protocolFeatures & ~(1n << 3n) });
    m.start();
    expect(m.messages().filter((line) => / 0x(9|5) /.test(line))).toEqual([]);
  });

  it("takes a refused request for the device's end", () => {
    const m = powered({ ...REKICK, demandedFeatures: 1n << 28n });
    m.negotiate();
    expect(() => m.status(0x0f)).toThrow(new BackEndError("the back-end refused SET_FEATURES"));
  });
});

describe("kick eventfds", () => {
  const count = (m: Machine) => m.rig.queues[1]!.kicks[0]!.eventfd.count();

  it.each([0, 1] as const)("are made with the device, with %i, and are not charged again", (kickCount) => {
    const m = powered(RUST, { kickCount });
    expect(count(m)).toBe(kickCount);
    m.start();
    m.settle();
    expect(count(m)).toBe(0);
    m.status(0);
    m.start();
    expect(count(m)).toBe(0);
  });

  it("keep a notification that comes before DRIVER_OK", () => {
    const m = powered(RUST, { kickCount: 0 });
    m.negotiate();
    m.addQueue(1);
    m.notify(1);
    expect(count(m)).toBe(1);
  });
});

// Without those that abort at a queue's second SET_VRING_KICK, as the C virtiofsd does.
const RESTARTABLE = Object.entries(BACK_END_VARIANTS).filter(([, { abortsAtKick }]) => !abortsAtKick);

it.each(RESTARTABLE)("serves requests before and after a reset, with %s", (_, backEnd) => {
  const m = powered(backEnd);
  for (const text of ["first", "second"]) {
    m.start();
    m.rig.offer(1, text);
    m.notify(1);
    m.settle();
    expect(m.rig.reply(1, text.length)).toBe(text);
    m.status(0);
    m.rig.clearRing(1);
  }
});

test("a worker that has copied `enabled` is not waited for: it may look at the ring after status reads 0 (2.7, 4.2 W4)", () => {
  const m = powered(RUST);
  m.start();
  m.settle();
  const worker = m.rig.workers[0]!;
  m.rig.offer(1);
  m.notify(1);
  worker.run("q1.enabled.load");
  while (worker.next !== "q1.lock.lock") worker.step(); // W5
  const vcpu = new Thread(() => m.bus.write(COMMON + 20, 0, 1, 0), false);
  settle([vcpu, m.rig.control]);
  expect(vcpu.ended).toBe(true);
  expect([m.pci.status, m.rig.usedIdx(1)]).toEqual([0, 0]);
  m.settle();
  expect(m.rig.usedIdx(1)).toBe(1);
});
