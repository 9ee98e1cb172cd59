// guest-fw/lib/irq.ts in a driver that sleeps until its request is used, as a kernel's does (virtio 1.4, 2.7.14): one
// request, FUSE_INIT, before the real device and back-end, in every interleaving.

import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";
import { describe, expect, it } from "vitest";
import { World } from "../../../host/explore/execution.js";
import { Memoised } from "../../../host/explore/memoised.js";
import { search } from "../../../host/explore/visited.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

interface Driver {
  readonly msix: boolean;
  readonly eventIdx: boolean;
  /** 2.7.14: look again after notifications have been enabled. */
  readonly looksAgain?: boolean;
  /** Masks its vector while the request is under way, and unmasks it. */
  readonly masks?: boolean;
}

const ENTRY = "guest-fw/waiting-driver.ts";
const QUEUE = 1;
const VECTOR = 2;
const INTERRUPT = 5;

/** Traps (unreachable) where anything but a hang is wrong. */
const program = ({ msix, eventIdx, looksAgain = true, masks = false }: Driver): string => `
import { FuseInHeader, FuseInitIn } from "../device/spec/fuse";
import { FUSE_INIT } from "../device/spec/fuse-opcode";
import { VIRTQ_DESC_F_WRITE, VirtqDesc } from "../device/spec/virtq";
import { ECAM_BASE, INTX_INTERRUPT } from "../vm/spec/board";
import { PciConfig, pciEcamOffset } from "../vm/spec/pci";
import { IsrStatus, Msix, wfi } from "./lib/irq";
import { allocatePages } from "./lib/pages";
import { write32 } from "./lib/mmio";
import { PciFunction } from "./lib/pci";
import { gpa } from "./lib/shared";
import { VirtioPci } from "./lib/virtio-pci";
import { Virtqueue, virtqPrivateBytes, virtqRingBytes } from "./lib/virtq";

const SIZE: u32 = 128;

export function _start(): void {
  const pci = new PciFunction((ECAM_BASE as u64) + pciEcamOffset(0, 1, 0, 0));
  place(pci, 1, 0x40000000);
  place(pci, 4, 0x40010000);
  const device = new VirtioPci(pci);
  const msix = new Msix(pci);
  const isr = new IsrStatus(pci);
  if (msix.vectors != 3) unreachable();
  if (${msix}) {
    msix.setVector(${VECTOR}, ${INTERRUPT});
    msix.enable();
    msix.unmask(${VECTOR});
  }
  device.setStatus(0);
  device.setStatus(1);
  device.setStatus(3);
  device.setGuestFeatures((1 << 32) | ${eventIdx ? "(1 << 29)" : "0"});
  device.setStatus(11);
  if (device.setConfigVector(3) != 0xffff) unreachable();
  device.setQueueSel(${QUEUE});
  if (${msix} && device.setQueueVector(${VECTOR}) != ${VECTOR}) unreachable();
  const ring = changetype<Virtqueue>(allocatePages(virtqPrivateBytes(SIZE)));
  ring.init(allocatePages(virtqRingBytes(SIZE)), SIZE, ${eventIdx});
  device.setQueueAddress(ring);
  device.setStatus(15);

  const page = allocatePages(4096);
  memory.fill(page, 0, 4096);
  store<u32>(page, FuseInHeader.SIZEOF + FuseInitIn.SIZEOF, FuseInHeader.LEN);
  store<u32>(page, FUSE_INIT, FuseInHeader.OPCODE);
  store<u64>(page, 1, FuseInHeader.UNIQUE);
  store<u32>(page, 7, FuseInHeader.SIZEOF + FuseInitIn.MAJOR);
  store<u32>(page, 31, FuseInHeader.SIZEOF + FuseInitIn.MINOR);
  const buffers = heap.alloc(2 * VirtqDesc.SIZEOF);
  buffer(buffers, page, FuseInHeader.SIZEOF + FuseInitIn.SIZEOF, 0);
  buffer(buffers + VirtqDesc.SIZEOF, page + 2048, 2048, VIRTQ_DESC_F_WRITE);

  ring.disableCalls();
  ring.add(buffers, 2);
  ring.publish();
  if (ring.kickPrepare()) device.setQueueNotify(${QUEUE});
  if (${masks}) msix.mask(${VECTOR});
  ring.enableCalls();
  if (${masks}) msix.unmask(${VECTOR});
  if (${!looksAgain} || ring.poll() == 0) sleep(ring, isr);
  if (ring.reap() != 0 || load<u64>(page + 2048, 8) != 1) unreachable();
}

function sleep(ring: Virtqueue, isr: IsrStatus): void {
  do {
    const pending = wfi();
    if (pending != (${msix ? `1 << ${INTERRUPT}` : "(1 as u32) << INTX_INTERRUPT"})) unreachable();
    if (${!msix}) isr.acknowledge();
  } while (ring.poll() == 0);
}

// Not by enumeratePci: the search boots the program thousands of times.
function place(pci: PciFunction, bar: u32, gpa: u32): void {
  pci.bars[bar] = gpa;
  write32(pci.config + PciConfig.BASE_ADDRESS_0 + 4 * bar, gpa);
}

function buffer(at: usize, bytes: usize, length: u32, flags: i32): void {
  store<u64>(at, gpa(bytes), VirtqDesc.ADDR);
  store<u32>(at, length, VirtqDesc.LEN);
  store<u16>(at, flags as u16, VirtqDesc.FLAGS);
}
`;

