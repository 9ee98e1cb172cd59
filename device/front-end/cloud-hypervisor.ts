// A vhost-user front-end for a virtio-fs device: cloud-hypervisor's virtio-devices/src/vhost_user/{vu_common_ctrl,fs}.rs
// over rust-vmm's vhost, in mid-2022, and of transport/pci_device.rs what concerns kicks (a later one). There the vCPU
// waits at a barrier until the VMM's thread has activated the device; here it does so itself.
//
// Once REPLY_ACK is negotiated every message asks for an ACK and is waited for. It begins to do things where QEMU does
// others: no memory slots, no GET_VRING_BASE, a ring's base from the ring itself, kick eventfds as old as the device.
//
// It did not pass on which queues the driver enabled, but numbered those from 0 (cloud-hypervisor #4314); here a queue
// keeps its number, as since then.

import type { Actor } from "../../vm/sync/op.js";
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_GET_FEATURES,
  VHOST_USER_GET_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_SET_BACKEND_REQ_FD,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_MEM_TABLE,
  VHOST_USER_SET_OWNER,
  VHOST_USER_SET_PROTOCOL_FEATURES,
  VHOST_USER_SET_VRING_ADDR,
  VHOST_USER_SET_VRING_BASE,
  VHOST_USER_SET_VRING_CALL,
  VHOST_USER_SET_VRING_ENABLE,
  VHOST_USER_SET_VRING_KICK,
  VHOST_USER_SET_VRING_NUM,
} from "../spec/vhost-user.js";
import { VIRTIO_CONFIG_S_DRIVER_OK } from "../spec/virtio.js";
import { VirtqAvail } from "../spec/virtq.js";
import type { Channel } from "../vhost-user/channel.js";
import { vringFd } from "../vhost-user/message.js";
import { hasFeature } from "../vhost-user/table.js";
import type { RingAreas } from "../virtqueue.js";
import { memoryRegions, vringAddr } from "./address-space.js";
import { Messenger, state, u64 } from "./messenger.js";
import { asU64, type DeviceParts, type Notifier, VhostDevice } from "./vhost-device.js";
import type { VirtioTransport } from "./virtio-device.js";

export interface CloudHypervisorParts extends DeviceParts {
  readonly channel: Channel;
  readonly ramFd: number;
  readonly backendReqFd: number;
}

/**
 * MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, BACKEND_SEND_FD, CONFIGURE_MEM_SLOTS. INFLIGHT_SHMFD is left out: none of our
 * back-ends has it. Which of these a device without DAX window asks for was not read.
 */
const PROTOCOL_FEATURES = 0x842bn;

export class CloudHypervisorFrontEnd extends VhostDevice {
  readonly #messenger: Messenger;
  /** The queues that are enabled in the back-end, and whose rings and eventfds it keeps after a reset. */
  #queues: number[] = [];
  #notifiersAssigned = false;

  constructor(override readonly parts: CloudHypervisorParts) {
    super(parts);
    this.#messenger = new Messenger(parts.channel);
  }

  /** negotiate_features_vhost_user. The kick eventfds are made with the device, and only then. */
  *connect(): Actor {
    const to = this.#messenger;
    yield* to.send(VHOST_USER_SET_OWNER);
    this.backEndFeatures = yield* to.get(VHOST_USER_GET_FEATURES);
    if (hasFeature(this.backEndFeatures, VHOST_USER_F_PROTOCOL_FEATURES)) {
      const acked = (yield* to.get(VHOST_USER_GET_PROTOCOL_FEATURES)) & PROTOCOL_FEATURES;
      yield* to.send(VHOST_USER_SET_PROTOCOL_FEATURES, u64(acked));
      to.protocolFeatures = acked; // from here NEED_REPLY
    }
    for (const queue of this.queueSizes.keys()) yield* this.#kick(queue).eventfd.create(this.parts.kickCount);
  }

  /** Clearing DRIVER_OK (bus mastering turned off) is nothing to it: only a reset stops the device. */
  *setStatus(_old: number, next: number, transport: VirtioTransport): Actor {
    if (next & VIRTIO_CONFIG_S_DRIVER_OK && !this.started) yield* this.#activate(transport);
  }

  *queueEnabled(queue: number, transport: VirtioTransport): Actor {
    if (!this.started) yield* this.#activate(transport);
    else yield* this.#setUpQueues([queue], transport);
  }

