// How the device interrupts (virtio 1.4, 4.1.5.3, 4.1.5.4), with a real back-end beside it: CALL messages with MSI-X as
// protocol.md 2.1 and 2.2 (c) "Variants" have them (read there, not traced), masks and pending bits, INTx, the
// configuration change interrupt, and bus mastering.

import { describe, expect, it, test } from "vitest";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { FRONT_END_VARIANTS } from "../../../device/front-end/variants.js";
import type { VirtioPciOptions } from "../../../device/front-end/virtio-pci.js";
import { settle, Thread } from "../thread.js";
import { perform } from "../back-end/rig.js";
import { COMMON, Machine } from "./machine.js";

// By hand: configuration space of device 1; BAR 1 put at 0x50000000; the MSI-X capability is the last one, at
// 0x40 + 16 + 16 + 16 + 20 + 20. The board takes messages at 0x28000000, with the interrupt's number as data.
const CONFIG = 0x3000_8000;
const ISR = COMMON + 0x1000;
const TABLE = 0x5000_0000;
const PBA = TABLE + 0x800;
const CONTROL = CONFIG + 0x98 + 2;
const ENABLE = 0x8000;
const MASKALL = 0x4000;
const MSI = 0x2800_0000;
const INTX = 0x8000_0000;
const NO_VECTOR = 0xffff;
const CONFIG_VECTOR = COMMON + 16;
const QUEUE_VECTOR = COMMON + 26;

class Guest extends Machine {
  constructor(
    backEnd: keyof typeof BACK_END_VARIANTS = "rekick",
    enableAt: VirtioPciOptions["enableAt"] = "driver-ok",
  ) {
    super(FRONT_END_VARIANTS["qemu-8.1"], BACK_END_VARIANTS[backEnd], { enableAt });
    this.connect();
    this.reset();
    this.placeBar();
    this.write(CONFIG + 0x14, 4, TABLE);
    this.status(0);
    this.messages();
  }

  /** Vector i sends interrupt 10 + i. */
  enableMsix(control = ENABLE): void {
    for (const vector of [0, 1, 2]) {
      this.write(TABLE + 16 * vector, 4, MSI);
      this.write(TABLE + 16 * vector + 8, 4, 10 + vector);
      this.mask(vector, false);
    }
    this.write(CONTROL, 2, control);
  }

  mask(vector: number, masked: boolean): void {
    this.write(TABLE + 16 * vector + 12, 4, Number(masked));
  }

  vector(queue: number, vector: number): number {
    this.write(COMMON + 22, 2, queue);
    this.write(QUEUE_VECTOR, 2, vector);
    return this.read(QUEUE_VECTOR, 2);
  }

  /** A driver's initialisation: both queues, with these vectors (queue 0, queue 1, configuration). */
  startWith(vectors: readonly [number, number, number], low = 0): void {
    this.negotiate(low);
    this.write(CONFIG_VECTOR, 2, vectors[2]);
    for (const queue of [0, 1]) {
      this.vector(queue, vectors[queue]!);
      this.addQueue(queue);
    }
    this.status(0x0f);
    this.settle();
  }

  /** A request on a queue, up to the back-end's call. */
  request(queue: number): void {
    this.rig.offer(queue);
    this.notify(queue);
    this.settle();
  }

  /** What `wfi` gives, as numbers of interrupts; nothing where it would wait. */
  interrupts(): number[] {
    const op = this.rig.irq.wfi();
    const bits = op.enabled() ? perform(op) : 0;
    return Array.from({ length: 32 }, (_, n) => n).filter((n) => bits & (1 << n));
  }

  pending(): number {
    return this.read(PBA, 4);
  }
}

const lines = (messages: string[], ids: readonly string[]): string[] =>
  messages.filter((line) => ids.includes(line.split(" ")[0]!));
const CALLS = ["12", "13", "18", "11"];

