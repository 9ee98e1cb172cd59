// What the vhost-user front-end does beside the messages of messages.test.ts: eventfds (protocol.md 2.1), what the guest
// is offered, rings that cannot be started (P2), reset with requests in flight (P8), and back-ends that break the
// protocol (2.4).

import { describe, expect, it, test } from "vitest";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { FRONT_END_VARIANTS } from "../../../device/front-end/variants.js";
import { BackEndError } from "../../../device/front-end/vhost-device.js";
import { VHOST_USER_GET_FEATURES, VHOST_USER_SET_VRING_ENABLE } from "../../../device/spec/vhost-user.js";
import { Channel } from "../../../device/vhost-user/channel.js";
import { ack, encode, isRefused, type Message, reply } from "../../../device/vhost-user/message.js";
import { settle, Thread } from "../thread.js";
import { run } from "../../vm/run.js";
import { COMMON, Machine, NOTIFY } from "./machine.js";

const REKICK = BACK_END_VARIANTS.rekick;

function powered(...[frontEnd, backEnd = REKICK, options]: Partial<ConstructorParameters<typeof Machine>>): Machine {
  const m = new Machine(frontEnd ?? FRONT_END_VARIANTS["qemu-8.1"], backEnd, options);
  m.connect();
  m.reset();
  m.placeBar();
  m.status(0);
  m.messages();
  return m;
}

const status = (m: Machine): number => m.read(COMMON + 20, 1);

describe("eventfds (2.1)", () => {
  const kickOf = (m: Machine, generation: number) => m.rig.queues[1]!.kicks[generation]!.eventfd;

  test("a notification before DRIVER_OK has no effect at all", () => {
    const m = powered();
    m.negotiate();
    m.addQueue(1);
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect([kickOf(m, 0).count(), kickOf(m, 1).count()]).toEqual([0, 0]);
    expect(m.messages()).toEqual([]);
  });

  test("the kick eventfd is born with count 1, a notification adds 1 and traps no more", () => {
    const m = powered();
    const steps = (): string[] => {
      const names: string[] = [];
      run(m.bus.write(NOTIFY + 4, 0, 2, 1), names);
      return names;
    };
    m.negotiate();
    m.addQueue(1);
    // The vCPU alone, and a back-end that answers: its worker does not run.
    const vcpu = new Thread(() => m.bus.write(COMMON + 20, 0, 1, 0x0f), false);
    while (!vcpu.ended) settle([vcpu, m.rig.control]);
    m.rig.control.run();
    expect(kickOf(m, 0).count()).toBe(2); // 1, and rekick's own
    m.notes.splice(0);
    expect(steps()).toEqual(["q1.kick0.add"]);
    expect(kickOf(m, 0).count()).toBe(3);
    expect(m.notes).toEqual([]);
  });

  test("10, G6: a front-end that does not charge it: born with 0, the back-end's epoll is not woken", () => {
    const m = powered(undefined, BACK_END_VARIANTS["rust-0.10"], { kickCount: 0 });
    m.start();
    m.settle();
    expect(m.rig.workers[0]!.steps).toEqual([]);
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect(m.rig.usedIdx(1)).toBe(1);
  });

  test("what is left in it at the stop is cleared; the next start has a new one, again with count 1", () => {
    const m = powered();
    m.start();
    m.settle();
    const control = [m.rig.control];
    m.notify(1); // nobody reads it
    const vcpu = new Thread(() => m.bus.write(COMMON + 20, 0, 1, 0), false);
    while (!vcpu.ended) settle([vcpu, ...control]);
    expect(kickOf(m, 0).count()).toBe(0);
    m.start();
    m.settle();
    expect(m.rig.roundTrip(1, "again", 1)).toBe(true);
    expect(kickOf(m, 0).count()).toBe(0);
  });

  test("after the stop a notification traps again, and has no effect", () => {
    const m = powered();
    m.start();
    m.status(0);
    m.notify(1);
    expect([kickOf(m, 0).count(), kickOf(m, 1).count()]).toEqual([0, 0]);
  });

  test("what the call eventfds hold becomes ISR bit 0 when the driver looks, and is gone then", () => {
    const m = powered();
    const isr = () => m.read(0x4000_1000, 1);
    m.start();
    m.settle();
    expect(isr()).toBe(0);
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect(isr()).toBe(1);
    expect(isr()).toBe(0);
  });
});

