import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VirtioPci, type VirtioPciOptions } from "../../../device/front-end/virtio-pci.js";
import { Bus } from "../../../vm/bus.js";
import { InterruptController } from "../../../vm/irq.js";
import { HostBridge } from "../../../vm/pci/host-bridge.js";
import { run } from "../../vm/run.js";
import { FakeDevice } from "./fake-device.js";

// By hand: ECAM at 0x30000000, device 1 at + 0x8000; BAR 4 put at 0x40000000; structures a page each, common, ISR,
// device, notify, as QEMU lays them out; the capability chain from 0x40 on: 16, 16, 16, 20, 20 bytes.
const CONFIG = 0x30008000;
const BAR = 0x40000000;
const COMMON = BAR;
const ISR = BAR + 0x1000;
const DEVICE = BAR + 0x2000;
const NOTIFY = BAR + 0x3000;
const WINDOW = CONFIG + 0x40 + 16 + 16 + 16 + 20;
const STATUS = COMMON + 20;

function machine(options: Partial<VirtioPciOptions> = {}) {
  const bus = new Bus();
  const bridge = new HostBridge(bus);
  const device = new FakeDevice();
  const irq = new InterruptController(device.memory);
  const notes: string[] = [];
  const pci = new VirtioPci({ bus, irq }, device, {
    classDevice: 0x0180,
    enableAt: "driver-ok",
    note: (name, detail) => notes.push(`${name} ${detail}`),
    ...options,
  });
  bridge.plug(1, pci);
  const steps: string[] = [];
  const r = (address: number, width: number): number => run(bus.read(address, 0, width), steps);
  const w = (address: number, width: number, value: number): void => run(bus.write(address, 0, width, value), steps);
  return { bus, bridge, device, pci, notes, steps, r, w, bugs: () => notes.filter((n) => n.startsWith("Driver bug")) };
}

type Machine = ReturnType<typeof machine>;

/** What firmware does: a place for the BAR, memory decoding and bus mastering on. */
function plugged(options: Partial<VirtioPciOptions> = {}): Machine {
  const all = machine(options);
  all.w(CONFIG + 0x20, 4, BAR);
  all.w(CONFIG + 0x24, 4, 0);
  all.w(CONFIG + 0x04, 2, 0x6);
  return all;
}

/** 3.1.1, steps 1 to 6. */
function negotiate({ w }: Machine, low = 0, high = 1): void {
  w(STATUS, 1, 0);
  w(STATUS, 1, 1);
  w(STATUS, 1, 3);
  for (const [select, word] of [
    [0, low],
    [1, high],
  ] as const) {
    w(COMMON + 8, 4, select);
    w(COMMON + 12, 4, word);
  }
  w(STATUS, 1, 0x0b);
}

function started(options: Partial<VirtioPciOptions> = {}): Machine {
  const all = plugged(options);
  negotiate(all);
  all.w(STATUS, 1, 0x0f);
  return all;
}

describe("PCI device discovery (virtio 1.4, 4.1.2)", () => {
  it("is 1af4:105a, revision 1, with INTA# and a subsystem id from 0x40 up", () => {
    const { r } = machine();
    expect(r(CONFIG, 4)).toBe(0x105a1af4);
    expect(r(CONFIG + 0x08, 4)).toBe(0x01800001);
    expect(r(CONFIG + 0x2c, 4)).toBe(0x11001af4);
    expect(r(CONFIG + 0x3d, 1)).toBe(1);
  });

  it("has BAR 1, 32-bit, 4 KiB (MSI-X), and BAR 4, 64-bit, prefetchable, 16 KiB", () => {
    const { r, w } = machine();
    const sizes = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24].map((register) => {
      w(CONFIG + register, 4, 0xffffffff);
      return r(CONFIG + register, 4);
    });
    expect(sizes).toEqual([0, 0xfffff000, 0, 0, 0xffffc00c, 0xffffffff]);
  });
});

