// A front-end whose back-end is the kernel: QEMU's vhost-net, hw/net/vhost_net.c over hw/virtio/{vhost,vhost-backend}.c.
// There is no socket and no message. An ioctl is a function call in the vCPU's thread, which returns after the kernel
// has applied it: nothing of it can be overtaken by a kick.
//
// The order is that of vhost_dev_start(vrings = false) and vhost_net_start_one, of which the parts that vhost-user-fs
// shares were read and traced there; that both queues of the lab's device go the way of a pair of vhost-net's is inferred.

import type { Actor } from "../../vm/sync/op.js";
import { VHOST_FILE_UNBIND, type VhostIoctl } from "../spec/vhost.js";
import { memoryRegions, vringAddr } from "./address-space.js";
import { isPlaced, QemuDevice } from "./qemu-device.js";
import { asU64, BackEndError, type DeviceParts } from "./vhost-device.js";
import type { VirtioTransport } from "./virtio-device.js";

/** An open /dev/vhost-net. */
export interface VhostFile {
  /** ioctl(2). @returns what the request asks for (features, a base), 0, or a negative errno */
  ioctl(call: VhostIoctl): Actor<number>;
}

export interface IoctlParts extends DeviceParts {
  readonly vhost: VhostFile;
  /** What does the work behind the rings: for vhost-net a tap device's socket. */
  readonly tapFd: number;
}

export class IoctlFrontEnd extends QemuDevice {
  /** The queues whose rings have a backend. */
  #running: number[] = [];

  constructor(override readonly parts: IoctlParts) {
    super(parts);
  }

  /** vhost_net_init: vhost_dev_init. */
  *connect(): Actor {
    yield* this.#ioctl({ request: "VHOST_SET_OWNER" });
    this.backEndFeatures = BigInt(yield* this.#ioctl({ request: "VHOST_GET_FEATURES" }));
    for (const [index, { maskedCall, err }] of this.parts.notifiers.entries()) {
      yield* this.#ioctl({ request: "VHOST_SET_VRING_CALL", index, fd: maskedCall.fd });
      yield* this.#ioctl({ request: "VHOST_SET_VRING_ERR", index, fd: err.fd });
    }
  }

  *queueEnabled(queue: number, transport: VirtioTransport): Actor {
    if (!this.started) yield* this.start(transport);
    else if (yield* this.#setUpQueue(queue, transport)) yield* this.#run(queue);
  }

  /** vhost_virtqueue_mask. */
  *maskCall(index: number, masked: boolean): Actor {
    const { call, maskedCall } = this.parts.notifiers[index]!;
    yield* this.#ioctl({ request: "VHOST_SET_VRING_CALL", index, fd: masked ? maskedCall.fd : call.fd });
  }

  /** There is no disabled state. What comes nearest: no backend, and the backend again. */
  *toggle(): Actor {
    const running = this.#running.splice(0);
    for (const queue of running) yield* this.#setBackend(queue, VHOST_FILE_UNBIND);
    for (const queue of running) yield* this.#run(queue);
  }

  /** vhost_net_start: notifiers, vhost_dev_start, then the backend of each ring, by which the kernel serves it. */
  protected *start(transport: VirtioTransport, bornWith?: 0 | 1): Actor {
    this.started = true;
    yield* transport.setGuestNotifiers(this.guestNotifiers);
    yield* this.assignNotifiers(transport, bornWith);
    yield* this.#ioctl({ request: "VHOST_SET_FEATURES", features: asU64(transport.driverFeatures) });
    yield* this.#ioctl({ request: "VHOST_SET_MEM_TABLE", regions: memoryRegions(this.parts.ram) });
    const rings: number[] = [];
    for (const queue of transport.queues.keys()) if (yield* this.#setUpQueue(queue, transport)) rings.push(queue);
    for (const queue of rings) yield* this.#run(queue);
  }

  /** vhost_virtqueue_start. A queue without an address is skipped. @returns whether it was set up */
  *#setUpQueue(index: number, transport: VirtioTransport): Actor<boolean> {
    const config = transport.queues[index]!;
    const areas = isPlaced(config) ? yield* this.placed(index, config.size, transport) : undefined;
    if (!areas) return false;
    yield* this.#ioctl({ request: "VHOST_SET_VRING_NUM", index, num: areas.size });
    yield* this.#ioctl({ request: "VHOST_SET_VRING_BASE", index, num: this.lastAvailIdx[index]! });
    yield* this.#ioctl({ request: "VHOST_SET_VRING_ADDR", ...vringAddr(index, areas) });
    yield* this.#ioctl({ request: "VHOST_SET_VRING_KICK", index, fd: this.kick(index).fd });
    if (yield* this.callsNobody(index, transport))
      yield* this.#ioctl({ request: "VHOST_SET_VRING_CALL", index, fd: VHOST_FILE_UNBIND });
    return true;
  }

  /** vhost_net_stop: no backend any more, vhost_dev_stop, notifiers. */
  protected *stop(transport: VirtioTransport): Actor {
    const running = this.#running.splice(0);
    for (const queue of running) yield* this.#setBackend(queue, VHOST_FILE_UNBIND);
    for (const index of running)
      this.lastAvailIdx[index] = yield* this.#ioctl({ request: "VHOST_GET_VRING_BASE", index });
    yield* this.cleanupNotifiers(transport);
    yield* transport.clearGuestNotifiers();
    this.started = false;
  }

  *#run(queue: number): Actor {
    yield* this.#setBackend(queue, this.parts.tapFd);
    this.#running.push(queue);
  }

  *#setBackend(index: number, fd: number): Actor {
    yield* this.#ioctl({ request: "VHOST_NET_SET_BACKEND", index, fd });
  }

  *#ioctl(call: VhostIoctl): Actor<number> {
    this.parts.note?.("ioctl", "index" in call ? `${call.request} q${call.index}` : call.request);
    const result = yield* this.parts.vhost.ioctl(call);
    if (result < 0) throw new BackEndError(`${call.request}: errno ${-result}`);
    return result;
  }
}
