import { describe, expect, it } from "vitest";
import { FakeMachine, type Request, type Setting } from "./fake-machine.js";
import { type InitOut, initOut, reply } from "./fuse-replies.js";
import { boot, Stuck } from "./guest.js";

const VERSION_1 = 1; // bit 32: bit 0 of the second word
const ACCESS_PLATFORM = 2;

function machine(setting: Setting = {}): FakeMachine {
  return new FakeMachine({ serve: (request) => reply(request, initOut()), ...setting });
}

/** The trace from the first device register on, up to and including the first entry that matches. */
function upTo(trace: readonly string[], last: string): string[] {
  return trace.slice(0, trace.indexOf(last) + 1);
}

describe("VirtioFsInit", () => {
  it("accesses exactly the registers of protocol.md 7.2, rows 1 to 17, in that order and width", () => {
    const vm = machine({ features: [0x30000000, VERSION_1 | ACCESS_PLATFORM | 4] });
    expect(boot(vm)).toMatchObject({ code: 0, stderr: "" });
    const page = vm.area(32) + 0x80000000;
    expect(upTo(vm.trace, "W8 common+20 0xf")).toEqual([
      "W8 common+20 0x0", //  1 device_status: reset
      "W8 common+20 0x1", //  2 ACKNOWLEDGE
      "W8 common+20 0x3", //  3 + DRIVER
      "W32 common+0 0x0", //  4 device_feature_select, device_feature
      "R32 common+4",
      "W32 common+0 0x1",
      "R32 common+4",
      "W32 common+8 0x0", //  5 driver_feature_select, driver_feature: no EVENT_IDX, no INDIRECT_DESC
      "W32 common+12 0x0",
      "W32 common+8 0x1",
      "W32 common+12 0x3", //   VERSION_1 and IOMMU_PLATFORM of what was offered
      "W8 common+20 0xb", //  6 + FEATURES_OK
      "R8 common+20", //      7 still set?
      ...Array.from({ length: 36 }, (_, i) => `R8 device+${i}`), // 8 tag
      "R32 device+36", //     9 num_request_queues
      "W16 common+22 0x1", // 10 queue_select
      "R16 common+24", //     11 queue_size
      `W32 common+32 0x${page.toString(16)}`, // 13 queue_desc, low half first
      "W32 common+36 0x0",
      `W32 common+40 0x${(page + 2048).toString(16)}`, // 14 queue_driver
      "W32 common+44 0x0",
      `W32 common+48 0x${(page + 4096).toString(16)}`, // 15 queue_device
      "W32 common+52 0x0",
      "W16 common+28 0x1", // 16 queue_enable
      "W8 common+20 0xf", //  17 + DRIVER_OK
    ]);
  });

  it("lays a ring of 128 out on two zeroed pages: desc 0, avail 2048, used 4096 (protocol.md 7.2)", () => {
    const vm = machine({
      stalls: 1,
      serve: () => {
        throw new Stuck();
      },
    }); // prettier-ignore
    expect(() => boot(vm)).toThrow(Stuck);
    const desc = vm.area(32);
    expect(desc % 4096).toBe(0);
    expect(vm.area(40) - desc).toBe(2048);
    expect(vm.area(48) - desc).toBe(4096);
    // Four descriptors, then nothing but avail: flags NO_INTERRUPT, idx 1, ring[0] = 0.
    const ring = vm.ram(desc, 8192);
    expect(ring.subarray(64, 2048).every((byte) => byte === 0)).toBe(true);
    expect([...ring.subarray(2048, 2054)]).toEqual([1, 0, 1, 0, 0, 0]);
    expect(ring.subarray(2054).every((byte) => byte === 0)).toBe(true);
  });

  it.each([2, 8, 1024, 32768])("takes the device's queue size %i as it is", (queueSize) => {
    const vm = machine({ queueSize, pages: 64 });
    const outcome = boot(vm);
    // A queue of 2 is taken, but the request with its four buffers does not fit (7.2 row 11, 7.3).
    if (queueSize === 2)
      expect(outcome.stderr).toBe("firmware: virtio device refused: its request queue is too small\n");
    else expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(vm.trace.some((access) => access.startsWith("W16 common+24"))).toBe(false);
  });

  const refusals: readonly (readonly [string, Setting, string])[] = [
    ["VERSION_1 is not offered (row 4)", { features: [0xffffffff, 2] }, "it does not offer VIRTIO_F_VERSION_1"],
    ["FEATURES_OK does not stay (row 7)", { refusedStatus: 8 }, "it does not accept its own features"],
    ["the tag is not printable ASCII (row 8)", { tag: Buffer.from("m\u00fcfs") }, "its tag is not printable ASCII"],
    ["there is no request queue (row 9)", { requestQueues: 0 }, "it has no request queue"],
    ["queue_size is 0 (row 11)", { queueSize: 0 }, "its request queue has 0 entries"],
    ["queue_size is 1 (row 11)", { queueSize: 1 }, "its request queue has 1 entries"],
    ["queue_size is no power of two (virtio 1.4, 2.7)", { queueSize: 96 }, "its request queue has 96 entries"],
  ];
  it.each(refusals)("sets FAILED and exits 1 with a line when %s", (_, setting, reason) => {
    const vm = machine(setting);
    expect(boot(vm)).toMatchObject({ code: 1, stderr: `firmware: virtio device refused: ${reason}\n` });
    expect(vm.registers[20]! & 0x80).toBe(0x80);
    expect(vm.trace.at(-1)).toMatch(/^W8 common\+20 0x8/);
    expect(vm.requests).toEqual([]);
  });

  it("takes a tag that fills its field", () => {
    expect(boot(machine({ tag: Buffer.alloc(36, "t") })).code).toBe(0);
  });
});