describe("capability chain (4.1.4)", () => {
  it("is walked as a driver walks it", () => {
    const { r } = machine();
    expect(r(CONFIG + 6, 2) & 0x10).toBe(0x10);
    const found: unknown[] = [];
    let last = 0;
    for (let at = r(CONFIG + 0x34, 1); at !== 0 && found.length < 10; at = r(CONFIG + at + 1, 1)) {
      last = at;
      if (r(CONFIG + at, 1) !== 9) continue;
      found.push({
        id: r(CONFIG + at, 1),
        len: r(CONFIG + at + 2, 1),
        type: r(CONFIG + at + 3, 1),
        bar: r(CONFIG + at + 4, 1),
        offset: r(CONFIG + at + 8, 4),
        length: r(CONFIG + at + 12, 4),
        ...(r(CONFIG + at + 2, 1) === 20 ? { extra: r(CONFIG + at + 16, 4) } : {}),
      });
    }
    // PCI 3.0, 6.8.2: id 0x11, control: 3 vectors (table size 2), table at 0 and pending bits at 0x800 of BAR 1.
    expect(last).toBe(0x98);
    expect([r(CONFIG + last, 1), r(CONFIG + last + 2, 2)]).toEqual([0x11, 2]);
    expect([r(CONFIG + last + 4, 4), r(CONFIG + last + 8, 4)]).toEqual([1, 0x801]);
    expect(found).toEqual([
      { id: 9, len: 16, type: 1, bar: 4, offset: 0x0000, length: 0x1000 }, // common configuration
      { id: 9, len: 16, type: 3, bar: 4, offset: 0x1000, length: 0x1000 }, // ISR status
      { id: 9, len: 16, type: 4, bar: 4, offset: 0x2000, length: 0x1000 }, // device configuration
      { id: 9, len: 20, type: 2, bar: 4, offset: 0x3000, length: 0x1000, extra: 4 }, // notifications, multiplier 4
      { id: 9, len: 20, type: 5, bar: 0, offset: 0, length: 0, extra: 0 }, // PCI configuration access
    ]);
  });
});

describe("structures in the BAR", () => {
  it("P6: have nothing for an access that crosses from one into the next, or leaves the BAR", () => {
    const all = started();
    all.device.pending = 1;
    expect([all.r(BAR + 0xfff, 2), all.r(BAR + 0xffe, 4), all.r(BAR + 0x3ffe, 4)]).toEqual([
      0xffff, 0xffffffff, 0xffffffff,
    ]);
    all.w(BAR + 0x2ffe, 4, 0);
    expect(all.bugs()).toEqual([]); // no structure saw it
    expect(all.r(ISR, 1)).toBe(1);
  });
});

describe("VirtioFsDxe's register sequence (EDK2 OvmfPkg; protocol of VirtioFsInit)", () => {
  it("finds the features, tag and queue it wants, and starts the device with queue 1 latched, in one write", () => {
    const all = plugged();
    const { device, r, w, steps, bugs } = all;
    let atStart = "";
    // biome-ignore lint/correctness/useYield: only looks
    device.onSetStatus = function* (next, transport) {
      if (next === 0x0f) atStart = JSON.stringify({ queues: transport.queues, features: transport.driverFeatures });
    };

    for (const value of [0, 1, 3]) w(STATUS, 1, value); // 1 to 3
    w(COMMON + 0, 4, 0); // 4
    expect(r(COMMON + 4, 4)).toBe(0x30000000);
    w(COMMON + 0, 4, 1);
    expect(r(COMMON + 4, 4)).toBe(1); // VERSION_1
    w(COMMON + 8, 4, 0); // 5
    w(COMMON + 12, 4, 0);
    w(COMMON + 8, 4, 1);
    w(COMMON + 12, 4, 1);
    w(STATUS, 1, 0x0b); // 6
    expect(r(STATUS, 1)).toBe(0x0b); // 7
    const tag = Array.from({ length: 36 }, (_, i) => r(DEVICE + i, 1)); // 8
    expect(String.fromCharCode(...tag.slice(0, tag.indexOf(0)))).toBe("myfs");
    expect(r(DEVICE + 36, 4)).toBe(1); // 9
    w(COMMON + 22, 2, 1); // 10
    expect(r(COMMON + 24, 2)).toBe(128); // 11
    w(COMMON + 32, 4, 0x80200000); // 13
    w(COMMON + 36, 4, 0);
    w(COMMON + 40, 4, 0x80200800); // 14
    w(COMMON + 44, 4, 0);
    w(COMMON + 48, 4, 0x80201000); // 15
    w(COMMON + 52, 4, 0);
    steps.length = 0;
    w(COMMON + 28, 2, 1); // 16
    expect(steps).toEqual([]); // latched; no message
    w(STATUS, 1, 0x0f); // 17
    expect(steps).toEqual(["device.store"]); // the write held the vCPU until the device had started
    expect(r(STATUS, 1)).toBe(0x0f);

    expect(device.log).toEqual([
      "reset at status 0",
      "setStatus 0 -> 1",
      "setStatus 1 -> 3",
      "setStatus 3 -> 11",
      "setStatus 11 -> 15",
    ]);
    const none = { lo: 0, hi: 0 };
    expect(JSON.parse(atStart)).toEqual({
      features: [0, 1],
      queues: [
        { size: 128, enabled: false, msixVector: 0xffff, desc: none, driver: none, device: none },
        {
          size: 128,
          enabled: true,
          msixVector: 0xffff,
          desc: { lo: 0x80200000, hi: 0 },
          driver: { lo: 0x80200800, hi: 0 },
          device: { lo: 0x80201000, hi: 0 },
        },
      ],
    });

    // VirtioFlush, step 4: four traps, then the notification.
    expect(r(COMMON + 22, 2)).toBe(1);
    w(COMMON + 22, 2, 1);
    const notifyOff = r(COMMON + 30, 2);
    w(COMMON + 22, 2, 1);
    expect(notifyOff).toBe(1);
    w(NOTIFY + notifyOff * 4, 2, 1);
    expect(device.log.at(-1)).toBe("queueNotify 1");
    expect(bugs()).toEqual([]);
  });

  it("sets FAILED when it gives up", () => {
    const all = plugged();
    negotiate(all);
    all.w(STATUS, 1, 0x8b);
    expect(all.r(STATUS, 1)).toBe(0x8b);
    expect(all.device.log.at(-1)).toBe("setStatus 11 -> 139");
  });
});

