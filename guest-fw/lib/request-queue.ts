// One polled request at a time on a virtqueue: VirtioPrepare, VirtioAppendDesc and VirtioFlush of EDK2's
// OvmfPkg/Library/VirtioLib. No interrupt, no time-out, and one kick for each request, whatever the device says about
// notifications.

import { VirtqUsed } from "../../device/spec/virtq";
import { VIRTIO_FS_MAX_BUFFER } from "../../device/spec/virtio-fs";
import { FuseRequest } from "./fuse-request";
import { FuseTransport } from "./fuse-transport";
import { allocatePages } from "./pages";
import { VirtioPci } from "./virtio-pci";
import { VIRTQ_NONE, VIRTQ_USED_BAD_LEN, Virtqueue, virtqPrivateBytes, virtqRingBytes } from "./virtq";

/**
 * gBS->Stall, of a driver that polls: waits `micros`, then comes back to look again. The engine is told the 16-bit word
 * at `ptr` that is polled and the value `seen` there, since only a change of it can mean anything to the driver.
 */
@external("env", "stall")
declare function stall(micros: u32, ptr: u32, seen: u32): void;

const LONGEST_STALL: u32 = 1024; // microseconds

export class RequestQueue extends FuseTransport {
  readonly ring: Virtqueue;

  /** VirtioRingInit and VirtioRingMap, for queue `index` of `size` entries. */
  constructor(
    device: VirtioPci,
    readonly index: u32,
    size: u32,
  ) {
    super(device);
    this.ring = changetype<Virtqueue>(allocatePages(virtqPrivateBytes(size)));
    this.ring.init(allocatePages(virtqRingBytes(size)), size, false);
  }

  /** Data is one buffer, however long. */
  newRequest(): FuseRequest {
    return new FuseRequest(this.device, VIRTIO_FS_MAX_BUFFER, 1);
  }
  maxData(): u32 {
    return VIRTIO_FS_MAX_BUFFER;
  }
  uniqueStep(): u64 {
    return 1;
  }

  /** The request queue carries FORGET like all else. */
  forget(request: FuseRequest): void {
    this.exchange(request);
  }

  /** VirtioFlush. The used length is at most the bytes of the writable buffers. */
  exchange(request: FuseRequest): void {
    const ring = this.ring;
    // VirtioPrepare: the answer will be polled, so the device need not interrupt (avail.flags).
    ring.disableCalls();
    // 1. The chain and its avail ring entry. With one request in flight the chain starts at descriptor 0 each time.
    if (ring.add(request.buffers, request.count) == VIRTQ_NONE) this.device.giveUp("its request queue is too small");
    // 2. avail.idx. It orders descriptors and request before itself.
    ring.publish();
    // 3. The kick, only now that avail.idx is out: a device that is woken finds the request.
    this.device.setQueueNotify(this.index);
    // 4. used.idx, until it says that this one request is done. Doubling stalls, no time-out, no second kick.
    let micros: u32 = 1;
    while (ring.poll() != 1) {
      stall(micros, (ring.used + VirtqUsed.IDX) as u32, ring.usedIdx);
      if (micros < LONGEST_STALL) micros *= 2;
    }
    // 5. The used element.
    const head = ring.reap();
    if (head == VIRTQ_USED_BAD_LEN) this.device.giveUp("it says that it wrote more than the request has room for");
    if (head != 0) this.device.giveUp("its used element names no request");
    request.used = ring.reapedLen;
    request.done = true;
  }
}
