// A virtio device on the PCI bus: what VirtIOPCIProxy is in QEMU (hw/virtio/virtio-pci.c, and virtio_set_status and
// virtio_reset of hw/virtio/virtio.c). Non-transitional. Implements virtio 1.4, 4.1.2 (discovery), 4.1.4 (the
// capability chain and its structures in BAR 4, laid out as QEMU does), 4.1.4.9 (access through configuration space),
// and carries any VirtioDevice. How it interrupts: interrupts.ts.

import { allOnes, type Bus, loadLe, type MmioRegion, storeLe } from "../../vm/bus.js";
import type { InterruptController, Irqfd } from "../../vm/irq.js";
import { PciFunction } from "../../vm/pci/function.js";
import {
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_VNDR,
  PCI_COMMAND_MASTER,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_STATUS_INTERRUPT,
  PciConfig,
  PciMsixCap,
} from "../../vm/spec/pci.js";
import type { EventCounter } from "../../vm/sync/eventfd.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_F_VERSION_1,
  virtioHasFeature,
} from "../spec/virtio.js";
import {
  PCI_VENDOR_ID_REDHAT_QUMRANET,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_DEVICE_ID_BASE,
  VirtioPciCap,
  VirtioPciCfgCap,
  VirtioPciNotifyCap,
} from "../spec/virtio-pci.js";
import { CommonCfg } from "./common-cfg.js";
import { deviceCfgRegion } from "./device-cfg.js";
import { writeDeviceStatus } from "./device-status.js";
import { DRIVER_BUGS, noteDriverBug } from "./driver-bug.js";
import { Interrupts } from "./interrupts.js";
import { NOTIFY_OFF_MULTIPLIER, NotifyCfg } from "./notify-cfg.js";
import type { Features, QueueConfig, VirtioDevice, VirtioTransport } from "./virtio-device.js";

const MSIX_BAR = 1;
const MODERN_BAR = 4;
/** Bytes of each structure, and the distance between two. */
const STRUCTURE_SIZE = 0x1000;
/** The largest number of queues whose notification addresses fit. */
const MAX_QUEUES = STRUCTURE_SIZE / NOTIFY_OFF_MULTIPLIER;

export interface VirtioPciOptions {
  /** PCI base class and subclass, for example 0x0180 (other mass storage) for a file system device. */
  readonly classDevice: number;
  /**
   * When the device hears of an enabled queue: by what is latched when DRIVER_OK is set, as in QEMU, or also in the
   * queue_enable write itself.
   */
  readonly enableAt: "driver-ok" | "queue-enable";
  readonly note?: Note;
}

/** What a function is wired to. */
export interface Board {
  readonly bus: Bus;
  readonly irq: InterruptController;
}

export class VirtioPci extends PciFunction implements VirtioTransport {
  readonly #common: CommonCfg;
  readonly #interrupts: Interrupts;
  readonly #bar: MmioRegion;
  /** Where in configuration space the capability of 4.1.4.9 is, and the one of MSI-X. */
  readonly #window: number;
  readonly #msix: number;
  readonly #notifiers = new Map<number, EventCounter>();