describe("queue_enable", () => {
  it('with enableAt "queue-enable" holds the vCPU until the device has dealt with it', () => {
    const all = plugged({ enableAt: "queue-enable" });
    negotiate(all);
    all.w(COMMON + 22, 2, 1);
    all.w(COMMON + 32, 4, 0x80200000);
    all.steps.length = 0;
    all.w(COMMON + 28, 2, 1);
    expect(all.steps).toEqual(["device.store"]);
    expect(all.device.log.at(-1)).toBe(
      'queueEnabled 1: {"size":128,"enabled":true,"msixVector":65535,"desc":{"lo":2149580800,"hi":0},' +
        '"driver":{"lo":0,"hi":0},"device":{"lo":0,"hi":0}}',
    );
    all.w(COMMON + 28, 2, 1);
    expect(all.device.log.filter((line) => line.startsWith("queueEnabled"))).toHaveLength(1);
  });
});

describe("feature negotiation (2.2, P5)", () => {
  it.each([
    ["a bit that was not offered, low word", 1, 1, false],
    ["a bit that was not offered, high word", 0, 3, false],
    ["bit 31", 0x80000000, 1, false],
    ["no VERSION_1", 0x30000000, 0, false],
    ["all that is offered", 0x30000000, 1, true],
    ["VERSION_1 alone", 0, 1, true],
  ])("%s", (_, low, high, granted) => {
    const all = plugged();
    negotiate(all, low, high);
    expect(all.r(STATUS, 1)).toBe(granted ? 0x0b : 3);
    all.w(STATUS, 1, 0x0f);
    expect(all.device.log.includes("setStatus 11 -> 15")).toBe(granted);
  });

  it("can be repeated after a refusal", () => {
    const all = plugged();
    negotiate(all, 1, 1);
    all.w(COMMON + 8, 4, 0);
    all.w(COMMON + 12, 4, 0);
    all.w(STATUS, 1, 0x0b);
    expect(all.r(STATUS, 1)).toBe(0x0b);
  });

  it("does not start a device whose driver skips FEATURES_OK", () => {
    const all = plugged();
    for (const value of [0, 1, 3, 7]) all.w(STATUS, 1, value);
    expect(all.r(STATUS, 1)).toBe(3);
    expect(all.device.log).toEqual(["reset at status 0", "setStatus 0 -> 1", "setStatus 1 -> 3"]);
  });
});