describe("messages with MSI-X (2.2, variants)", () => {
  test("start: CALLs by the vectors that are unmasked, in vector order, and again for all queues at the end", () => {
    const m = new Guest();
    m.enableMsix();
    m.messages();
    m.startWith([2, 1, 0]);
    expect(lines(m.messages(), CALLS)).toEqual([
      "13 0x1 8 q1 +q1.call", // vector 1
      "13 0x1 8 q0 +q0.call", // vector 2
      "12 0x1 8 q0 +q0.kick0",
      "12 0x1 8 q1 +q1.kick0",
      "18 0x1 8 q0 1",
      "18 0x1 8 q1 1",
      "13 0x1 8 q0 +q0.call", // vuf_start: "just unmask everything here"
      "13 0x1 8 q1 +q1.call",
    ]);
  });

  test("a queue with NO_VECTOR gets a CALL with the no-fd bit right after its KICK", () => {
    const m = new Guest();
    m.enableMsix();
    m.messages();
    m.startWith([NO_VECTOR, 1, 0]);
    expect(lines(m.messages(), CALLS)).toEqual([
      "13 0x1 8 q1 +q1.call",
      "12 0x1 8 q0 +q0.kick0",
      "13 0x1 8 q0 no-fd",
      "12 0x1 8 q1 +q1.kick0",
      "18 0x1 8 q0 1",
      "18 0x1 8 q1 1",
      "13 0x1 8 q0 +q0.call",
      "13 0x1 8 q1 +q1.call",
    ]);
  });

  test("stop: masked CALLs by vector, after GET_VRING_BASE; none for a queue without a vector", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([NO_VECTOR, 1, 0]);
    m.messages();
    m.status(0);
    expect(lines(m.messages(), CALLS)).toEqual([
      "18 0x1 8 q0 0",
      "18 0x1 8 q1 0",
      "11 0x1 8 q0 0",
      "11 0x5 8 q0 0",
      "11 0x1 8 q1 0",
      "11 0x5 8 q1 0",
      "13 0x1 8 q1 +q1.masked-call",
    ]);
  });

  test("two queues on one vector: masked and unmasked together, in queue order", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 1, 0]);
    m.messages();
    m.mask(1, true);
    m.mask(0, true); // the configuration's: no queue has it
    expect(m.messages()).toEqual(["13 0x1 8 q0 +q0.masked-call", "13 0x1 8 q1 +q1.masked-call"]);
    m.mask(1, true);
    expect(m.messages()).toEqual([]);
    m.mask(1, false);
    expect(m.messages()).toEqual(["13 0x1 8 q0 +q0.call", "13 0x1 8 q1 +q1.call"]);
  });

  test("function mask, and MSI-X disabled while the device runs, mask every vector", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    for (const off of [ENABLE | MASKALL, 0]) {
      m.messages();
      m.write(CONTROL, 2, off);
      expect(m.messages()).toEqual(["13 0x1 8 q0 +q0.masked-call", "13 0x1 8 q1 +q1.masked-call"]);
      m.write(CONTROL, 2, ENABLE);
      expect(m.messages()).toEqual(["13 0x1 8 q0 +q0.call", "13 0x1 8 q1 +q1.call"]);
    }
  });

  test("none for what is masked, or while the device is stopped", () => {
    const m = new Guest();
    m.enableMsix();
    m.mask(1, true);
    m.mask(1, false);
    expect(m.messages()).toEqual([]);
    m.mask(2, true);
    m.messages();
    m.startWith([1, 2, 0]);
    expect(lines(m.messages(), ["13"])).toEqual([
      "13 0x1 8 q0 +q0.call",
      "13 0x1 8 q0 +q0.call",
      "13 0x1 8 q1 +q1.call",
    ]);
  });
});

// libvhost-user signals each call descriptor that it is given ("I/O hang after reconnecting").
test("used buffers, c: besides, an interrupt for each CALL with a descriptor; a masked one makes the vector pending", () => {
  const m = new Guest("c");
  m.enableMsix();
  m.startWith([1, 2, 0]);
  expect([m.interrupts(), m.interrupts()]).toEqual([[11, 12], []]);
  m.request(1);
  expect(m.interrupts()).toEqual([12]);
  m.mask(2, true);
  m.settle();
  expect([m.interrupts(), m.pending()]).toEqual([[], 0b100]);
  m.mask(2, false);
  expect(m.interrupts()).toEqual([12]);
  m.settle();
  expect(m.interrupts()).toEqual([12]);
});

