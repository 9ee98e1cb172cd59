// A vhost-user front-end for a virtio-fs device: QEMU's hw/virtio/{vhost-user,vhost,vhost-user-fs}.c. It runs in the
// vCPU's thread, inside the traps of the registers; the guest goes on only after the last message has been sent and
// every awaited reply read.

import type { Actor } from "../../vm/sync/op.js";
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
import type { Channel } from "../vhost-user/channel.js";
import { request, vringFd } from "../vhost-user/message.js";
import type { Region } from "../vhost-user/payload.js";
import { hasFeature } from "../vhost-user/table.js";
import { memoryRegions, vringAddr } from "./address-space.js";
import { Messenger, state, u64 } from "./messenger.js";
import { isPlaced, QemuDevice } from "./qemu-device.js";
import type { FrontEndVariant } from "./variants.js";
import { asU64, BackEndError, type DeviceParts } from "./vhost-device.js";
import type { Features, VirtioTransport } from "./virtio-device.js";

/**
 * How the back-end is told of guest RAM: by ADD_MEM_REG, if it offers CONFIGURE_MEM_SLOTS, what it does not know yet; or
 * as to a back-end that does not, by SET_MEM_TABLE at every start.
 */
export type MemoryMessages = "slots" | "table";

export interface VhostUserParts extends DeviceParts {
  readonly channel: Channel;
  readonly ramFd: number;
  readonly backendReqFd: number;
  readonly variant: FrontEndVariant;
  readonly memory: MemoryMessages;
}

export class VhostUserFrontEnd extends QemuDevice {
  readonly #messenger: Messenger;
  /** Regions that the back-end has been told (u->shadow_regions): nothing clears them at a stop. */
  #shadowRegions: Region[] = [];

  constructor(override readonly parts: VhostUserParts) {
    super(parts);
    this.#messenger = new Messenger(parts.channel);
  }