test("the guest is offered what the back-end offers, but for bit 30 and what vhost-user-fs does not know", () => {
  // c offers VERSION_1 (32), EVENT_IDX (29), INDIRECT_DESC (28), and LOG_ALL (26), NOTIFY_ON_EMPTY (24), bit 30.
  expect(powered(undefined, BACK_END_VARIANTS.c).frontEnd.offeredFeatures()).toEqual([0x3000_0000, 1]);
  const plain = { ...REKICK, features: 0x1_4000_0000n };
  expect(powered(undefined, plain).frontEnd.offeredFeatures()).toEqual([0, 1]);
});

test("a device with event_idx off does not offer EVENT_IDX, whatever the back-end does", () => {
  const options = { eventIdx: false };
  for (const frontEnd of [undefined, "cloud-hypervisor"] as const)
    expect(powered(frontEnd, BACK_END_VARIANTS.c, options).frontEnd.offeredFeatures()).toEqual([0x1000_0000, 1]);
});

test("IN_ORDER (35) is offered by a device with in_order on, where the back-end has it", () => {
  const offered = (backEnd: typeof REKICK, inOrder: boolean) =>
    powered(undefined, backEnd, { inOrder }).frontEnd.offeredFeatures();
  expect(offered(REKICK, true)).toEqual([0x3000_0000, 0b1001]);
  expect(offered(REKICK, false)).toEqual([0x3000_0000, 1]);
  expect(offered(BACK_END_VARIANTS.c, true)).toEqual([0x3000_0000, 1]);
});

describe("queues", () => {
  test("2.2 (b) addresses reach the device in the queue_enable write: a queue that is not enabled is not started", () => {
    const m = powered();
    m.negotiate();
    const { desc, avail, used } = m.rig.areas(0);
    m.placeQueue(0, { desc: 0x8000_0000 + desc, driver: 0x8000_0000 + avail, device: 0x8000_0000 + used });
    m.addQueue(1);
    m.status(0x0f);
    const about = (q: number) => m.messages().filter((line) => new RegExp(`^(8|9|10|11|12) .*q${q}`).test(line));
    expect(about(0)).toEqual([]);
    m.status(0);
    expect(about(0)).toEqual([]);
  });

  test.each([
    ["beyond RAM", { desc: 0x8020_0000 }],
    ["its used part beyond RAM", { device: 0x801f_fff0 }],
    ["in a BAR", { driver: 0x4000_0000 }],
    ["across the hole", { desc: 0x8009_ff00 }],
    ["one part over another", { device: 0x8011_0000 }],
  ])("P2 a ring %s is not started: DEVICE_NEEDS_RESET, no ring message; the next driver gets a device", (_, at) => {
    const m = powered();
    m.negotiate();
    m.placeQueue(1, { desc: 0x8011_0000, driver: 0x8011_0800, device: 0x8011_1000, ...at });
    m.enableQueue();
    m.status(0x0f);
    expect(m.messages().filter((line) => /^(8|9|10|12) /.test(line))).toEqual([]);
    expect(status(m) & 0x40).toBe(0x40);
    expect(m.notes).toContain("Driver bug: q1: the ring is not in guest RAM or not aligned (virtio 1.4, 2.7)");
    m.status(0);
    expect(status(m)).toBe(0);
    m.start();
    m.settle();
    expect(m.rig.usedIdx(1)).toBe(0);
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect(m.rig.usedIdx(1)).toBe(1);
  });

  test("a ring of 32768 entries, and of 1", () => {
    const m = powered(undefined, undefined, { queueSize: 32768 });
    m.negotiate();
    // 512 KiB of descriptors, 64 KiB + 6 of avail, 256 KiB + 6 of used.
    m.placeQueue(1, { desc: 0x8010_0000, driver: 0x8018_0000, device: 0x8019_1000 });
    m.enableQueue();
    m.write(COMMON + 22, 2, 0);
    m.write(COMMON + 24, 2, 1);
    m.placeQueue(0, { desc: 0x8001_0000, driver: 0x8001_0010, device: 0x8001_0020 });
    m.enableQueue();
    m.status(0x0f);
    const lines = m.messages();
    expect(lines).toContain("8 0x1 8 q1 32768");
    expect(lines).toContain("8 0x1 8 q0 1");
    expect(status(m) & 0x40).toBe(0);
  });
});