describe("VirtioFlush", () => {
  it("publishes avail.idx, then makes 4 trapped accesses, then kicks, then polls used.idx (protocol.md 7.4)", () => {
    const vm = machine({ stalls: 13 });
    expect(boot(vm).code).toBe(0);
    const micros = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024];
    expect(vm.trace.slice(vm.trace.indexOf("W8 common+20 0xf") + 1)).toEqual([
      "store avail.flags 1", // 1. NO_INTERRUPT
      "store avail.idx 1", // 2.-3.
      "R16 common+22", // 4. queue_select
      "W16 common+22 0x1",
      "R16 common+30", //   queue_notify_off
      "W16 common+22 0x1", //   restored
      "W16 notify+4 0x1", //   queue_notify_off 1 times multiplier 4
      ...micros.flatMap((time) => ["load used.idx", `stall ${time} used.idx 0`]), // 5.
      "load used.idx",
    ]);
  });

  it("kicks once and polls for ever when no answer comes", () => {
    const vm = machine({
      stalls: 5000,
      serve: () => {
        throw new Stuck();
      },
    }); // prettier-ignore
    expect(() => boot(vm)).toThrow(Stuck);
    expect(vm.trace.filter((access) => access.startsWith("W16 notify"))).toHaveLength(1);
    expect(vm.trace.filter((access) => access === "stall 1024 used.idx 0")).toHaveLength(5000 - 10);
  });

  it("refuses a notify offset outside the notification structure", () => {
    expect(boot(machine({ notifyOff: 0x400 })).stderr).toBe(
      "firmware: virtio device refused: its queue_notify_off is outside the notification structure\n",
    );
    expect(boot(machine({ notifyOff: 0x3ff })).code).toBe(0);
  });
});

