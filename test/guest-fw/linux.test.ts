import { describe, expect, it } from "vitest";
import { EVENT_IDX, FakeLinuxMachine, INDIRECT_DESC, type LinuxSetting } from "./fake-linux-machine.js";
import type { Request } from "./fake-machine.js";
import { FakeShare, type Tree } from "./fake-share.js";
import { type InitOut, initOut, reply } from "./fuse-replies.js";
import { boot, Stuck } from "./guest.js";

const VERSION_1 = 1; // bit 32: bit 0 of the second word
const GUESTS = ["linux", "linux-probe"] as const;

function machine(setting: LinuxSetting = {}): FakeLinuxMachine {
  return new FakeLinuxMachine({ serve: (request) => reply(request, initOut()), ...setting });
}

/** Accesses of the driver to one queue, from its selection on (setup_vq, vp_active_vq, vp_modern_map_vq_notify). */
function setUp(vm: FakeLinuxMachine, q: number): string[] {
  const hex = (register: number): string => (vm.queues[q]!.area(register) + 0x80000000).toString(16);
  const select = `W16 common+22 0x${q}`;
  return [
    "R16 common+18", //     num_queues
    ...[select, "R16 common+24"], //     queue_size
    ...[select, "R16 common+28"], //     queue_enable: still 0?
    ...[select, "W16 common+24 0x80"], // queue_size as it is
    ...[select, `W32 common+32 0x${hex(32)}`, "W32 common+36 0x0"], // queue_desc, low half first
    ...[`W32 common+40 0x${hex(40)}`, "W32 common+44 0x0"], // queue_driver
    ...[`W32 common+48 0x${hex(48)}`, "W32 common+52 0x0"], // queue_device
    ...[select, `W16 common+26 0x${q + 1}`, "R16 common+26"], // queue_msix_vector, and what it became
    ...[select, "R16 common+30"], //     queue_notify_off
  ];
}