describe.each(["rekick", "rust-0.10"] as const)("used buffers, %s", (backEnd) => {
  it("are announced by the queue's vector, once, and the ISR stays 0", () => {
    const m = new Guest(backEnd);
    m.enableMsix();
    m.startWith([1, 2, 0]);
    expect(m.interrupts()).toEqual([]);
    m.request(1);
    expect(m.interrupts()).toEqual([12]);
    expect(m.interrupts()).toEqual([]);
    m.request(0);
    m.request(1);
    expect(m.interrupts()).toEqual([11, 12]);
    expect([m.read(ISR, 1), m.read(CONFIG + 6, 2) & 8]).toEqual([0, 0]);
  });

  it("by nothing where the queue has no vector", () => {
    const m = new Guest(backEnd);
    m.enableMsix();
    m.startWith([1, NO_VECTOR, 0]);
    m.request(1);
    expect(m.rig.usedIdx(1)).toBe(1);
    expect(m.interrupts()).toEqual([]);
    m.status(0);
    expect(m.interrupts()).toEqual([]);
  });

  it("that come while the vector is masked are pending, and are announced at the unmask", () => {
    const m = new Guest(backEnd);
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.mask(2, true);
    m.request(1);
    m.request(1);
    expect([m.interrupts(), m.pending()]).toEqual([[], 0b100]);
    m.mask(2, false);
    expect([m.interrupts(), m.pending()]).toEqual([[12], 0]);
    m.request(1);
    expect(m.interrupts()).toEqual([12]);
  });

  it("also where nobody looked at the pending bits", () => {
    const m = new Guest(backEnd);
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.write(CONTROL, 2, ENABLE | MASKALL);
    m.request(1);
    m.write(CONTROL, 2, ENABLE);
    expect(m.interrupts()).toEqual([12]);
  });

  it("with a vector that was masked at DRIVER_OK: pending, though its CALL has the real descriptor", () => {
    const m = new Guest(backEnd);
    m.enableMsix();
    m.mask(2, true);
    m.startWith([1, 2, 0]);
    m.request(1);
    expect([m.interrupts(), m.pending()]).toEqual([[], 0b100]);
    m.mask(2, false);
    expect(m.interrupts()).toEqual([12]);
  });

  it("without MSI-X assert INTA# until the ISR is read", () => {
    const m = new Guest(backEnd);
    m.start();
    m.settle();
    expect(m.interrupts()).toEqual([]);
    m.request(1);
    expect([m.interrupts(), m.interrupts()]).toEqual([[31], [31]]);
    expect(m.read(CONFIG + 6, 2) & 8).toBe(8); // Interrupt Status: which moves the call into the ISR
    expect(m.interrupts()).toEqual([31]);
    expect([m.read(ISR, 1), m.interrupts()]).toEqual([1, []]);
    m.request(1);
    expect(m.interrupts()).toEqual([31]);
    m.status(0);
    expect([m.interrupts(), m.read(ISR, 1)]).toEqual([[], 0]);
  });
});

describe("a call that crosses with the mask", () => {
  /** The worker, on its own: the control plane does not run. */
  const serve = (m: Guest): void => {
    m.rig.offer(1);
    m.notify(1);
    settle(m.rig.workers);
  };

  it("is not delivered, and not lost: the back-end has not seen the masked CALL yet", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.mask(2, true);
    serve(m);
    expect(m.rig.queues[1]!.call.eventfd.count()).toBe(1);
    expect([m.interrupts(), m.pending()]).toEqual([[], 0b100]);
    m.settle();
    m.mask(2, false);
    expect(m.interrupts()).toEqual([12]);
  });

  it("what was delivered before the mask stays delivered", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.request(1);
    m.mask(2, true);
    expect(m.interrupts()).toEqual([12]);
  });

  // QEMU tests the masked notifier right after it has sent the CALL, which it does not wait for (2.4).
  it("as in QEMU, one on the masked notifier after the unmask's test waits for the next unmask", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.mask(2, true);
    m.settle();
    m.mask(2, false);
    serve(m);
    expect(m.rig.queues[1]!.maskedCall.eventfd.count()).toBe(1);
    expect(m.interrupts()).toEqual([]);
    m.settle();
    expect(m.interrupts()).toEqual([]);
    m.mask(2, true);
    m.mask(2, false);
    expect(m.interrupts()).toEqual([12]);
  });
});