describe("FUSE_INIT", () => {
  it("is these bytes in descriptors 0 to 3 (protocol.md 7.3)", () => {
    const vm = machine();
    boot(vm);
    const [request, ...others] = vm.requests;
    expect(others).toEqual([]);
    expect(request!.readable.map(({ bytes }) => bytes.toString("hex"))).toEqual([
      [
        "38000000", // len 56
        "1a000000", // opcode 26
        "0100000000000000", // unique 1
        "0000000000000000", // nodeid 0
        "00000000", // uid
        "00000000", // gid
        "01000000", // pid 1
        "0000", // total_extlen
        "0000", // padding
      ].join(""),
      [
        "07000000", // major 7
        "1f000000", // minor 31
        "00000000", // max_readahead
        "00200000", // flags: DO_READDIRPLUS
      ].join(""),
    ]);
    expect(request!.writable.map(({ length }) => length)).toEqual([16, 64]);

    const ram = BigInt(0x80000000);
    const descriptors = Array.from({ length: 4 }, (_, i) => vm.ram(vm.area(32) + 16 * i, 16));
    expect(descriptors.map((bytes) => [bytes.readUInt32LE(8), bytes.readUInt16LE(12), bytes.readUInt16LE(14)])).toEqual(
      [
        [40, 1, 1], // in header: NEXT
        [16, 1, 2], // INIT body: NEXT
        [16, 3, 3], // out header: NEXT, WRITE
        [64, 2, 0], // INIT response: WRITE
      ],
    );
    for (const bytes of descriptors) {
      expect(bytes.readBigUInt64LE(0)).toBeGreaterThanOrEqual(ram + 0x100000n);
      expect(bytes.readBigUInt64LE(0)).toBeLessThan(ram + 0x200000n);
    }
  });

  it.each<[string, InitOut]>([
    ["7.31", { minor: 31 }],
    ["8.0", { major: 8, minor: 0 }],
    ["other flags beside DO_READDIRPLUS", { flags: 0xffffffff }],
    ["max_write 4096", { maxWrite: 4096 }],
  ])("accepts a reply with %s", (_, init) => {
    expect(boot(machine({ serve: (request) => reply(request, initOut(init)) }))).toMatchObject({ code: 0, stderr: "" });
  });

  const patched = (offset: number, value: number) => (request: Request) => {
    const answer = reply(request, initOut());
    answer.bytes.writeUInt32LE(value >>> 0, offset);
    return answer;
  };
  const refusals: readonly (readonly [string, NonNullable<Setting["serve"]>, string])[] = [
    ["7.30", (r) => reply(r, initOut({ minor: 30 })), "it speaks FUSE 7.30, and 7.31 is the least"],
    ["6.99", (r) => reply(r, initOut({ major: 6, minor: 99 })), "it speaks FUSE 6.99, and 7.31 is the least"],
    ["no DO_READDIRPLUS", (r) => reply(r, initOut({ flags: ~(1 << 13) >>> 0 })), "it has no FUSE_READDIRPLUS"],
    ["max_write 4095", (r) => reply(r, initOut({ maxWrite: 4095 })), "its max_write is below 4096"],
    ["an errno", (r) => reply(r, Buffer.alloc(0), -71), "it refuses FUSE_INIT: EPROTO"],
    ["len one more than used.len", patched(0, 81), "a FUSE reply's len differs from the used length"],
    [
      "used.len one less than len",
      (r) => ({ ...reply(r, initOut()), usedLength: 79 }),
      "a FUSE reply's len differs from the used length",
    ],
    ["another unique", patched(8, 2), "a FUSE reply answers another request"],
    ["another unique in its high half", patched(12, 1), "a FUSE reply answers another request"],
    [
      "init_out of 24 bytes",
      (r) => reply(r, initOut().subarray(0, 24)),
      "a FUSE reply has not the size of its structure",
    ],
    ["a positive error", (r) => reply(r, Buffer.alloc(0), 2), "a FUSE reply's error is no errno"],
    ["an error below any errno", (r) => reply(r, Buffer.alloc(0), -134), "a FUSE reply's error is no errno"],
    ["the least i32 as error", (r) => reply(r, Buffer.alloc(0), -0x80000000), "a FUSE reply's error is no errno"],
    ["an error and a body", (r) => reply(r, initOut(), -5), "a FUSE reply has both an error and a body"],
    ["used.len 15", (r) => ({ ...reply(r, initOut()), usedLength: 15 }), "a FUSE reply is shorter than its header"],
    ["used.len 0", () => ({ bytes: Buffer.alloc(0) }), "a FUSE reply is shorter than its header"],
    [
      "used.len above the buffers",
      (r) => ({ ...reply(r, initOut()), usedLength: 81 }),
      "it says that it wrote more than the request has room for",
    ],
    ["used id 1", (r) => ({ ...reply(r, initOut()), usedId: 1 }), "its used element names no request"],
    ["used id 2^32 - 1", (r) => ({ ...reply(r, initOut()), usedId: 0xffffffff }), "its used element names no request"],
  ];
  it.each(refusals)("refuses a reply with %s: the device is reset, exit 1 and a line", (_, serve, reason) => {
    const vm = machine({ serve });
    expect(boot(vm)).toMatchObject({
      code: 1,
      stdout: Buffer.alloc(0),
      stderr: `firmware: virtio device refused: ${reason}\n`,
    });
    expect(vm.trace.at(-1)).toBe("W8 common+20 0x0");
    expect(vm.requests).toHaveLength(1);
  });
});