  /** vuf_device_realize: vhost_user_backend_init, vhost_dev_init. */
  *connect(): Actor {
    const to = this.#messenger;
    this.backEndFeatures = yield* to.get(VHOST_USER_GET_FEATURES);
    if (hasFeature(this.backEndFeatures, VHOST_USER_F_PROTOCOL_FEATURES)) {
      const offered = yield* to.get(VHOST_USER_GET_PROTOCOL_FEATURES);
      const left = this.parts.memory === "table" ? 1n << BigInt(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) : 0n;
      to.protocolFeatures = offered & this.parts.variant.protocolFeatures & ~left;
      yield* to.send(VHOST_USER_SET_PROTOCOL_FEATURES, u64(to.protocolFeatures));
    }
    if (to.has(VHOST_USER_PROTOCOL_F_MQ)) {
      const queues = yield* to.get(VHOST_USER_GET_QUEUE_NUM);
      if (queues < this.queueSizes.length) throw new BackEndError(`the back-end serves ${queues} queues only`);
    }
    if (to.has(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) yield* to.get(VHOST_USER_GET_MAX_MEM_SLOTS);
    if (to.has(VHOST_USER_PROTOCOL_F_BACKEND_REQ)) {
      yield* to.sendAcked(VHOST_USER_SET_BACKEND_REQ_FD, { kind: "none" }, [this.parts.backendReqFd]);
    }
    yield* to.send(VHOST_USER_SET_OWNER);
    this.backEndFeatures = yield* to.get(VHOST_USER_GET_FEATURES);
    for (const [queue, { maskedCall, err }] of this.parts.notifiers.entries()) {
      yield* to.sendFd(VHOST_USER_SET_VRING_CALL, queue, maskedCall);
      yield* to.sendFd(VHOST_USER_SET_VRING_ERR, queue, err);
    }
  }

  /**
   * The picture that the mail draws: the ring messages leave in the queue_enable write. The first enabled queue starts
   * the device, later ones add themselves; the DRIVER_OK write then finds it started.
   */
  *queueEnabled(queue: number, transport: VirtioTransport): Actor {
    if (!this.started) yield* this.start(transport);
    else if (yield* this.#startQueue(queue, transport)) yield* this.#setEnable(queue, 1);
  }

  /** 8.2 and later: RESET_DEVICE at every reset, also of a device that was not started. */
  override *reset(transport: VirtioTransport): Actor {
    yield* super.reset(transport);
    if (this.parts.variant.resetsDevice && this.#messenger.has(VHOST_USER_PROTOCOL_F_RESET_DEVICE))
      yield* this.#messenger.send(VHOST_USER_RESET_DEVICE);
  }

  /** vhost_virtqueue_mask. */
  *maskCall(queue: number, masked: boolean): Actor {
    const { call, maskedCall } = this.parts.notifiers[queue]!;
    yield* this.#messenger.sendFd(VHOST_USER_SET_VRING_CALL, queue, masked ? maskedCall : call);
  }

  *toggle(): Actor {
    if (!this.started) return;
    yield* this.#setEnables(0);
    yield* this.#setEnables(1);
  }

  /** vuf_start: host notifiers, guest notifiers, vhost_dev_start, unmask. */
  protected *start(transport: VirtioTransport, bornWith?: 0 | 1): Actor {
    this.started = true;
    yield* this.assignNotifiers(transport, bornWith);
    yield* transport.setGuestNotifiers(this.guestNotifiers);
    yield* this.#setFeatures(transport.driverFeatures);
    yield* this.#setMemory();
    for (const queue of this.queueSizes.keys()) yield* this.#startQueue(queue, transport);
    yield* this.#setEnables(1);
    // "guest_notifier_mask/pending not used yet, so just unmask everything here": whatever vectors say.
    for (const queue of this.queueSizes.keys()) yield* this.maskCall(queue, false);
  }

  /** vhost_virtqueue_start. A queue without an address is skipped. @returns whether it was started */
  *#startQueue(queue: number, transport: VirtioTransport): Actor<boolean> {
    const to = this.#messenger;
    const config = transport.queues[queue]!;
    const areas = isPlaced(config) ? yield* this.placed(queue, config.size, transport) : undefined;
    if (!areas) return false;
    yield* to.send(VHOST_USER_SET_VRING_NUM, state(queue, areas.size));
    yield* to.send(VHOST_USER_SET_VRING_BASE, state(queue, this.lastAvailIdx[queue]!));
    yield* to.send(VHOST_USER_SET_VRING_ADDR, { kind: "vringAddr", ...vringAddr(queue, areas) });
    yield* to.sendFd(VHOST_USER_SET_VRING_KICK, queue, this.kick(queue));
    if (yield* this.callsNobody(queue, transport)) yield* to.send(VHOST_USER_SET_VRING_CALL, vringFd(queue, "no fd"));
    return true;
  }

  /** vuf_stop: vhost_dev_stop, guest notifiers off, host notifiers cleaned up. */
  protected *stop(transport: VirtioTransport): Actor {
    yield* this.#setEnables(0);
    for (const [queue, config] of transport.queues.entries()) {
      if (!isPlaced(config)) continue;
      const base = yield* this.#messenger.exchange(request(VHOST_USER_GET_VRING_BASE, state(queue, 0)));
      this.lastAvailIdx[queue] = base.payload.kind === "vringState" ? base.payload.num & 0xffff : 0;
    }
    yield* transport.clearGuestNotifiers();
    yield* this.cleanupNotifiers(transport);
    this.started = false;
  }

  /** Bit 30 is negotiated, so that rings start disabled. */
  get #enablesRings(): boolean {
    return this.parts.variant.enablesRings && hasFeature(this.backEndFeatures, VHOST_USER_F_PROTOCOL_FEATURES);
  }

  /** vhost_user_set_features: what the guest accepted, with bit 30 (7.2 and later). */
  *#setFeatures(features: Features): Actor {
    const bit30 = this.#enablesRings ? 1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES) : 0n;
    yield* this.#messenger.send(VHOST_USER_SET_FEATURES, u64(asU64(features) | bit30));
  }

  /** With memory slots, what the back-end does not know yet; else the whole table, at every start. */
  *#setMemory(): Actor {
    const to = this.#messenger;
    const fd = this.parts.ramFd;
    const regions = memoryRegions(this.parts.ram);
    if (!to.has(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
      const fds = regions.map(() => fd);
      yield* to.sendAcked(VHOST_USER_SET_MEM_TABLE, { kind: "memoryTable", regions }, fds);
      return;
    }
    for (const region of regions) {
      if (this.#shadowRegions.some((known) => known.gpa === region.gpa)) continue;
      yield* to.sendAcked(VHOST_USER_ADD_MEM_REG, { kind: "memoryRegion", region }, [fd]);
      this.#shadowRegions.push(region);
    }
  }

  /** For every queue, configured or not. */
  *#setEnables(enable: 0 | 1): Actor {
    for (const queue of this.parts.notifiers.keys()) yield* this.#setEnable(queue, enable);
  }

  /**
   * vhost_user_set_vring_enable. Without bit 30 there is no such message: the rings are enabled at SET_FEATURES. Where it
   * is waited for, then by an ACK where REPLY_ACK is negotiated, else by a GET_FEATURES exchange, which is a fence because
   * a back-end handles messages in order. (The memory messages are waited for only by an ACK.)
   */
  *#setEnable(queue: number, enable: 0 | 1): Actor {
    if (!this.#enablesRings) return;
    const to = this.#messenger;
    if (!this.parts.variant.waitsForEnable) yield* to.send(VHOST_USER_SET_VRING_ENABLE, state(queue, enable));
    else if (!(yield* to.sendAcked(VHOST_USER_SET_VRING_ENABLE, state(queue, enable))))
      yield* to.get(VHOST_USER_GET_FEATURES);
  }
}
