// The common configuration structure (virtio 1.4, 4.1.4.3; QEMU: virtio_pci_common_read and _write): a table of
// registers whose offsets follow from their order.
//
// 4.1.3.1: "the driver MUST use 8-bit wide accesses for 8-bit wide fields, 16-bit wide and aligned accesses for 16-bit
// wide fields and 32-bit wide and aligned accesses for 32-bit and 64-bit wide fields". The standard leaves open what
// another access does; here it reads 0 and writes nothing (QEMU looks at the offset only, and truncates).

import type { MmioRegion } from "../../vm/bus.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { VIRTIO_CONFIG_S_FEATURES_OK } from "../spec/virtio.js";
import { VIRTIO_MSI_NO_VECTOR } from "../spec/virtio-pci.js";
import { VIRTQ_AVAIL_ALIGN, VIRTQ_DESC_ALIGN, VIRTQ_USED_ALIGN } from "../spec/virtq.js";
import { DRIVER_BUGS, type DriverBug, noteDriverBug } from "./driver-bug.js";
import type { Features, QueueConfig } from "./virtio-device.js";

interface Register {
  readonly name: string;
  readonly width: 1 | 2 | 4;
  readonly read: () => number;
  /** Absent: read-only for the driver. Gives an actor where the write does more than to latch. */
  readonly write?: (value: number) => Actor | undefined;
}

type Area = "desc" | "driver" | "device";

/** A queue's registers. */
interface Queue extends QueueConfig {
  size: number;
  enabled: boolean;
  msixVector: number;
  readonly desc: { lo: number; hi: number };
  readonly driver: { lo: number; hi: number };
  readonly device: { lo: number; hi: number };
}

/** What the registers need from the transport around them. */
export interface CommonCfgOwner {
  /** Largest size of each queue. */
  readonly queueSizes: readonly number[];
  /** Entries of the MSI-X vector table. */
  readonly vectors: number;
  offeredFeatures(): Features;
  configGeneration(): number;
  /** The driver writes device_status: what happens to it is not this structure's business. */
  writeStatus(written: number): Actor;
  /** A queue has been enabled. @returns what has to be done about it in this write, if anything */
  queueEnabled(queue: number): Actor | undefined;
  /** queue_msix_vector of a queue was `old` until this write. */
  queueVectorChanged(queue: number, old: number): Actor;
}

export class CommonCfg implements MmioRegion {
  readonly name = "common-cfg";
  status = 0;
  configVector = VIRTIO_MSI_NO_VECTOR;
  readonly driverFeatures: [low: number, high: number] = [0, 0];
  readonly queues: readonly Queue[];
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #queueSelect = 0;
  readonly #registers = new Map<number, Register>();

  constructor(
    readonly size: number,
    readonly owner: CommonCfgOwner,
    readonly note: Note | undefined,
  ) {
    this.queues = owner.queueSizes.map((size) => ({
      size,
      enabled: false,
      msixVector: VIRTIO_MSI_NO_VECTOR,
      desc: { lo: 0, hi: 0 },
      driver: { lo: 0, hi: 0 },
      device: { lo: 0, hi: 0 },
    }));
    let offset = 0;
    for (const register of this.#table()) {
      this.#registers.set(offset, register);
      offset += register.width;
    }
  }

  /** 2.4: all registers to their values at power-on. */
  reset(): void {
    this.status = 0;
    this.configVector = VIRTIO_MSI_NO_VECTOR;
    this.driverFeatures.fill(0);
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#queueSelect = 0;
    this.queues.forEach((queue, index) => {
      queue.size = this.owner.queueSizes[index]!;
      queue.enabled = false;
      queue.msixVector = VIRTIO_MSI_NO_VECTOR;
      for (const area of [queue.desc, queue.driver, queue.device]) Object.assign(area, { lo: 0, hi: 0 });
    });
  }

  // biome-ignore lint/correctness/useYield: a trap without steps
  *read(offset: number, width: number): Actor<number> {
    const register = this.#at(offset, width);
    if (!register) return 0;
    const value = register.read() >>> 0;
    this.note?.(`read[${register.name}]`, `${this.#about(register)}=> ${value}`);
    return value;
  }

  *write(offset: number, width: number, value: number): Actor {
    const register = this.#at(offset, width);
    if (!register) return;
    this.note?.(`write[${register.name}]`, `${this.#about(register)}<= ${value}`);
    if (!register.write) return this.#bug(DRIVER_BUGS.REGISTER_READ_ONLY);
    const effect = register.write(value);
    if (effect) yield* effect;
  }