describe("reset (2.4, P8)", () => {
  it("by status 0: the registers are as at power-on once the device is at rest, not before", () => {
    const all = started();
    all.w(COMMON + 22, 2, 1);
    all.w(COMMON + 28, 2, 1);
    let seen: unknown;
    all.device.onReset = ({ status, queues, driverFeatures }) => {
      seen = { status, enabled: queues[1]?.enabled, features: [...driverFeatures] };
    };
    all.device.pending = 1;
    all.w(STATUS, 1, 0);
    expect(seen).toEqual({ status: 0x0f, enabled: true, features: [0, 1] });
    expect(all.r(STATUS, 1)).toBe(0);
    expect(all.r(COMMON + 22, 2)).toBe(0);
    all.w(COMMON + 22, 2, 1);
    expect(all.r(COMMON + 28, 2)).toBe(0);
    expect(all.device.log.at(-1)).toBe("reset at status 15"); // no setStatus besides
  });

  it("of the machine: the same, and the PCI function forgets its BAR and command too", () => {
    const all = started();
    run(all.device.config.update(0, Uint8Array.of(0)));
    run(all.bridge.reset());
    expect(all.device.log.at(-1)).toBe("reset at status 15");
    expect(all.r(STATUS, 1)).toBe(0xff); // not decoded
    expect(all.r(CONFIG + 4, 2)).toBe(0);
    all.w(CONFIG + 0x20, 4, BAR);
    all.w(CONFIG + 4, 2, 6);
    expect([all.r(STATUS, 1), all.r(ISR, 1)]).toEqual([0, 0]);
    negotiate(all);
    all.w(STATUS, 1, 0x0f);
    expect(all.r(STATUS, 1)).toBe(0x0f);
  });
});

describe("PCI command (QEMU: virtio_write_config)", () => {
  it("clearing bus master clears DRIVER_OK, once, and a later DRIVER_OK starts again", () => {
    const all = started();
    all.w(CONFIG + 4, 2, 0x2);
    all.w(CONFIG + 4, 2, 0x2);
    expect(all.device.log.slice(-1)).toEqual(["setStatus 15 -> 11"]);
    expect(all.r(STATUS, 1)).toBe(0x0b);
    all.w(CONFIG + 4, 2, 0x6);
    all.w(STATUS, 1, 0x0f);
    expect(all.device.log.slice(-2)).toEqual(["setStatus 15 -> 11", "setStatus 11 -> 15"]);
  });

  it("other writes to the header leave the device alone", () => {
    const all = started();
    const before = all.device.log.length;
    all.w(CONFIG + 4, 2, 0x406);
    all.w(CONFIG + 5, 1, 0x4);
    all.w(CONFIG + 0x3c, 1, 0x9);
    expect(all.device.log).toHaveLength(before);
  });
});

describe("notifications (4.1.4.4, 4.1.5.2)", () => {
  it("trap while the queue has no notifier, and signal its eventfd without a trap afterwards", () => {
    const all = started();
    all.w(NOTIFY + 4, 2, 1);
    expect(all.device.log.at(-1)).toBe("queueNotify 1");
    all.pci.assignNotifier(1, all.device.kick);
    all.steps.length = 0;
    all.notes.length = 0;
    for (const width of [1, 2, 4]) all.w(NOTIFY + 4, width, 1);
    expect(all.steps).toEqual(["kick.add", "kick.add", "kick.add"]);
    expect(all.notes).toEqual([]); // the device model saw nothing
    all.w(NOTIFY + 0, 2, 0);
    expect(all.device.log.at(-1)).toBe("queueNotify 0");
    all.pci.deassignNotifier(1);
    all.w(NOTIFY + 4, 2, 1);
    expect(all.device.log.at(-1)).toBe("queueNotify 1");
    expect(all.device.kick.count()).toBe(3);
  });

  it("follow the BAR when it is moved", () => {
    const all = started();
    all.pci.assignNotifier(1, all.device.kick);
    all.w(CONFIG + 0x20, 4, 0x50000000);
    all.w(NOTIFY + 4, 2, 1);
    expect(all.device.kick.count()).toBe(0);
    all.w(0x50003004, 2, 1);
    expect(all.device.kick.count()).toBe(1);
  });

  it("P6: are ignored where no queue has its address", () => {
    const all = started();
    const before = all.device.log.length;
    for (const offset of [1, 2, 3, 5, 8, 0xffc]) all.w(NOTIFY + offset, 2, 1);
    expect(all.device.log).toHaveLength(before);
    expect(all.bugs()).toHaveLength(6);
    expect(all.r(NOTIFY + 4, 2)).toBe(0);
  });
});