  /** reset_vhost_user: no GET_VRING_BASE, so nobody waits for a worker that has taken its kick. */
  *reset(transport: VirtioTransport): Actor {
    this.started = false;
    for (const queue of this.#queues.splice(0)) yield* this.#setEnable(queue, 0);
    yield* transport.clearGuestNotifiers();
  }

  /** The back-end keeps its call eventfd: what masks a vector is where that leads. */
  *maskCall(): Actor {}

  // biome-ignore lint/correctness/useYield: there is no second eventfd to look at
  *callPending(): Actor<boolean> {
    return false;
  }

  /** pause_vhost_user: ENABLE(0) for all queues; rings, eventfds and what is in them are kept. */
  *vmStop(): Actor {
    for (const queue of this.#queues) yield* this.#setEnable(queue, 0);
  }

  /** resume_vhost_user. */
  *vmCont(): Actor {
    for (const queue of this.#queues) yield* this.#setEnable(queue, 1);
  }

  /**
   * VhostUserEpollHandler::reconnect, at a HUP: connect_vhost_user, which tries again for a minute (here, until somebody
   * listens), reinitialize_vhost_user. What has been negotiated stays.
   */
  override *reconnect(transport: VirtioTransport): Actor {
    const to = this.#messenger;
    const acked = to.protocolFeatures;
    yield* to.channel.close();
    yield* to.channel.connect();
    to.protocolFeatures = 0n;
    yield* to.send(VHOST_USER_SET_OWNER);
    yield* to.get(VHOST_USER_GET_FEATURES);
    yield* to.send(VHOST_USER_SET_PROTOCOL_FEATURES, u64(acked));
    to.protocolFeatures = acked;
    yield* this.#setUp(this.#queues.splice(0), transport);
  }

  *toggle(): Actor {
    yield* this.vmStop();
    yield* this.vmCont();
  }

  /** Its ioeventfds are registered with the BAR: a notification before DRIVER_OK stays in the eventfd as well. */
  *queueNotify(queue: number): Actor {
    yield* this.#kick(queue).eventfd.add(1);
  }

  /** With all queues that the driver has enabled. */
  *#activate(transport: VirtioTransport): Actor {
    this.started = true;
    if (!this.#notifiersAssigned) {
      for (const queue of this.queueSizes.keys()) transport.assignNotifier(queue, this.#kick(queue).eventfd);
      this.#notifiersAssigned = true;
    }
    yield* transport.setGuestNotifiers(this.guestNotifiers);
    const enabled = [...transport.queues.keys()].filter((queue) => transport.queues[queue]!.enabled);
    yield* this.#setUp(enabled, transport);
  }

  /** setup_vhost_user. */
  *#setUp(queues: readonly number[], transport: VirtioTransport): Actor {
    const to = this.#messenger;
    const backEndBit = this.backEndFeatures & (1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES));
    yield* to.sendAcked(VHOST_USER_SET_FEATURES, u64(asU64(transport.driverFeatures) | backEndBit));
    const regions = memoryRegions(this.parts.ram);
    const fds = regions.map(() => this.parts.ramFd);
    yield* to.sendAcked(VHOST_USER_SET_MEM_TABLE, { kind: "memoryTable", regions }, fds);
    yield* this.#setUpQueues(queues, transport);
    if (to.has(VHOST_USER_PROTOCOL_F_BACKEND_REQ))
      yield* to.sendAcked(VHOST_USER_SET_BACKEND_REQ_FD, { kind: "none" }, [this.parts.backendReqFd]);
  }

  /** A queue's NUM and addresses go by its maximum size, whatever the driver has chosen. */
  *#setUpQueues(queues: readonly number[], transport: VirtioTransport): Actor {
    const rings: { queue: number; areas: RingAreas }[] = [];
    for (const queue of queues) {
      const areas = yield* this.placed(queue, this.queueSizes[queue]!, transport);
      if (areas) rings.push({ queue, areas });
    }
    for (const { queue, areas } of rings)
      yield* this.#messenger.sendAcked(VHOST_USER_SET_VRING_NUM, state(queue, areas.size));
    for (const { queue, areas } of rings) yield* this.#setUpQueue(queue, areas);
    for (const { queue } of rings) yield* this.#setEnable(queue, 1);
    this.#queues.push(...rings.map(({ queue }) => queue));
  }

  *#setUpQueue(queue: number, areas: RingAreas): Actor {
    const to = this.#messenger;
    yield* to.sendAcked(VHOST_USER_SET_VRING_ADDR, { kind: "vringAddr", ...vringAddr(queue, areas) });
    const base = yield* this.parts.ram.words.load16(areas.avail + VirtqAvail.IDX);
    yield* to.sendAcked(VHOST_USER_SET_VRING_BASE, state(queue, base));
    yield* this.#sendFd(VHOST_USER_SET_VRING_CALL, queue, this.parts.notifiers[queue]!.call);
    yield* this.#sendFd(VHOST_USER_SET_VRING_KICK, queue, this.#kick(queue));
  }

  *#sendFd(id: number, queue: number, { fd }: Notifier): Actor {
    yield* this.#messenger.sendAcked(id, vringFd(queue, "fd"), [fd]);
  }

  *#setEnable(queue: number, enable: 0 | 1): Actor {
    if (hasFeature(this.backEndFeatures, VHOST_USER_F_PROTOCOL_FEATURES))
      yield* this.#messenger.sendAcked(VHOST_USER_SET_VRING_ENABLE, state(queue, enable));
  }

  #kick(queue: number): Notifier {
    return this.parts.notifiers[queue]!.kicks[0]!;
  }
}
