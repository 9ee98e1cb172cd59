// One polled request at a time on a virtqueue: VirtioPrepare, VirtioAppendDesc and VirtioFlush of EDK2's
// OvmfPkg/Library/VirtioLib. No interrupt, no time-out, and one kick for each request, whatever the device says about
// notifications.

import { VIRTQ_DESC_F_WRITE, VirtqDesc, VirtqUsed } from "../../device/spec/virtq";
import { allocatePages } from "./pages";
import { gpa } from "./shared";
import { VirtioPci } from "./virtio-pci";
import { VIRTQ_NONE, VIRTQ_USED_BAD_LEN, Virtqueue, virtqPrivateBytes, virtqRingBytes } from "./virtq";

/**
 * gBS->Stall, of a driver that polls: waits `micros`, then comes back to look again. The engine is told the 16-bit word
 * at `ptr` that is polled and the value `seen` there, since only a change of it can mean anything to the driver.
 */
@external("env", "stall")
declare function stall(micros: u32, ptr: u32, seen: u32): void;

const LONGEST_STALL: u32 = 1024; // microseconds

/** Buffers of the longest request: headers and bodies, to and fro. */
const MOST_BUFFERS: u32 = 4;

export class RequestQueue {
  readonly ring: Virtqueue;
  /** The request's buffers as struct virtq_desc, copied into the descriptor table when it is sent. */
  private readonly buffers: usize;
  private count: u32 = 0;

  /** VirtioRingInit and VirtioRingMap, for queue `index` of `size` entries. */
  constructor(
    readonly device: VirtioPci,
    readonly index: u32,
    size: u32,
  ) {
    this.ring = changetype<Virtqueue>(allocatePages(virtqPrivateBytes(size)));
    this.ring.init(allocatePages(virtqRingBytes(size)), size, false);
    this.buffers = heap.alloc(MOST_BUFFERS * VirtqDesc.SIZEOF);
  }

  /** VirtioPrepare: the answer will be polled, so the device need not interrupt (avail.flags). */
  prepare(): void {
    this.ring.disableCalls();
    this.count = 0;
  }

  /** VirtioAppendDesc. All buffers that the device reads come before those that it writes (virtio 1.4, 2.7.4.2). */
  appendReadable(at: usize, length: u32): void {
    this.append(at, length, 0);
  }
  appendWritable(at: usize, length: u32): void {
    this.append(at, length, VIRTQ_DESC_F_WRITE);
  }

  private append(at: usize, length: u32, flags: i32): void {
    const buffer = this.buffers + this.count++ * VirtqDesc.SIZEOF;
    store<u64>(buffer, gpa(at), VirtqDesc.ADDR);
    store<u32>(buffer, length, VirtqDesc.LEN);
    store<u16>(buffer, flags as u16, VirtqDesc.FLAGS);
  }

  /** VirtioFlush. Returns the bytes that the device says it wrote, at most those of the writable buffers. */
  flush(): u32 {
    const ring = this.ring;
    // 1. The chain and its avail ring entry. With one request in flight the chain starts at descriptor 0 each time.
    if (ring.add(this.buffers, this.count) == VIRTQ_NONE) this.device.giveUp("its request queue is too small");
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
    return ring.reapedLen;
  }
}