  constructor(
    readonly board: Board,
    readonly virtio: VirtioDevice,
    readonly options: VirtioPciOptions,
  ) {
    super({
      vendorId: PCI_VENDOR_ID_REDHAT_QUMRANET,
      deviceId: VIRTIO_PCI_DEVICE_ID_BASE + virtio.deviceId,
      revisionId: 1, // 4.1.2.1: "SHOULD have a PCI Revision ID of 1 or higher"
      classDevice: options.classDevice,
      subsystemVendorId: PCI_VENDOR_ID_REDHAT_QUMRANET,
      subsystemId: 0x1100, // QEMU's default; 4.1.2.1: "SHOULD have a PCI Subsystem Device ID of 0x40 or higher"
      interruptPin: 1,
    });
    const { note } = options;
    const queueCount = virtio.queueSizes.length;
    if (queueCount > MAX_QUEUES) throw new Error(`more than ${MAX_QUEUES} virtqueues`);

    this.#common = new CommonCfg(
      STRUCTURE_SIZE,
      {
        queueSizes: virtio.queueSizes,
        offeredFeatures: () => virtio.offeredFeatures(),
        vectors: queueCount + 1,
        configGeneration: () => virtio.config.generation,
        writeStatus: (written) => this.#writeStatus(written),
        queueEnabled: (queue) => (options.enableAt === "queue-enable" ? virtio.queueEnabled(queue, this) : undefined),
        queueVectorChanged: (queue, old) => this.#interrupts.queueVectorChanged(queue, old),
      },
      note,
    );
    this.#interrupts = new Interrupts(
      {
        irq: board.irq,
        virtio,
        command: () => this.command,
        msixControl: () => loadLe(this.config, this.#msix + PciMsixCap.FLAGS, 2),
        queues: () => this.queues,
        configVector: () => this.#common.configVector,
      },
      STRUCTURE_SIZE,
      note,
    );
    virtio.config.notify = () => this.#notifyConfig();
    const notify = new NotifyCfg(
      STRUCTURE_SIZE,
      {
        queueCount,
        notifier: (queue) => this.#notifiers.get(queue),
        queueNotify: (queue) => virtio.queueNotify(queue),
      },
      note,
    );
    // In the order of their offsets in the BAR.
    const structures = [
      { type: VIRTIO_PCI_CAP_COMMON_CFG, region: this.#common },
      { type: VIRTIO_PCI_CAP_ISR_CFG, region: this.#interrupts.isr },
      { type: VIRTIO_PCI_CAP_DEVICE_CFG, region: deviceCfgRegion(STRUCTURE_SIZE, virtio.config, note) },
      { type: VIRTIO_PCI_CAP_NOTIFY_CFG, region: notify },
    ];
    this.#bar = sideBySide(
      "virtio-pci",
      structures.map(({ region }) => region),
    );
    this.addBar(MSIX_BAR, this.#interrupts.msix, 0);
    this.addBar(MODERN_BAR, this.#bar, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
    structures.forEach(({ type }, i) => {
      this.addCapability(PCI_CAP_ID_VNDR, structureCap(type, i * STRUCTURE_SIZE));
    });
    this.#window = this.addCapability(PCI_CAP_ID_VNDR, windowCap());
    // 4.1.4.9: "The fields cap.bar, cap.length, cap.offset and pci_cfg_data are read-write (RW) for the driver."
    this.allowWrite(this.#window + VirtioPciCap.BAR, 1, 0xff);
    this.allowWrite(this.#window + VirtioPciCap.OFFSET, 4, 0xffffffff);
    this.allowWrite(this.#window + VirtioPciCap.LENGTH, 4, 0xffffffff);
    this.allowWrite(this.#window + VirtioPciCfgCap.PCI_CFG_DATA, 4, 0xffffffff);
    this.#msix = this.addCapability(PCI_CAP_ID_MSIX, this.#interrupts.msix.capability(MSIX_BAR));
    this.allowWrite(this.#msix + PciMsixCap.FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
  }

  // What the device sees: VirtioTransport.

  get status(): number {
    return this.#common.status;
  }

  get driverFeatures(): Features {
    return this.#common.driverFeatures;
  }

  get queues(): readonly QueueConfig[] {
    return this.#common.queues;
  }

  // Any width, as QEMU asks for where KVM has it ("fast mmio").
  assignNotifier(queue: number, eventfd: EventCounter): void {
    this.board.bus.assignIoeventfd(this.#bar, notifyOffset(queue), 0, eventfd);
    this.#notifiers.set(queue, eventfd);
  }

  deassignNotifier(queue: number): void {
    this.board.bus.deassignIoeventfd(this.#bar, notifyOffset(queue), 0);
    this.#notifiers.delete(queue);
  }

  get msixEnabled(): boolean {
    return this.#interrupts.msix.enabled;
  }

  setGuestNotifiers(calls: readonly Irqfd[]): Actor {
    return this.#interrupts.setGuestNotifiers(calls);
  }

  clearGuestNotifiers(): Actor {
    return this.#interrupts.clearGuestNotifiers();
  }

  // 2.1.2: "If DRIVER_OK is set, after it sets DEVICE_NEEDS_RESET, the device MUST send a device configuration change
  // notification to the driver."
  *setNeedsReset(): Actor {
    this.#common.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    yield* this.#notifyConfig();
  }

  // What the guest does to the function's configuration space.

  override *beforeRead(offset: number, width: number): Actor {
    // 4.1.4.5.1: "If MSI-X capability is disabled, the device MUST set the Interrupt Status bit in the PCI Status
    // register in the PCI Configuration Header of the device to the logical OR of all bits in ISR status of the device."
    if (!this.msixEnabled && overlaps(offset, width, PciConfig.STATUS, 1)) {
      const status = this.config[PciConfig.STATUS]! & ~PCI_STATUS_INTERRUPT;
      this.config[PciConfig.STATUS] = status | ((yield* this.#interrupts.isr.look()) ? PCI_STATUS_INTERRUPT : 0);
    }
    const data = this.#window + VirtioPciCfgCap.PCI_CFG_DATA;
    if (overlaps(offset, width, data, 4)) {
      const target = this.#windowTarget();
      if (target) storeLe(this.config, data, target.width, yield* this.#bar.read(target.offset, target.width));
    }
  }

  override *afterWrite(offset: number, width: number): Actor {
    if (overlaps(offset, width, PciConfig.COMMAND, 1) && !(this.command & PCI_COMMAND_MASTER)) {
      // As QEMU's virtio_write_config: a device that may no longer master the bus is stopped.
      yield* this.#changeStatus(this.status & ~VIRTIO_CONFIG_S_DRIVER_OK);
    }
    if (overlaps(offset, width, PciConfig.COMMAND, 2) || overlaps(offset, width, this.#msix + PciMsixCap.FLAGS, 2))
      yield* this.#interrupts.controlWritten();
    const data = this.#window + VirtioPciCfgCap.PCI_CFG_DATA;
    if (overlaps(offset, width, data, 4)) {
      const target = this.#windowTarget();
      if (target) yield* this.#bar.write(target.offset, target.width, loadLe(this.config, data, target.width));
    }
  }

  override *resetDevice(): Actor {
    yield* this.virtio.reset(this);
    // 2.4.1: device status is reinitialised, and reads 0, only now that the data plane is quiet.
    this.#common.reset();
    yield* this.#interrupts.isr.clear();
  }

  override resetRegisters(): void {
    super.resetRegisters();
    this.#interrupts.msix.reset();
  }

  /** virtio_notify_config: a driver that does not run is not told. */
  *#notifyConfig(): Actor {
    if (this.status & VIRTIO_CONFIG_S_DRIVER_OK) yield* this.#interrupts.notifyConfig();
  }

  *#writeStatus(written: number): Actor {
    const [low, high] = this.driverFeatures;
    const [offeredLow, offeredHigh] = this.virtio.offeredFeatures();
    const featuresAcceptable =
      (low & ~offeredLow) === 0 && (high & ~offeredHigh) === 0 && virtioHasFeature(low, high, VIRTIO_F_VERSION_1);
    const { next, events, bugs } = writeDeviceStatus(this.status, written, { featuresAcceptable });
    for (const event of events) this.options.note?.("device_status", event);
    for (const bug of bugs) noteDriverBug(this.options.note, bug);
    if (events.includes("reset")) yield* this.resetDevice();
    else yield* this.#changeStatus(next);
  }

  *#changeStatus(next: number): Actor {
    const old = this.status;
    if (next === old) return;
    this.#common.status = next;
    yield* this.virtio.setStatus(old, next, this);
  }

  // 4.1.4.9.2: a driver must name aligned bytes of another structure; where it does not, the access does not happen.
  #windowTarget(): { offset: number; width: number } | undefined {
    const bar = this.config[this.#window + VirtioPciCap.BAR]!;
    const offset = loadLe(this.config, this.#window + VirtioPciCap.OFFSET, 4);
    const width = loadLe(this.config, this.#window + VirtioPciCap.LENGTH, 4);
    const aligned = (width === 1 || width === 2 || width === 4) && offset % width === 0;
    if (bar === MODERN_BAR && aligned && offset < this.#bar.size) return { offset, width };
    noteDriverBug(this.options.note, DRIVER_BUGS.PCI_CFG_WINDOW);
    return undefined;
  }
}

function overlaps(offset: number, width: number, field: number, size: number): boolean {
  return offset < field + size && field < offset + width;
}

/** The offset of a queue's notification address in the BAR. */
function notifyOffset(queue: number): number {
  return 3 * STRUCTURE_SIZE + queue * NOTIFY_OFF_MULTIPLIER;
}

/** One region of regions of STRUCTURE_SIZE bytes each. An access across a boundary finds nothing. */
function sideBySide(name: string, parts: readonly MmioRegion[]): MmioRegion {
  const at = (offset: number, width: number): MmioRegion | undefined =>
    (offset % STRUCTURE_SIZE) + width <= STRUCTURE_SIZE ? parts[Math.floor(offset / STRUCTURE_SIZE)] : undefined;
  return {
    name,
    size: parts.length * STRUCTURE_SIZE,
    *read(offset, width) {
      const part = at(offset, width);
      return part ? yield* part.read(offset % STRUCTURE_SIZE, width) : allOnes(width);
    },
    *write(offset, width, value) {
      const part = at(offset, width);
      if (part) yield* part.write(offset % STRUCTURE_SIZE, width, value);
    },
  };
}

/** 4.1.4: where in the BAR a structure is. The notification structure's capability is longer by a field. */
function structureCap(type: number, offset: number): Uint8Array {
  const notify = type === VIRTIO_PCI_CAP_NOTIFY_CFG;
  const cap = new Uint8Array(notify ? VirtioPciNotifyCap.SIZEOF : VirtioPciCap.SIZEOF);
  cap[VirtioPciCap.CAP_LEN] = cap.length;
  cap[VirtioPciCap.CFG_TYPE] = type;
  cap[VirtioPciCap.BAR] = MODERN_BAR;
  storeLe(cap, VirtioPciCap.OFFSET, 4, offset);
  storeLe(cap, VirtioPciCap.LENGTH, 4, STRUCTURE_SIZE);
  if (notify) storeLe(cap, VirtioPciNotifyCap.NOTIFY_OFF_MULTIPLIER, 4, NOTIFY_OFF_MULTIPLIER);
  return cap;
}

/** 4.1.4.9: the driver fills in the rest. */
function windowCap(): Uint8Array {
  const cap = new Uint8Array(VirtioPciCfgCap.SIZEOF);
  cap[VirtioPciCap.CAP_LEN] = cap.length;
  cap[VirtioPciCap.CFG_TYPE] = VIRTIO_PCI_CAP_PCI_CFG;
  return cap;
}