describe("vectors (4.1.5.1.2)", () => {
  test("a queue that gets its vector after the first one has started the device (enableAt queue-enable)", () => {
    const m = new Guest("rekick", "queue-enable");
    m.enableMsix();
    m.negotiate();
    m.vector(1, 2);
    m.addQueue(1);
    m.vector(0, 1);
    m.addQueue(0);
    m.status(0x0f);
    m.settle();
    m.request(0);
    expect(m.interrupts()).toEqual([11]);
    m.request(1);
    expect(m.interrupts()).toEqual([12]);
  });

  test("a message that the board takes nowhere is lost, and harms nobody", () => {
    const m = new Guest();
    m.enableMsix();
    m.write(TABLE, 4, 0x8000_0000); // guest RAM
    m.write(TABLE + 16 + 8, 4, 31); // INTx is no message
    m.write(TABLE + 32 + 4, 4, 1); // above 4 GiB
    m.startWith([1, 2, 0]);
    for (const queue of [0, 1]) m.request(queue);
    m.run(m.frontEnd.config.update(0, Uint8Array.of(1)));
    expect(m.interrupts()).toEqual([]);
    expect(m.rig.view.getUint32(0, true)).toBe(0);
  });

  test("one that is moved takes effect at the next unmask", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.mask(2, true);
    m.request(1);
    m.write(TABLE + 32 + 8, 4, 20);
    m.mask(2, false);
    expect(m.interrupts()).toEqual([20]);
  });

  test("a device reset unmaps them, and leaves the table as it is", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.status(0);
    expect(m.read(CONFIG_VECTOR, 2)).toBe(NO_VECTOR);
    for (const queue of [0, 1]) {
      m.write(COMMON + 22, 2, queue);
      expect(m.read(QUEUE_VECTOR, 2)).toBe(NO_VECTOR);
    }
    m.rig.clearRing(0);
    m.rig.clearRing(1);
    m.startWith([2, 1, 0]);
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect(m.interrupts()).toEqual([11]);
  });

  test("a machine reset disables MSI-X and masks all", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.reset();
    m.placeBar();
    m.write(CONFIG + 0x14, 4, TABLE);
    expect([m.read(CONTROL, 2), m.read(TABLE + 12, 4), m.read(TABLE, 4)]).toEqual([2, 1, 0]);
    m.rig.clearRing(1);
    m.start();
    m.settle();
    m.request(1);
    expect(m.interrupts()).toEqual([31]);
  });
});

describe("configuration change (4.1.5.4)", () => {
  const change = (m: Guest, value: number): void => m.run(m.frontEnd.config.update(0, Uint8Array.of(value)));
  const generation = (m: Guest): number => m.read(COMMON + 21, 1);

  it("without MSI-X: ISR bit 1 and the line; config_generation changes with the read of what changed", () => {
    const m = new Guest();
    m.start();
    m.settle();
    m.read(COMMON + 0x2000, 1);
    const before = generation(m);
    change(m, 0x41);
    expect(m.interrupts()).toEqual([31]);
    expect([m.read(ISR, 1), m.interrupts()]).toEqual([2, []]);
    expect(m.read(COMMON + 0x2000, 1)).toBe(0x41);
    expect(generation(m)).toBe(before + 1);
  });

  it("with MSI-X: the configuration's vector, also masked and unmasked; none without a vector", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    change(m, 1);
    expect(m.interrupts()).toEqual([10]);
    m.mask(0, true);
    change(m, 2);
    expect([m.interrupts(), m.pending()]).toEqual([[], 1]);
    m.mask(0, false);
    expect([m.interrupts(), m.pending(), m.read(ISR, 1)]).toEqual([[10], 0, 0]);
    m.write(CONFIG_VECTOR, 2, NO_VECTOR);
    change(m, 3);
    expect(m.interrupts()).toEqual([]);
  });

  it("not before DRIVER_OK", () => {
    const m = new Guest();
    m.negotiate();
    change(m, 1);
    expect([m.interrupts(), m.read(ISR, 1)]).toEqual([[], 0]);
  });
});

