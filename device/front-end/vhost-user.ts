// A vhost-user front-end for a virtio-fs device: QEMU's hw/virtio/{vhost-user,vhost,vhost-user-fs}.c. It runs in the
// vCPU's thread, inside the traps of the registers; the guest goes on only after the last message has been sent and
// every awaited reply read.

import type { GuestMemory } from "../../vm/memory.js";
import type { Irqfd } from "../../vm/irq.js";
import type { EventFd } from "../../vm/sync/eventfd.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import {
  VHOST_USER_ADD_MEM_REG,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_GET_FEATURES,
  VHOST_USER_GET_MAX_MEM_SLOTS,
  VHOST_USER_GET_PROTOCOL_FEATURES,
  VHOST_USER_GET_QUEUE_NUM,
  VHOST_USER_GET_VRING_BASE,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_RESET_DEVICE,
  VHOST_USER_SET_BACKEND_REQ_FD,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_MEM_TABLE,
  VHOST_USER_SET_OWNER,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_ERR,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../spec/vhost-user.js";
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  VIRTIO_ID_FS,
} from "../spec/virtio.js";
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_ISR_QUEUE } from "../spec/virtio-pci.js";
import { type Channel, CLOSED } from "../vhost-user/channel.js";
import { isRefused, type Message, messageName, request, vringFd } from "../vhost-user/message.js";
import type { Payload, Region } from "../vhost-user/payload.js";
import { hasFeature } from "../vhost-user/table.js";
import { ringAreas, ringLabels } from "../virtqueue.js";
import type { DeviceCfg } from "./device-cfg.js";
import type { FrontEndVariant } from "./variants.js";
import type { Features, Gpa, QueueConfig, VirtioDevice, VirtioTransport } from "./virtio-device.js";

/** An eventfd with its descriptor number. */
export interface Notifier {
  readonly fd: number;
  readonly eventfd: EventFd;
}

/** The eventfds of one queue. */
export interface QueueNotifiers {
  /** Host notifiers (kick): a new eventfd at each start, taken in turn. */
  readonly kicks: readonly Notifier[];
  /** Guest notifier (call), and the one that is handed out while no guest notifier is active. */
  readonly call: { readonly fd: number; readonly eventfd: Irqfd };
  readonly maskedCall: Notifier;
  readonly err: Notifier;
}

/**
 * How the back-end is told of guest RAM: by ADD_MEM_REG, if it offers CONFIGURE_MEM_SLOTS, what it does not know yet; or
 * as to a back-end that does not, by SET_MEM_TABLE at every start.
 */
export type MemoryMessages = "slots" | "table";

export interface FrontEndParts {
  readonly channel: Channel;
  readonly ram: GuestMemory;
  readonly ramFd: number;
  readonly backendReqFd: number;
  readonly notifiers: readonly QueueNotifiers[];
  readonly variant: FrontEndVariant;
  readonly memory: MemoryMessages;
  /**
   * What kick eventfds are born with. QEMU's host notifiers have 1 (virtio_bus_set_host_notifier: "event_notifier_init
   * (notifier, 1)"), so that registering one in epoll wakes the back-end.
   */
  readonly kickCount: 0 | 1;
  readonly config: DeviceCfg;
  readonly queueSize: number;
  readonly note?: Note;
}

/** The back-end broke the protocol, refused a request or hung up while the front-end waited: QEMU's -EIO or -EPROTO. */
export class BackEndError extends Error {
  override name = "BackEndError";
}

/** Where QEMU maps guest RAM in itself: any address will do, but it is not the gpa and not the offset. */
const UADDR_BASE = 0x7f00_0000_0000n;
/** The bits that vhost-user-fs lets the guest see if the back-end offers them (user_feature_bits, modern ones). */
const PASSED_ON = [VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1];

const u64 = (value: bigint): Payload => ({ kind: "u64", value });
const state = (index: number, num: number): Payload => ({ kind: "vringState", index, num });

/** virtio_queue_get_desc_addr is not 0. The registers reach the queue in the queue_enable write (virtio_queue_set_rings). */
const isPlaced = ({ enabled, desc }: QueueConfig): boolean => enabled && (desc.lo !== 0 || desc.hi !== 0);

export class VhostUserFrontEnd implements VirtioDevice {
  readonly deviceId = VIRTIO_ID_FS;
  readonly queueSizes: readonly number[];
  readonly config: DeviceCfg;
  #backEndFeatures = 0n;
  #protocolFeatures = 0n;
  #started = false;
  /** Regions that the back-end has been told (u->shadow_regions): nothing clears them at a stop. */
  #shadowRegions: Region[] = [];
  /** The eventfd in use as host notifier of each queue, while started. */
  readonly #kicks: (Notifier | undefined)[];
  #starts = 0;
  /** Per queue: from GET_VRING_BASE, 0 after a reset. */
  readonly #lastAvailIdx: number[];