  #table(): Register[] {
    const queue = (read: (queue: Queue) => number) => (): number => {
      const selected = this.queues[this.#queueSelect];
      return selected ? read(selected) : 0; // absent queue: queue_size "MUST" be 0 (4.1.4.3.1), and so are the others
    };
    const address = (area: Area, half: "lo" | "hi"): Register => ({
      name: `queue_${area}_${half}`,
      width: 4,
      read: queue((selected) => selected[area][half]),
      write: (value) => {
        const selected = this.#configurable();
        if (selected) selected[area][half] = value;
        return undefined;
      },
    });
    const zero = (name: string): Register => ({ name, width: 2, read: () => 0 });
    return [
      {
        name: "device_feature_select",
        width: 4,
        read: () => this.#deviceFeatureSelect,
        write: (value) => {
          this.#deviceFeatureSelect = value;
          return undefined;
        },
      },
      { name: "device_feature", width: 4, read: () => this.owner.offeredFeatures()[this.#deviceFeatureSelect] ?? 0 },
      {
        name: "driver_feature_select",
        width: 4,
        read: () => this.#driverFeatureSelect,
        write: (value) => {
          this.#driverFeatureSelect = value;
          return undefined;
        },
      },
      {
        name: "driver_feature",
        width: 4,
        read: () => this.driverFeatures[this.#driverFeatureSelect] ?? 0,
        write: (value) => this.#acceptFeatures(value),
      },
      {
        name: "config_msix_vector",
        width: 2,
        read: () => this.configVector,
        write: (value) => {
          this.configVector = this.#vector(value);
          return undefined;
        },
      },
      { name: "num_queues", width: 2, read: () => this.queues.length },
      {
        name: "device_status",
        width: 1,
        read: () => this.status,
        write: (value) => this.owner.writeStatus(value),
      },
      { name: "config_generation", width: 1, read: () => this.owner.configGeneration() },
      {
        name: "queue_select",
        width: 2,
        read: () => this.#queueSelect,
        write: (value) => {
          this.#queueSelect = value;
          return undefined;
        },
      },
      {
        name: "queue_size",
        width: 2,
        read: queue((selected) => selected.size),
        write: (value) => this.#setSize(value),
      },
      {
        name: "queue_msix_vector",
        width: 2,
        read: queue((selected) => selected.msixVector),
        write: (value) => this.#setVector(value),
      },
      {
        name: "queue_enable",
        width: 2,
        read: queue((selected) => (selected.enabled ? 1 : 0)),
        write: (value) => this.#enable(value),
      },
      { name: "queue_notify_off", width: 2, read: queue(() => this.#queueSelect) },
      address("desc", "lo"),
      address("desc", "hi"),
      address("driver", "lo"),
      address("driver", "hi"),
      address("device", "lo"),
      address("device", "hi"),
      zero("queue_notif_config_data"), // exists only with VIRTIO_F_NOTIF_CONFIG_DATA
      zero("queue_reset"), // VIRTIO_F_RING_RESET
      zero("admin_queue_index"), // VIRTIO_F_ADMIN_VQ
      zero("admin_queue_num"),
    ];
  }

  // Bits above 63 are never offered: "a device can ignore writes for feature bits it never offers, and simply present 0
  // on reads" (4.1.4.3.1, note). The other bits are mirrored, and checked when the driver sets FEATURES_OK.
  #acceptFeatures(value: number): undefined {
    if (this.status & VIRTIO_CONFIG_S_FEATURES_OK) return this.#bug(DRIVER_BUGS.FEATURES_LATE);
    if (this.#driverFeatureSelect <= 1) this.driverFeatures[this.#driverFeatureSelect] = value;
  }

  // 4.1.4.3.1: "If VIRTIO_F_RING_PACKED has not been negotiated, the device MUST present either a value of 0 or a power
  // of 2 in queue_size." A size that cannot be is presented as 0, and a queue of size 0 is not enabled.
  #setSize(value: number): undefined {
    const selected = this.#configurable();
    if (!selected) return;
    const valid = value !== 0 && (value & (value - 1)) === 0 && value <= this.owner.queueSizes[this.#queueSelect]!;
    selected.size = valid ? value : 0;
    if (!valid) this.#bug(DRIVER_BUGS.QUEUE_SIZE);
  }

  // 4.1.5.1.2.1: "Upon detection of such a failure, the device MUST report NO_VECTOR": of a vector that is not in the table.
  #vector(value: number): number {
    return value < this.owner.vectors ? value : VIRTIO_MSI_NO_VECTOR;
  }

  #setVector(value: number): Actor | undefined {
    const selected = this.#configurable();
    if (!selected) return;
    const old = selected.msixVector;
    selected.msixVector = this.#vector(value);
    return this.owner.queueVectorChanged(this.#queueSelect, old);
  }

  // The write latches (QEMU: proxy->vqs[].enabled = 1).
  #enable(value: number): Actor | undefined {
    const selected = this.#configurable();
    if (!selected) return;
    // 4.1.4.3.2: "The driver MUST NOT write a 0 to queue_enable."
    if (value !== 1) return this.#bug(DRIVER_BUGS.QUEUE_ENABLE);
    if (selected.size === 0) return this.#bug(DRIVER_BUGS.QUEUE_ENABLE_SIZE);
    const misaligned =
      selected.desc.lo % VIRTQ_DESC_ALIGN ||
      selected.driver.lo % VIRTQ_AVAIL_ALIGN ||
      selected.device.lo % VIRTQ_USED_ALIGN;
    if (misaligned) return this.#bug(DRIVER_BUGS.QUEUE_ALIGNMENT);
    selected.enabled = true;
    return this.owner.queueEnabled(this.#queueSelect);
  }

  // 4.1.4.3.2: "The driver MUST configure the other virtqueue fields before enabling the virtqueue with queue_enable."
  #configurable(): Queue | undefined {
    const selected = this.queues[this.#queueSelect];
    if (!selected) return this.#bug(DRIVER_BUGS.QUEUE_ABSENT);
    if (selected.enabled) return this.#bug(DRIVER_BUGS.QUEUE_LIVE);
    return selected;
  }

  #at(offset: number, width: number): Register | undefined {
    const register = this.#registers.get(offset);
    return register?.width === width ? register : this.#bug(DRIVER_BUGS.REGISTER_ACCESS);
  }

  /** For a remark on a queue's register: which queue. */
  #about(register: Register): string {
    return register.name.startsWith("queue_") && register.name !== "queue_select" ? `q${this.#queueSelect} ` : "";
  }

  #bug(bug: DriverBug): undefined {
    noteDriverBug(this.note, bug);
  }
}