describe.each(GUESTS)("the probe of %s", (guest) => {
  it("accesses the registers as virtio_dev_probe, virtio_pci_modern and virtio_fs_probe do", () => {
    const vm = machine({ features: [INDIRECT_DESC + EVENT_IDX + 0x100, VERSION_1 + 4] });
    expect(boot(vm, [], guest)).toMatchObject({ code: 0, stderr: "" });
    expect(vm.trace.slice(0, vm.trace.indexOf("W8 common+20 0xf") + 1)).toEqual([
      ...["W8 common+20 0x0", "R8 common+20"], // vp_reset: until it reads 0
      ...["R8 common+20", "W8 common+20 0x1"], // virtio_add_status(ACKNOWLEDGE)
      ...["R8 common+20", "W8 common+20 0x3"], // DRIVER
      ...["W32 common+0 0x0", "R32 common+4", "W32 common+0 0x1", "R32 common+4"], // vp_modern_get_features
      ...["W32 common+8 0x0", "W32 common+12 0x30000000", "W32 common+8 0x1", "W32 common+12 0x1"],
      ...["R8 common+20", "W8 common+20 0xb", "R8 common+20"], // virtio_features_ok
      "R8 common+21", // virtio_cread_bytes: config_generation around the tag
      ...Array.from({ length: 36 }, (_, i) => `R8 device+${i}`),
      "R8 common+21",
      "R32 device+36", // num_request_queues
      ...["W16 common+16 0x0", "R16 common+16"], // config_msix_vector
      ...setUp(vm, 0),
      ...setUp(vm, 1),
      ...["W16 common+22 0x0", "W16 common+28 0x1"], // vp_modern_find_vqs: all are enabled last
      ...["W16 common+22 0x1", "W16 common+28 0x1"],
      ...["R8 common+20", "W8 common+20 0xf"], // virtio_device_ready
    ]);
  });

  it("maps a vector to each queue and one to the configuration, each sending its own number (4.1.5.1.2)", () => {
    const vm = machine();
    boot(vm, [], guest);
    expect(vm.queues.map(({ registers }) => registers.readUInt16LE(26))).toEqual([1, 2]);
    for (const vector of [0, 1, 2]) {
      const entry = vm.msixTable.subarray(16 * vector, 16 * vector + 16);
      expect([0, 4, 8, 12].map((field) => entry.readUInt32LE(field))).toEqual([0x28000000, 0, vector, 0]);
    }
    expect(vm.config.readUInt16LE(0x92) & 0xc000).toBe(0x8000); // enabled, and the function not masked
  });

  it("waits until the device has been reset, without spinning (4.1.4.3.2)", () => {
    const vm = machine({ slowReset: 3 });
    expect(boot(vm, [], guest).code).toBe(0);
    const reads = ["R8 common+20", "sleep 1000"];
    expect(vm.trace.slice(0, 8)).toEqual(["W8 common+20 0x0", ...reads, ...reads, ...reads, "R8 common+20"]);
  });

  it.each<[string, LinuxSetting, string]>([
    ["VERSION_1 is not offered", { features: [0xffffffff, 0] }, "it does not offer VIRTIO_F_VERSION_1"],
    ["FEATURES_OK does not stay", { refusedStatus: 8 }, "it does not accept its own features"],
    ["the tag is empty", { tag: Buffer.from("\0x") }, "its tag is empty"],
    ["there is no request queue", { requestQueues: 0 }, "it has no request queue"],
    ["there is one queue", { numQueues: 1 }, "it has too few queues"],
    ["there is no MSI-X", { vectors: 0 }, "it has too few MSI-X vectors"],
    ["there are two vectors", { vectors: 2 }, "it has too few MSI-X vectors"],
    ["a vector reads back NO_VECTOR", { refusedVectors: true }, "it has no MSI-X vector left"],
    ["queue_size is 0", { queueSize: 0 }, "queue 0 has 0 entries"],
    ["queue_size is no power of two", { queueSize: 96 }, "queue 0 has 96 entries"],
    ["the queue does not exceed FUSE_HEADER_OVERHEAD", { queueSize: 4 }, "its request queue has 4 entries"],
  ])("sets FAILED and exits 1 with a line when %s", (_, setting, reason) => {
    const vm = machine(setting);
    expect(boot(vm, [], guest)).toMatchObject({ code: 1, stderr: `firmware: virtio device refused: ${reason}\n` });
    expect(vm.status & 0x80).toBe(0x80);
    expect(vm.requests).toEqual([]);
  });
});