async function compile(source: string): Promise<WebAssembly.Module> {
  let module: WebAssembly.Module | undefined;
  const { error, stderr } = await asc.main([ENTRY, "--target", "guest-explored", "--outFile", "driver.wasm"], {
    readFile(name) {
      if (name === ENTRY) return source;
      try {
        return readFileSync(name, "utf8");
      } catch {
        return null;
      }
    },
    writeFile(_, contents) {
      if (typeof contents !== "string") module = new WebAssembly.Module(new Uint8Array(contents));
    },
  });
  if (error || !module) throw new Error(stderr.toString());
  return module;
}

const SCENARIO: Scenario = {
  guest: "ovmf",
  frontEnd: "qemu-8.2",
  backEnd: "rekick",
  ...FRONT_END_DEFAULTS,
  delays: [],
  script: "first",
};

async function ends(driver: Driver) {
  const world = new World(SCENARIO, await nodePlatform.loadModule("ring"), await compile(program(driver)));
  const { complete, ends } = search(new Memoised(world), { maxExecutions: 200_000, eager: true });
  return { complete, ends: new Set(ends.map(({ end }) => end)) };
}

describe("the driver always wakes up", { timeout: 300_000 }, () => {
  it.each([
    ["MSI-X, EVENT_IDX", { msix: true, eventIdx: true }],
    ["MSI-X", { msix: true, eventIdx: false }],
    ["INTx", { msix: false, eventIdx: false }],
  ])("%s", async (_, driver) => {
    expect(await ends(driver)).toEqual({ complete: true, ends: new Set(["answered"]) });
  });
});

describe("the search bites", { timeout: 300_000 }, () => {
  it("on a driver that sleeps without a look after it has enabled notifications (2.7.14)", async () => {
    const found = await ends({ msix: true, eventIdx: true, looksAgain: false });
    expect(found).toEqual({ complete: true, ends: new Set(["answered", "hung"]) });
  });

  // QEMU sends SET_VRING_CALL, does not wait for it (protocol.md 2.4), and tests the masked notifier
  // (virtio_pci_vq_vector_unmask): the back-end may signal the masked notifier after that.
  it("on a driver that masks and unmasks its vector while the request is under way: QEMU's lost interrupt", async () => {
    const found = await ends({ msix: true, eventIdx: false, masks: true });
    expect(found).toEqual({ complete: true, ends: new Set(["answered", "hung"]) });
  });
});