  constructor(readonly parts: FrontEndParts) {
    this.config = parts.config;
    this.queueSizes = parts.notifiers.map(() => parts.queueSize);
    this.#kicks = parts.notifiers.map(() => undefined);
    this.#lastAvailIdx = parts.notifiers.map(() => 0);
  }

  /** vuf_device_realize: vhost_user_backend_init, vhost_dev_init. */
  *connect(): Actor {
    this.#backEndFeatures = yield* this.#get(VHOST_USER_GET_FEATURES);
    if (hasFeature(this.#backEndFeatures, VHOST_USER_F_PROTOCOL_FEATURES)) {
      const offered = yield* this.#get(VHOST_USER_GET_PROTOCOL_FEATURES);
      const left = this.parts.memory === "table" ? 1n << BigInt(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) : 0n;
      this.#protocolFeatures = offered & this.parts.variant.protocolFeatures & ~left;
      yield* this.#send(request(VHOST_USER_SET_PROTOCOL_FEATURES, u64(this.#protocolFeatures)));
    }
    if (this.#has(VHOST_USER_PROTOCOL_F_MQ)) {
      const queues = yield* this.#get(VHOST_USER_GET_QUEUE_NUM);
      if (queues < this.queueSizes.length) throw new BackEndError(`the back-end serves ${queues} queues only`);
    }
    if (this.#has(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) yield* this.#get(VHOST_USER_GET_MAX_MEM_SLOTS);
    if (this.#has(VHOST_USER_PROTOCOL_F_BACKEND_REQ)) {
      yield* this.#sendSync(VHOST_USER_SET_BACKEND_REQ_FD, { kind: "none" }, [this.parts.backendReqFd]);
    }
    yield* this.#send(request(VHOST_USER_SET_OWNER));
    this.#backEndFeatures = yield* this.#get(VHOST_USER_GET_FEATURES);
    for (const [queue, { maskedCall, err }] of this.parts.notifiers.entries()) {
      yield* this.#sendFd(VHOST_USER_SET_VRING_CALL, queue, maskedCall);
      yield* this.#sendFd(VHOST_USER_SET_VRING_ERR, queue, err);
    }
  }

  offeredFeatures(): Features {
    const passed = PASSED_ON.filter((bit) => hasFeature(this.#backEndFeatures, bit));
    const word = (high: boolean): number =>
      passed.filter((bit) => bit >= 32 === high).reduce((sum, bit) => (sum | (1 << (bit & 31))) >>> 0, 0);
    return [word(false), word(true)];
  }

  /** vuf_set_status. Everything in the vCPU's thread: it resumes after the last message and the last awaited reply. */
  *setStatus(_old: number, next: number, transport: VirtioTransport): Actor {
    const shouldStart = (next & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
    if (shouldStart === this.#started) return;
    if (shouldStart) yield* this.#start(transport);
    else yield* this.#stop(transport);
  }

  /**
   * The picture that the mail draws: the ring messages leave in the queue_enable write. The first enabled queue starts
   * the device, later ones add themselves; the DRIVER_OK write then finds it started.
   */
  *queueEnabled(queue: number, transport: VirtioTransport): Actor {
    if (!this.#started) yield* this.#start(transport);
    else if (yield* this.#startQueue(queue, transport)) yield* this.#setEnable(queue, 1);
  }

  /** virtio_reset: stops, then (8.2 and later) RESET_DEVICE, also of a device that was not started. */
  *reset(transport: VirtioTransport): Actor {
    if (this.#started) yield* this.#stop(transport);
    const { resetsDevice } = this.parts.variant;
    if (resetsDevice && this.#has(VHOST_USER_PROTOCOL_F_RESET_DEVICE))
      yield* this.#send(request(VHOST_USER_RESET_DEVICE));
    this.#lastAvailIdx.fill(0);
  }

  /** The virtual machine stops (`stop`): vuf_set_status with vm_running false. Ring memory and indices are kept. */
  *vmStop(transport: VirtioTransport): Actor {
    if (this.#started) yield* this.#stop(transport);
  }

  /** `cont`: starts again where GET_VRING_BASE said. @param bornWith count of the new kick eventfds; QEMU's is 1 */
  *vmCont(transport: VirtioTransport, bornWith: 0 | 1): Actor {
    if (transport.status & VIRTIO_CONFIG_S_DRIVER_OK) yield* this.#start(transport, bornWith);
  }

  /** SET_VRING_ENABLE 0, then 1, for every queue of a started device. */
  *toggle(): Actor {
    if (!this.#started) return;
    yield* this.#setEnables(0);
    yield* this.#setEnables(1);
  }

  /** vuf_handle_output is empty: a notification before the start has no effect at all. */
  *queueNotify(): Actor {}

  /** virtio_queue_guest_notifier_read, when the driver looks: what the call eventfds hold becomes ISR bit 0. */
  *pendingInterrupts(): Actor<number> {
    if (!this.#started) return 0;
    let isr = 0;
    for (const { call } of this.parts.notifiers) if ((yield* call.eventfd.read()) > 0) isr |= VIRTIO_PCI_ISR_QUEUE;
    return isr;
  }

  /** vhost_virtqueue_mask. */
  *maskCall(queue: number, masked: boolean): Actor {
    const { call, maskedCall } = this.parts.notifiers[queue]!;
    yield* this.#sendFd(VHOST_USER_SET_VRING_CALL, queue, masked ? maskedCall : call);
  }

  /** vhost_virtqueue_pending. */
  *callPending(queue: number): Actor<boolean> {
    return (yield* this.parts.notifiers[queue]!.maskedCall.eventfd.read()) > 0;
  }

  /** vuf_start: host notifiers, guest notifiers, vhost_dev_start, unmask. */
  *#start(transport: VirtioTransport, bornWith = this.parts.kickCount): Actor {
    const queues = [...this.parts.notifiers.keys()];
    this.#started = true;
    for (const [queue, { kicks }] of this.parts.notifiers.entries()) {
      const kick = kicks[this.#starts % kicks.length]!;
      yield* kick.eventfd.create(bornWith);
      this.#kicks[queue] = kick;
      transport.assignNotifier(queue, kick.eventfd);
    }
    this.#starts++;
    yield* transport.setGuestNotifiers(this.parts.notifiers.map(({ call }) => call.eventfd));
    yield* this.#setFeatures(transport.driverFeatures);
    yield* this.#setMemory();
    for (const queue of queues) yield* this.#startQueue(queue, transport);
    yield* this.#setEnables(1);
    // "guest_notifier_mask/pending not used yet, so just unmask everything here": whatever vectors say.
    for (const queue of queues) yield* this.maskCall(queue, false);
  }

  /** vhost_virtqueue_start. A queue without an address is skipped. @returns whether it was started */
  *#startQueue(queue: number, transport: VirtioTransport): Actor<boolean> {
    const config = transport.queues[queue]!;
    if (!isPlaced(config)) return false;
    const addr = this.#ringAddr(queue, config);
    if (!addr) {
      this.parts.note?.("Driver bug", `q${queue}: the ring is not in guest RAM or not aligned (virtio 1.4, 2.7)`);
      yield* transport.setNeedsReset();
      return false;
    }
    yield* this.#send(request(VHOST_USER_SET_VRING_NUM, state(queue, config.size)));
    yield* this.#send(request(VHOST_USER_SET_VRING_BASE, state(queue, this.#lastAvailIdx[queue]!)));
    yield* this.#send(request(VHOST_USER_SET_VRING_ADDR, addr));
    yield* this.#sendFd(VHOST_USER_SET_VRING_KICK, queue, this.#kicks[queue]!);
    yield* this.callPending(queue); // "Clear and discard previous events if any."
    if (transport.msixEnabled && config.msixVector === VIRTIO_MSI_NO_VECTOR)
      yield* this.#send(request(VHOST_USER_SET_VRING_CALL, vringFd(queue, "no fd")));
    return true;
  }

  /** vuf_stop: vhost_dev_stop, guest notifiers off, host notifiers cleaned up. */
  *#stop(transport: VirtioTransport): Actor {
    yield* this.#setEnables(0);
    for (const [queue, config] of transport.queues.entries()) {
      if (!isPlaced(config)) continue;
      const base = yield* this.#exchange(request(VHOST_USER_GET_VRING_BASE, state(queue, 0)));
      this.#lastAvailIdx[queue] = base.payload.kind === "vringState" ? base.payload.num & 0xffff : 0;
    }
    yield* transport.clearGuestNotifiers();
    for (const [queue, kick] of this.#kicks.entries()) {
      transport.deassignNotifier(queue);
      // virtio_bus_cleanup_host_notifier: test and clear; what was left calls the empty handler.
      if (kick) yield* kick.eventfd.read();
      this.#kicks[queue] = undefined;
    }
    this.#started = false;
  }

  /** Bit 30 is negotiated, so that rings start disabled. */
  get #enablesRings(): boolean {
    return this.parts.variant.enablesRings && hasFeature(this.#backEndFeatures, VHOST_USER_F_PROTOCOL_FEATURES);
  }

  /** vhost_user_set_features: what the guest accepted, with bit 30 (7.2 and later). */
  *#setFeatures([low, high]: Features): Actor {
    const bit30 = this.#enablesRings ? 1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES) : 0n;
    const features = (BigInt(high) << 32n) | BigInt(low) | bit30;
    yield* this.#send(request(VHOST_USER_SET_FEATURES, u64(features)));
  }

  /** With memory slots, what the back-end does not know yet; else the whole table, at every start. */
  *#setMemory(): Actor {
    const fd = this.parts.ramFd;
    const regions = this.parts.ram.table.regions.map((r) => ({
      gpa: (BigInt(r.hi) << 32n) | BigInt(r.lo),
      size: BigInt(r.size),
      uaddr: UADDR_BASE + BigInt(r.offset),
      offset: BigInt(r.offset),
    }));
    if (!this.#has(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
      const fds = regions.map(() => fd);
      yield* this.#sendSync(VHOST_USER_SET_MEM_TABLE, { kind: "memoryTable", regions }, fds);
      return;
    }
    for (const region of regions) {
      if (this.#shadowRegions.some((known) => known.gpa === region.gpa)) continue;
      yield* this.#sendSync(VHOST_USER_ADD_MEM_REG, { kind: "memoryRegion", region }, [fd]);
      this.#shadowRegions.push(region);
    }
  }

  /** For every queue, configured or not. */
  *#setEnables(enable: 0 | 1): Actor {
    for (const queue of this.parts.notifiers.keys()) yield* this.#setEnable(queue, enable);
  }

  /** vhost_user_set_vring_enable. Without bit 30 there is no such message: the rings are enabled at SET_FEATURES. */
  *#setEnable(queue: number, enable: 0 | 1): Actor {
    if (!this.#enablesRings) return;
    if (this.parts.variant.waitsForEnable) yield* this.#sendSync(VHOST_USER_SET_VRING_ENABLE, state(queue, enable));
    else yield* this.#send(request(VHOST_USER_SET_VRING_ENABLE, state(queue, enable)));
  }

  #ringAddr(queue: number, config: QueueConfig): Payload | undefined {
    const { table } = this.parts.ram;
    const gpas: Record<"desc" | "avail" | "used", Gpa> = {
      desc: config.desc,
      avail: config.driver,
      used: config.device,
    };
    const areas =
      config.size > 0
        ? ringAreas(config.size, (area, length) => table.contiguous(gpas[area].lo, gpas[area].hi, length))
        : undefined;
    if (!areas) return undefined;
    this.parts.ram.words.label(`q${queue}`, ringLabels(queue, areas));
    const uaddr = (offset: number): bigint => UADDR_BASE + BigInt(offset);
    return {
      kind: "vringAddr",
      index: queue,
      flags: 0,
      desc: uaddr(areas.desc),
      used: uaddr(areas.used),
      avail: uaddr(areas.avail),
      log: 0n,
    };
  }

  #has(feature: number): boolean {
    return hasFeature(this.#protocolFeatures, feature);
  }

  *#sendFd(id: number, queue: number, { fd }: Notifier): Actor {
    yield* this.#send(request(id, vringFd(queue, "fd"), { fds: [fd] }));
  }

  *#send(message: Message): Actor {
    yield* this.parts.channel.send(message);
  }

  /**
   * vhost_user_write_sync with wait: by an ACK where REPLY_ACK is negotiated, else by a GET_FEATURES exchange, which is a
   * fence because a back-end handles messages in order. The memory messages are waited for only by an ACK.
   */
  *#sendSync(id: number, payload: Payload, fds: readonly number[] = []): Actor {
    const acked = this.#has(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    const message = request(id, payload, { needReply: acked, fds });
    if (!acked) {
      yield* this.#send(message);
      if (id === VHOST_USER_SET_VRING_ENABLE) yield* this.#get(VHOST_USER_GET_FEATURES);
      return;
    }
    const ack = yield* this.#exchange(message);
    if (ack.payload.kind !== "u64" || ack.payload.value !== 0n)
      throw new BackEndError(`the back-end refused ${messageName(id)}`);
  }

  *#get(id: number): Actor<bigint> {
    const answer = yield* this.#exchange(request(id));
    return answer.payload.kind === "u64" ? answer.payload.value : 0n;
  }

  *#exchange(message: Message): Actor<Message> {
    yield* this.#send(message);
    const answer = yield* this.parts.channel.receive(message.request);
    const name = messageName(message.request);
    if (answer === CLOSED) throw new BackEndError(`the back-end hung up instead of answering ${name}`);
    if (isRefused(answer)) throw new BackEndError(`the back-end's answer to ${name}: ${answer.refused}`);
    return answer;
  }
}