describe("the first request", () => {
  const sinceReady = (vm: FakeLinuxMachine): string[] => vm.trace.slice(vm.trace.indexOf("W8 common+20 0xf") + 1);

  it("of linux comes at the mount, a set delay after the probe (protocol.md 8)", () => {
    const vm = machine();
    expect(boot(vm, ["--mount-delay-us", "250"], "linux").code).toBe(0);
    expect(sinceReady(vm).slice(0, 5)).toEqual([
      "R8 common+20", // the end of virtio_dev_probe
      "sleep 250",
      "store q1.avail.idx 1",
      "load q1.avail_event",
      "W16 notify+4 0x1",
    ]);
  });

  it("of linux-probe comes straight from the probe (guest class G3)", () => {
    const vm = machine();
    expect(boot(vm, [], "linux-probe").code).toBe(0);
    expect(sinceReady(vm).slice(0, 3)).toEqual(["store q1.avail.idx 1", "load q1.avail_event", "W16 notify+4 0x1"]);
    expect(sinceReady(vm)).not.toContainEqual(expect.stringMatching(/^sleep/));
    expect(sinceReady(vm).at(-1)).toBe("R8 common+20");
  });

  it.each(GUESTS)(
    "of %s is FUSE_INIT 7.45 with these bytes, in an indirect table (virtiofs.md 1.1, 1.3, 4)",
    (guest) => {
      const vm = machine();
      boot(vm, [], guest);
      const [request, ...others] = vm.requests;
      expect(others).toEqual([]);
      expect([request!.queue, request!.indirect]).toEqual([1, true]);
      expect(request!.readable.map(({ bytes }) => bytes.toString("hex"))).toEqual([
        [
          "68000000", // len 104
          "1a000000", // opcode 26
          "0200000000000000", // unique: the first multiple of FUSE_REQ_ID_STEP
          "0000000000000000", // nodeid 0
          "00000000", // uid
          "00000000", // gid
          "00000000", // pid: the kernel's own doing
          "0000", // total_extlen
          "0000", // padding
        ].join(""),
        [
          "07000000", // major 7
          "2d000000", // minor 45
          "00000200", // max_readahead 131072
          "fbffff7b", // flags: 0x73fffffb and SUBMOUNTS
          "fd050000", // flags2
          "00".repeat(44), // reserved
        ].join(""),
      ]);
      expect(request!.writable.map(({ length }) => length)).toEqual([16, 64]);
    },
  );

  it("goes into descriptors of the table where INDIRECT_DESC is not offered", () => {
    const vm = machine({ features: [EVENT_IDX, VERSION_1] });
    expect(boot(vm, [], "linux").code).toBe(0);
    expect(vm.requests.map(({ indirect }) => indirect)).toEqual([false]);
    expect(vm.requests[0]!.readable.map(({ bytes }) => bytes.length)).toEqual([40, 64]);
  });

  it.each<[string, InitOut | number, string]>([
    ["an errno", -71, "mount: the server refuses FUSE_INIT: EPROTO"],
    ["major 8", { major: 8 }, "mount: the server speaks FUSE 8"],
    ["major 6", { major: 6 }, "mount: the server speaks FUSE 6"],
  ])("answered with %s is a mount that fails", (_, answer, line) => {
    const serve = (request: Request) =>
      typeof answer === "number" ? reply(request, Buffer.alloc(0), answer) : reply(request, initOut(answer));
    expect(boot(machine({ serve }), [], "linux")).toMatchObject({ code: 1, stderr: `firmware: ${line}\n` });
  });
});

describe("interrupts and their suppression", () => {
  const file = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => i ^ (i >> 8)));
  const tree = (): Tree => new Map<string, Tree>([["d", new Map<string, Tree>([["f", file]])]]);
  const modes: readonly [string, number][] = [
    ["flags", INDIRECT_DESC],
    ["event indices", INDIRECT_DESC + EVENT_IDX],
  ];

  it.each(modes)("with %s a sleeping driver has always asked to be woken, and a file arrives whole", (_, low) => {
    for (const reversed of [false, true]) {
      const vm = machine({ serve: new FakeShare(tree()).serve, features: [low, VERSION_1], reversed });
      const outcome = boot(vm, ["reads", "3", "d/f"], "linux");
      expect(outcome.code).toBe(0);
      expect(outcome.stdout.equals(file)).toBe(true);
    }
  });

  it("with flags it asks for no interrupt while it works through the used ring, and again when it is done (2.7.7)", () => {
    const vm = machine({ features: [0, VERSION_1] });
    boot(vm, [], "linux");
    expect(vm.trace.slice(vm.trace.indexOf("wfi") + 1)).toEqual([
      "store q1.avail.flags 1", // virtqueue_disable_cb
      "load q1.used.idx",
      "store q1.avail.flags 0", // virtqueue_enable_cb
      "load q1.used.idx", // and a last look, for what came before the interrupt was asked for
    ]);
  });

  it("with event indices it names the element that it waits for (2.7.10)", () => {
    const vm = machine();
    boot(vm, [], "linux");
    expect(vm.trace.slice(vm.trace.indexOf("wfi") + 1)).toEqual([
      "store q1.used_event 65535",
      "load q1.used.idx",
      "store q1.used_event 1",
      "load q1.used.idx",
    ]);
  });

  it.each(modes)("with %s a device that asks for no kicks gets none after the first (2.7.10)", (_, low) => {
    const kicks = (suppressKicks: boolean): number => {
      const vm = machine({ serve: new FakeShare(tree()).serve, features: [low, VERSION_1], suppressKicks });
      expect(boot(vm, ["reads", "1", "d/f"], "linux").code).toBe(0);
      return vm.trace.filter((access) => access === "W16 notify+4 0x1").length;
    };
    // INIT, LOOKUP ×2, GETATTR, OPEN, READ ×3, RELEASE, each alone on its way.
    expect([kicks(false), kicks(true)]).toEqual([9, 1]);
  });

  it("a device that does not interrupt leaves the driver asleep: no poll, no time-out, no second kick", () => {
    const vm = machine();
    vm.wfi = () => {
      throw new Stuck();
    };
    expect(() => boot(vm, [], "linux-probe")).toThrow(Stuck);
    expect(vm.trace.filter((access) => access.startsWith("W16 notify"))).toHaveLength(1);
  });
});