describe("the PCI command register", () => {
  it("Interrupt Disable takes the line away and gives it back (PCI 3.0, 6.2.2); the ISR is as it was", () => {
    const m = new Guest();
    m.start();
    m.settle();
    m.request(1);
    m.command(0x406);
    expect([m.interrupts(), m.read(CONFIG + 6, 2) & 8]).toEqual([[], 8]);
    m.command(0x006);
    expect(m.interrupts()).toEqual([31]);
    m.command(0x406);
    expect(m.read(ISR, 1)).toBe(1);
    m.request(1);
    expect(m.interrupts()).toEqual([]);
    m.command(0x006);
    expect([m.interrupts(), m.read(ISR, 1), m.interrupts()]).toEqual([[31], 1, []]);
  });

  it("without Bus Master a message goes nowhere, as any write of the function; the PCI cfg window still works", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    m.command(0x2); // also stops the device
    expect(m.read(COMMON + 20, 1)).toBe(0x0b);
    m.status(0x0f); // a driver that does not mind
    m.settle();
    m.run(m.frontEnd.config.update(0, Uint8Array.of(1)));
    m.request(1);
    expect(m.interrupts()).toEqual([]);
    const window = CONFIG + 0x40 + 16 + 16 + 16 + 20;
    m.write(window + 4, 1, 4);
    m.write(window + 8, 4, 20);
    m.write(window + 12, 4, 1);
    expect(m.read(window + 16, 1)).toBe(0x0f);
    m.command(0x6);
    m.request(1);
    expect(m.interrupts()).toContain(12);
    m.run(m.frontEnd.config.update(0, Uint8Array.of(2)));
    expect(m.interrupts()).toEqual([10]);
  });

  it("MSI-X enabled: INTA# is not asserted, whatever the ISR holds", () => {
    const m = new Guest();
    m.start();
    m.settle();
    m.request(1);
    m.write(CONTROL, 2, ENABLE);
    expect(m.interrupts()).toEqual([]);
    m.write(CONTROL, 2, 0);
    expect(m.interrupts()).toEqual([31]);
  });
});

describe("EVENT_IDX (2.7.7)", () => {
  const usedEvent = (m: Guest, queue: number, value: number): void =>
    m.rig.view.setUint16(m.rig.areas(queue).avail + 4 + 2 * 128, value, true);
  const noInterrupt = (m: Guest, queue: number, flags: number): void =>
    m.rig.view.setUint16(m.rig.areas(queue).avail, flags, true);

  it("with it, an interrupt comes for the used element that used_event names, and for no other", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0], 0x2000_0000);
    usedEvent(m, 1, 1);
    m.rig.offer(1);
    m.notify(1);
    m.settle();
    expect([m.rig.usedIdx(1), m.interrupts()]).toEqual([1, []]);
    m.rig.publish(1, 0, 128);
    m.notify(1);
    m.settle();
    expect([m.rig.usedIdx(1), m.interrupts()]).toEqual([2, [12]]);
    m.rig.publish(1, 0, 128);
    m.notify(1);
    m.settle();
    expect([m.rig.usedIdx(1), m.interrupts()]).toEqual([3, []]);
  });

  it("without it, for each, unless avail.flags says NO_INTERRUPT", () => {
    const m = new Guest();
    m.enableMsix();
    m.startWith([1, 2, 0]);
    noInterrupt(m, 1, 1);
    m.request(1);
    expect([m.rig.usedIdx(1), m.interrupts()]).toEqual([1, []]);
    noInterrupt(m, 1, 0);
    m.rig.publish(1, 0, 128);
    m.notify(1);
    m.settle();
    expect([m.rig.usedIdx(1), m.interrupts()]).toEqual([2, [12]]);
  });
});

test("a vCPU in wfi is woken by the back-end's write, with nobody of the front-end in between", () => {
  const m = new Guest();
  m.enableMsix();
  m.startWith([1, 2, 0]);
  m.rig.offer(1);
  let answer = 0;
  const vcpu = new Thread(function* () {
    yield* m.bus.write(COMMON + 0x3004, 0, 2, 1);
    answer = yield* m.rig.irq.wfi();
  }, false);
  vcpu.run();
  expect([vcpu.ended, vcpu.next]).toEqual([false, "wfi"]);
  settle([vcpu, ...m.rig.workers]);
  expect([vcpu.ended, answer]).toEqual([true, 1 << 12]);
  expect(answer & INTX).toBe(0);
});
