// A virtqueue as Linux's fs/fuse/virtio_fs.c uses it (struct virtio_fs_vq): chains through indirect tables, a kick only
// when the device wants one, completion by an interrupt that is asked for again once the queue has been emptied.

import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_INDIRECT_DESC,
} from "../../device/spec/virtio";
import { write16 } from "./mmio";
import { allocatePages } from "./pages";
import { VirtioPciModern } from "./virtio-pci-modern";
import { VIRTQ_NONE, Virtqueue, virtqPrivateBytes, virtqRingBytes } from "./virtq";

export class VirtioFsVq {
  readonly ring: Virtqueue;
  private readonly indirect: bool;
  private readonly notify: u64;
  /** Notifications that were sent, and chains that came back. */
  kicks: u32 = 0;
  completed: u32 = 0;

  /** setup_vq of a queue of `size` entries, interrupting by `vector`. It is enabled later. */
  constructor(
    private readonly device: VirtioPciModern,
    readonly index: u32,
    readonly vector: u32,
    size: u32,
    features: u64,
  ) {
    this.indirect = has(features, VIRTIO_F_INDIRECT_DESC);
    this.ring = changetype<Virtqueue>(allocatePages(virtqPrivateBytes(size)));
    const rings = allocatePages(virtqRingBytes(size));
    this.ring.init(rings, size, has(features, VIRTIO_F_EVENT_IDX), has(features, VIRTIO_F_IN_ORDER));
    this.notify = device.activate(index, this.ring, vector);
  }

  /**
   * virtqueue_add_sgs, virtqueue_kick_prepare, virtqueue_notify. Returns the chain's head, or VIRTQ_NONE when there is
   * no room now. The array at `buffers` is the device's until the chain is back.
   */
  submit(buffers: usize, count: u32): i32 {
    const ring = this.ring;
    // virtqueue_use_indirect: a single buffer takes a descriptor either way.
    const head = this.indirect && count > 1 ? ring.addIndirect(buffers, count) : ring.add(buffers, count);
    if (head == VIRTQ_NONE) {
      // What does not fit into an empty queue never will.
      if (ring.inFlight == 0) this.device.giveUp("its queue is too small");
      return VIRTQ_NONE;
    }
    ring.publish();
    if (ring.kickPrepare()) {
      write16(this.notify, this.index);
      this.kicks++;
    }
    return head;
  }

  /** virtqueue_disable_cb, and a look at what is there. */
  beginCompletions(): void {
    this.ring.disableCalls();
    this.ring.poll();
  }

  /** virtqueue_get_buf: the head of a chain that is back, its used length in ring.reapedLen, or VIRTQ_NONE. */
  next(): i32 {
    const head = this.ring.reap();
    if (head >= 0) this.completed++;
    else if (head != VIRTQ_NONE) this.device.giveUp("its used ring makes no sense");
    return head;
  }

  /** virtqueue_enable_cb: asks for the next interrupt. Returns false if more has come meanwhile. */
  endCompletions(): bool {
    this.ring.enableCalls();
    return this.ring.poll() == 0;
  }
}

function has(features: u64, bit: u32): bool {
  return (features & (1 << (bit as u64))) != 0;
}