describe("reads N PATH", () => {
  const MIB = 1 << 20;
  const file = Buffer.from(Uint8Array.from({ length: MIB + 5 }, (_, i) => (i * 7 + (i >> 8) * 13 + (i >> 16)) & 0xff));
  const share = (errors: Readonly<Record<string, number>> = {}): FakeShare =>
    new FakeShare(new Map<string, Tree>([["d", new Map<string, Tree>([["f", file]])]]), errors);

  it.each([1, 4, 9, 100])("has up to %i requests of 128 KiB in flight, a page a descriptor", (most) => {
    const served = share();
    const vm = new FakeLinuxMachine({ serve: served.serve });
    const outcome = boot(vm, ["reads", `${most}`, "d/f"], "linux");
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.equals(file)).toBe(true);
    const reads = vm.requests.filter(({ bytes }) => bytes.readUInt32LE(4) === 15);
    expect(reads.map(({ bytes }) => Number(bytes.readBigUInt64LE(48)))).toEqual(
      Array.from({ length: 9 }, (_, i) => i * 131072),
    );
    expect(reads[0]!.writable.map(({ length }) => length)).toEqual([16, ...Array<number>(32).fill(4096)]);
    expect(reads[8]!.writable.map(({ length }) => length)).toEqual([16, 5]);
    expect(Math.max(...vm.batches)).toBe(Math.min(most, 9));
    // Each request has a number of its own, and nothing is kept.
    expect(new Set(vm.requests.map(({ bytes }) => bytes.readBigUInt64LE(8))).size).toBe(vm.requests.length);
    expect([...served.lookups.values(), ...served.handles]).toEqual([0, 0]);
  });

  it("sends FORGET on the hiprio queue, one message of 48 bytes in one descriptor, without a reply (virtiofs.md 4)", () => {
    const vm = new FakeLinuxMachine({ serve: share().serve });
    boot(vm, ["reads", "2", "d/f"], "linux");
    const forgets = vm.requests.filter(({ bytes }) => bytes.readUInt32LE(4) === 2);
    expect(
      forgets.map(({ queue, indirect, readable, writable }) => [queue, indirect, readable.length, writable]),
    ).toEqual([
      [0, false, 1, []],
      [0, false, 1, []],
    ]);
    expect(forgets[0]!.bytes.toString("hex")).toMatch(/^3000000002000000/); // len 48, opcode 2
    expect(forgets.map(({ bytes }) => Number(bytes.readBigUInt64LE(40)))).toEqual([1, 1]); // nlookup
    expect(vm.requests.filter(({ queue }) => queue === 0)).toHaveLength(2);
    expect(vm.trace).toContain("W16 notify+0 0x0");
  });

  it.each(["LOOKUP", "GETATTR", "OPEN", "READ"])("reports an error of %s, and closes what it opened", (opcode) => {
    const served = share({ [opcode]: -5 });
    const vm = new FakeLinuxMachine({ serve: served.serve });
    expect(boot(vm, ["reads", "3", "d/f"], "linux")).toMatchObject({ code: 1, stderr: "reads: d/f: EIO\n" });
    expect([...served.lookups.values()].every((count) => count === 0)).toBe(true);
    expect([...served.handles]).toEqual([]);
  });

  it("takes small queues, waiting for room", () => {
    const vm = new FakeLinuxMachine({ serve: share().serve, queueSize: 8, features: [EVENT_IDX, VERSION_1] });
    const outcome = boot(vm, ["reads", "50", "d/f"], "linux");
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stdout.equals(file)).toBe(true);
  });

  it.each<[string, (request: Request) => object]>([
    ["an id that is no head", () => ({ usedId: 77 })],
    ["an id beyond the queue", () => ({ usedId: 0xffffffff })],
    ["more bytes than there was room for", () => ({ usedLength: 0xffffffff })],
  ])("gives a device up whose used element has %s", (_, wrong) => {
    const serve = (request: Request) => ({ ...reply(request, initOut()), ...wrong(request) });
    expect(boot(machine({ serve }), [], "linux")).toMatchObject({
      code: 1,
      stderr: "firmware: virtio device refused: its used ring makes no sense\n",
    });
  });
});