describe("ISR status (4.1.4.5)", () => {
  it("is read once, with what the device has pending", () => {
    const all = started();
    all.device.pending = 1;
    run(all.device.config.update(0, Uint8Array.of(0)));
    expect(all.r(ISR, 1)).toBe(3);
    expect(all.r(ISR, 1)).toBe(0);
  });

  it("is 0 beside its byte, cannot be written, and is not cleared by that", () => {
    const all = started();
    all.device.pending = 1;
    expect(all.r(ISR + 1, 1)).toBe(0);
    all.w(ISR, 1, 0);
    expect(all.bugs()).toHaveLength(1);
    expect(all.r(ISR, 1)).toBe(1);
  });

  it("shows as Interrupt Status in the PCI status register, which does not clear it (4.1.4.5.1)", () => {
    const all = started();
    expect(all.r(CONFIG + 6, 2)).toBe(0x10);
    all.device.pending = 1;
    expect(all.r(CONFIG + 6, 2)).toBe(0x18);
    expect(all.r(CONFIG + 4, 4)).toBe(0x00180006);
    expect(all.r(ISR, 1)).toBe(1);
    expect(all.r(CONFIG + 6, 2)).toBe(0x10);
  });
});

describe("DEVICE_NEEDS_RESET (2.1.2)", () => {
  it("is set with a configuration change interrupt while DRIVER_OK is set", () => {
    const all = started();
    run(all.pci.setNeedsReset());
    expect(all.r(STATUS, 1)).toBe(0x4f);
    expect(all.r(ISR, 1)).toBe(2);
    all.w(STATUS, 1, 0);
    expect(all.r(STATUS, 1)).toBe(0);
  });

  it("without one before", () => {
    const all = plugged();
    negotiate(all);
    run(all.pci.setNeedsReset());
    expect([all.r(STATUS, 1), all.r(ISR, 1)]).toEqual([0x4b, 0]);
    all.w(STATUS, 1, 0x4f);
    expect(all.r(STATUS, 1)).toBe(0x4b);
  });

  it("stays when the device finds its error in the middle of a status write", () => {
    const all = plugged();
    negotiate(all);
    all.device.onSetStatus = (_, transport) => transport.setNeedsReset();
    all.w(STATUS, 1, 0x0f);
    expect(all.r(STATUS, 1)).toBe(0x4f);
  });
});

describe("PCI configuration access (4.1.4.9)", () => {
  function window({ r, w }: Machine) {
    const aim = (bar: number, offset: number, length: number): void => {
      w(WINDOW + 4, 1, bar);
      w(WINDOW + 8, 4, offset);
      w(WINDOW + 12, 4, length);
    };
    return {
      aim,
      read: (offset: number, length: number): number => {
        aim(4, offset, length);
        return r(WINDOW + 16, length);
      },
      write: (offset: number, length: number, value: number): void => {
        aim(4, offset, length);
        w(WINDOW + 16, length, value);
      },
    };
  }

  it("works before the BAR has an address, as a whole driver", () => {
    const all = machine();
    const { read, write } = window(all);
    for (const value of [0, 1, 3]) write(20, 1, value);
    write(8, 4, 1);
    write(12, 4, 1);
    write(20, 1, 0x0b);
    expect(read(20, 1)).toBe(0x0b);
    expect(read(0x2000, 4)).toBe(0x7366796d); // "myfs"
    write(22, 2, 1);
    expect(read(24, 2)).toBe(128);
    all.w(CONFIG + 4, 2, 4);
    write(20, 1, 0x0f);
    expect(read(20, 1)).toBe(0x0f);
    write(0x3004, 2, 1);
    expect(all.device.log.at(-1)).toBe("queueNotify 1");
    expect(all.bugs()).toEqual([]);
  });

  it("notifies by the eventfd where the queue has a notifier", () => {
    const all = started();
    all.pci.assignNotifier(1, all.device.kick);
    window(all).write(0x3004, 2, 1);
    expect(all.device.kick.count()).toBe(1);
    expect(all.device.log.at(-1)).toBe("setStatus 11 -> 15");
  });

  it.each([
    ["a BAR that is not there", 0, 20, 1],
    ["a BAR number that is none", 0xff, 20, 1],
    ["length 0", 4, 20, 0],
    ["length 3", 4, 20, 3],
    ["length 8", 4, 0, 8],
    ["length 2^32 - 1", 4, 0, 0xffffffff],
    ["an offset that is not a multiple of the length", 4, 22, 4],
    ["an offset past the BAR", 4, 0x4000, 4],
    ["an offset of 2^32 - 4", 4, 0xfffffffc, 4],
  ])("P6: ignores %s", (_, bar, offset, length) => {
    const all = plugged();
    negotiate(all);
    const { aim } = window(all);
    const before = all.device.log.length;
    aim(bar, offset, length);
    all.w(WINDOW + 16, 4, 0);
    expect(all.r(WINDOW + 16, 4)).toBe(0); // what was written: no access happened
    expect(all.r(STATUS, 1)).toBe(0x0b);
    expect(all.device.log).toHaveLength(before);
    expect(all.bugs()).toHaveLength(2);
  });

  it("is aimed without any access", () => {
    const all = started();
    const before = all.device.log.length;
    window(all).aim(4, 20, 1);
    expect(all.device.log).toHaveLength(before);
    expect(all.r(WINDOW, 4)).toBe(0x05149809); // id 9, 20 bytes, type 5
  });
});