describe("enable-at queue-enable", () => {
  it("starts later queues one by one, each with its four messages and its own 18", () => {
    const m = powered(undefined, undefined, { enableAt: "queue-enable" });
    m.negotiate();
    m.addQueue(1);
    m.messages();
    m.addQueue(0);
    expect(m.messages()).toEqual([
      "8 0x1 8 q0 128",
      "10 0x1 8 q0 0",
      "9 0x1 40 q0 flags=0 log=0",
      "12 0x1 8 q0 +q0.kick0",
      "18 0x1 8 q0 1",
    ]);
  });
});

describe.each(Object.entries(BACK_END_VARIANTS))("P8 reset with requests in flight: %s", (name, backEnd) => {
  const frontEnds = Object.keys(FRONT_END_VARIANTS) as (keyof typeof FRONT_END_VARIANTS)[];
  // qemu-7.1 with rust-0.12 has no requests in flight: its rings are never enabled (messages.test.ts).
  test.each(frontEnds.filter((frontEnd) => !(frontEnd === "qemu-7.1" && name === "rust-0.12")))(
    "%s: status reads 0 only when the data plane is quiet, and nothing is written after that",
    (frontEnd) => {
      const m = powered(FRONT_END_VARIANTS[frontEnd], backEnd);
      m.start();
      m.settle();
      const worker = m.rig.workers[m.rig.workers.length - 1]!;
      m.rig.offer(1);
      m.notify(1);
      worker.run("q1.used.idx"); // in the middle of the request
      expect(worker.next).toBe("q1.used.idx");

      const vcpu = new Thread(() => m.bus.write(COMMON + 20, 0, 1, 0), false);
      settle([vcpu, m.rig.control]);
      expect(vcpu.ended).toBe(false); // the vCPU is held
      expect(m.pci.status).toBe(0x0f);

      while (!vcpu.ended) expect(settle([vcpu, m.rig.control]) || worker.step()).toBe(true);
      expect(status(m)).toBe(0);
      expect(m.rig.usedIdx(1)).toBe(1);
      m.rig.ram.bytes.fill(0x5a, 0x10_0000);
      m.settle();
      expect(m.rig.ram.bytes.subarray(0x10_0000).every((byte) => byte === 0x5a)).toBe(true);

      m.rig.clearRing(1);
      m.start();
      m.settle();
      expect(m.rig.roundTrip(1, "next", 1)).toBe(true);
    },
  );
});