describe("forget PATH", () => {
  const share = (errors: Readonly<Record<string, number>> = {}): FakeShare =>
    new FakeShare(new Map<string, Tree>([["f", Buffer.from("x")]]), errors);
  const opcode = ({ bytes }: Request): number => bytes.readUInt32LE(4);

  it("has FUSE_STATFS on the request queue and FUSE_FORGET on hiprio in flight at once, and waits for both", () => {
    const served = share();
    const vm = new FakeLinuxMachine({ serve: served.serve });
    expect(boot(vm, ["forget", "f"], "linux")).toMatchObject({ code: 0 });
    const [statfs, forgotten] = [17, 2].map((code) => vm.requests.find((request) => opcode(request) === code)!);
    expect([statfs!.queue, forgotten!.queue]).toEqual([1, 0]);
    const published = ["store q1.avail.idx 3", "store q0.avail.idx 1"].map((access) => vm.trace.indexOf(access));
    expect(published[0]).toBeGreaterThan(vm.trace.lastIndexOf("wfi", published[1]));
    expect(published[1]).toBeGreaterThan(published[0]!);
    expect([...served.lookups.values()]).toEqual([0]);
  });

  it.each(["LOOKUP", "STATFS"])("reports an error of %s, and keeps nothing", (name) => {
    const served = share({ [name]: -5 });
    const vm = new FakeLinuxMachine({ serve: served.serve });
    expect(boot(vm, ["forget", "f"], "linux")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/(^|\n)forget: f: EIO\n$/),
    });
    expect([...served.lookups.values()].every((count) => count === 0)).toBe(true);
  });
});

describe("the command line", () => {
  it.each([
    [["x"]],
    [["--mount-delay-us"]],
    [["--mount-delay-us", "-1"]],
    [["--mount-delay-us", "1s"]],
    [["reads", "2"]],
    [["reads", "0", "f"]],
    [["reads", "", "f"]],
    [["reads", "99999", "f"]],
    [["reads", "2", "f", "g"]],
    [["forget"]],
    [["forget", "f", "g"]],
  ])("of linux: %j is wrong usage: exit 2, one line, and no device is touched", (args) => {
    const vm = machine();
    expect(boot(vm, args, "linux")).toMatchObject({
      code: 2,
      stderr: "usage: linux [--mount-delay-us N] [reads N PATH | forget PATH]\n",
    });
    expect(vm.trace).toEqual([]);
  });

  it("of linux-probe is empty", () => {
    expect(boot(machine(), ["x"], "linux-probe")).toMatchObject({ code: 2, stderr: "usage: linux-probe\n" });
  });
});