describe("a hostile guest", () => {
  it("never makes the transport throw, and what the device hears of stays in order", () => {
    const place = fc.oneof(
      fc.constantFrom(0, 4, 8, 12, 20, 20, 20, 22, 24, 28, 32, 36, 40, 44, 48, 52).map((offset) => COMMON + offset),
      fc.constantFrom(ISR, DEVICE, DEVICE + 36, NOTIFY, NOTIFY + 4, NOTIFY + 2, BAR + 0xffe, BAR + 0x3ffe),
      fc.constantFrom(CONFIG + 4, CONFIG + 6, WINDOW + 4, WINDOW + 8, WINDOW + 12, WINDOW + 16),
      fc.nat({ max: 0x4010 }).map((offset) => BAR + offset),
      fc.nat({ max: 0x110 }).map((offset) => CONFIG + offset),
    );
    const anything = fc.record({
      place,
      width: fc.constantFrom(1, 1, 2, 4, 4, 8),
      value: fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 6, 0x0b, 0x0f, 20, 0x3004, 0x8f, 0xffffffff, BAR), fc.nat()),
      write: fc.boolean(),
    });
    const statusWrite = fc
      .constantFrom(0, 3, 0x0b, 0x0f, 0x0f, 0x8f)
      .map((value) => ({ place: STATUS, width: 1, value, write: true }));
    const access = fc.oneof({ weight: 9, arbitrary: anything }, { weight: 1, arbitrary: statusWrite });
    let starts = 0;
    fc.assert(
      fc.property(fc.boolean(), fc.array(access, { minLength: 5, maxLength: 80 }), (negotiated, accesses) => {
        const all = plugged();
        if (negotiated) negotiate(all);
        let status = all.pci.status;
        for (const { place, width, value, write } of accesses) {
          const already = all.device.log.length;
          if (write) all.w(place, width, value);
          else expect(all.r(place, width)).toBeLessThanOrEqual(0xffffffff);
          for (const line of all.device.log.slice(already)) {
            const change = /setStatus (\d+) -> (\d+)/.exec(line);
            if (change) {
              const [old, next] = [Number(change[1]), Number(change[2])];
              expect(old).toBe(status);
              if (next & ~old & 4) {
                expect(next & 8).toBe(8);
                starts++;
              }
              status = next;
            } else if (line.startsWith("reset")) status = 0;
          }
          expect(all.pci.status).toBe(status);
        }
        expect(all.r(CONFIG, 4)).toBe(0x105a1af4);
        // It is not wedged: after a reset the next driver gets on.
        run(all.bridge.reset());
        all.w(CONFIG + 0x20, 4, BAR);
        all.w(CONFIG + 0x04, 2, 6);
        negotiate(all);
        all.w(STATUS, 1, 0x0f);
        expect(all.r(STATUS, 1)).toBe(0x0f);
      }),
      { seed: 23, numRuns: 400 },
    );
    expect(starts).toBeGreaterThan(20); // the interesting case was reached
  });
});