describe("a back-end that breaks the protocol (2.4): BackEndError, nothing worse", () => {
  /** A connect or a start, with the other end in the test's hand. */
  function against(answer: (message: Message, m: Machine) => Uint8Array | "hang up" | undefined, start = false) {
    const m = start ? powered(FRONT_END_VARIANTS["qemu-8.2"]) : new Machine(FRONT_END_VARIANTS["qemu-8.2"], REKICK);
    if (start) {
      m.negotiate();
      m.addQueue(1);
    }
    const backEnd = new Channel(m.rig.toFrontEnd, m.rig.toBackEnd);
    const frontEnd = new Thread(() => (start ? m.bus.write(COMMON + 20, 0, 1, 0x0f) : m.frontEnd.connect()), false);
    for (;;) {
      frontEnd.run();
      if (m.rig.toBackEnd.blocked(12, 0)) return frontEnd;
      const message = run(backEnd.receive());
      if (typeof message !== "object" || isRefused(message)) throw new Error("the front-end sent nonsense");
      const bytes = answer(message, m);
      if (bytes === "hang up") run(backEnd.close());
      else if (bytes) run(m.rig.toFrontEnd.send(bytes)[Symbol.iterator]());
    }
  }

  const u64 = (id: number, value: bigint) => encode(reply(id, { kind: "u64", value }));
  const GETS: Readonly<Record<number, bigint>> = { 1: 0x1_4000_0000n, 15: 0x8029n, 17: 2n, 36: 8n };
  const honest = ({ request: id, flags }: Message): Uint8Array | undefined =>
    GETS[id] !== undefined ? u64(id, GETS[id]) : flags & 8 ? encode(ack(id, 0n)) : undefined;

  test("an honest one is connected to, and started", () => {
    expect(against(honest).ended).toBe(true);
    expect(against(honest, true).ended).toBe(true);
  });

  test("a refused SET_VRING_ENABLE (an ACK other than 0)", () => {
    const refuse = (m: Message) => (m.request === VHOST_USER_SET_VRING_ENABLE ? encode(ack(m.request, 5n)) : honest(m));
    expect(() => against(refuse, true)).toThrow(new BackEndError("the back-end refused SET_VRING_ENABLE"));
  });

  test("it hangs up instead of answering", () => {
    const gone = new BackEndError("the back-end hung up instead of answering GET_FEATURES");
    expect(() => against(() => "hang up")).toThrow(gone);
  });

  test.each([
    ["the reply to another request", u64(15, 0n), "reply to another request"],
    ["flags other than 0x5", u64(1, 0n).map((byte, i) => (i === 4 ? 0x0d : byte)), "need_reply flag in a reply"],
    [
      "a request in the place of the reply",
      u64(1, 0n).map((byte, i) => (i === 4 ? 1 : byte)),
      "no reply flag in a reply",
    ],
    ["another size", u64(1, 0n).map((byte, i) => (i === 8 ? 9 : byte)), "payload size wrong for the message"],
  ])("%s", (_, bytes, rule) => {
    const lie = (m: Message) => (m.request === VHOST_USER_GET_FEATURES ? bytes : honest(m));
    expect(() => against(lie)).toThrow(new BackEndError(`the back-end's answer to GET_FEATURES: ${rule}`));
  });

  test("too few queues", () => {
    const few = (m: Message) => (m.request === 17 ? u64(17, 1n) : honest(m));
    expect(() => against(few)).toThrow(new BackEndError("the back-end serves 1 queues only"));
  });

  it("without bit 30 there are no protocol features, and none of their messages", () => {
    const ids: number[] = [];
    const old = (m: Message) => {
      ids.push(m.request);
      return m.request === 1 ? u64(1, 0x1_0000_0000n) : honest(m);
    };
    expect(against(old).ended).toBe(true);
    expect(ids).toEqual([1, 3, 1, 13, 14, 13, 14]);
  });

  it("and no 18, which needs bit 30: the rings are enabled at SET_FEATURES (2.3, 3)", () => {
    const m = powered(FRONT_END_VARIANTS["qemu-8.2"], { ...REKICK, features: 0x1_0000_0000n });
    m.start();
    m.settle();
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect(m.rig.usedIdx(1)).toBe(1);
    m.status(0);
    expect(m.messages().map((line) => line.split(" ")[0])).toEqual(
      // CALL, CALL, FEATURES, MEM_TABLE (no slots), NUM, BASE, ADDR, KICK, CALL, CALL; GET_VRING_BASE, CALL, CALL.
      ["13", "13", "2", "5", "8", "10", "9", "12", "13", "13", "11", "11", "13", "13"],
    );
  });
});
