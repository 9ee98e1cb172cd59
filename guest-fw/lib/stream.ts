// A driver at full speed, as pktgen is one: requests that carry data to the device, many in one call. In driver.wasm
// only. A stream is a struct in guest memory, as its queue is.
//
// The buffers belong to the head that a request gets; its descriptors are written anew each time, as a driver of real
// requests has to.

import { VIRTQ_NOTIFY_NEVER, VIRTQ_RUN_DONE, VIRTQ_RUN_IDLE, VIRTQ_RUN_NOTIFY, VirtqAvail, VirtqDesc, VirtqUsed } from "../../device/spec/virtq";
import { RAM_BASE } from "../../vm/spec/board";
import { copy } from "../../vm/wasm/copy";
import { pause } from "../../vm/wasm/pause";
import { Virtqueue } from "./virtq";

/** Bytes of a stream. */
export function streamBytes(): usize {
  return offsetof<Stream>();
}

@unmanaged
export class Stream {
  queue: Virtqueue;
  /** By head: `chain` buffers as `add` takes them. */
  requests: usize;
  chain: u32;
  indirect: bool;
  /** Chains a publication, and chains in flight at most. */
  batch: u32;
  outstanding: u32;
  /** Bytes that each request carries, from `source`; the first word is the request's number. 0: its buffers stay unread. */
  payload: u32;
  source: usize;
  notify: u32;
  /** Requests so far; both wrap at 2^32. */
  submitted: u32;
  returned: u32;

  init(
    queue: usize,
    requests: usize,
    chain: u32,
    indirect: bool,
    batch: u32,
    outstanding: u32,
    payload: u32,
    source: usize,
    notify: u32,
  ): void {
    this.queue = changetype<Virtqueue>(queue);
    this.requests = requests;
    this.chain = chain;
    this.indirect = indirect;
    this.batch = batch;
    this.outstanding = outstanding;
    this.payload = payload;
    this.source = source;
    this.notify = notify;
    this.submitted = this.returned = 0;
  }

  /**
   * Submits and reaps until `target` requests have come back.
   * @param looks how often used.idx is looked at in vain before the run ends
   * @param patience turns of the pause between two looks, for each chain that came back in the burst before it
   * @returns VIRTQ_RUN_*, or VIRTQ_USED_BAD_* for a device that wrote nonsense
   */
  run(target: u32, looks: u32, patience: u32): i32 {
    const queue = this.queue;
    const perChain = this.indirect ? 1 : this.chain;
    let burst: u32 = 0;
    let vain: u32 = 0;
    let waited = false;
    while (this.returned != target) {
      const want = min(this.batch, target - this.submitted);
      if (want > 0 && queue.inFlight + want <= this.outstanding && want * perChain <= queue.freeCount) {
        this.submit(want, perChain);
        queue.publish();
        vain = 0;
        if (this.notify != VIRTQ_NOTIFY_NEVER && queue.kickPrepare()) return VIRTQ_RUN_NOTIFY;
        continue;
      }
      if (queue.pending == 0) {
        const pending = queue.poll();
        if (pending == 0 || (pending < burst && !waited)) {
          if (pending == 0 && vain++ == looks) return VIRTQ_RUN_IDLE;
          pause(queue.avail + VirtqAvail.IDX, (burst - min(pending, burst)) * patience);
          waited = true;
          if (pending == 0) burst >>= 1;
          continue;
        }
        waited = false;
        burst = min(burst + pending, this.outstanding >> 1);
      }
      const reaped = queue.reapAll(this.batch);
      if (reaped < 0) return reaped;
      this.returned += reaped;
    }
    return VIRTQ_RUN_DONE;
  }

  /** Offers the next `count` requests, which fit. */
  @inline
  private submit(count: u32, perChain: u32): void {
    const queue = this.queue;
    const stride = this.chain * VirtqDesc.SIZEOF;
    if (this.payload > 0) {
      let head = queue.freeHead;
      for (let i: u32 = 0; i < count; i++) {
        this.fill(this.requests + head * stride, this.submitted + i);
        head = queue.after(head, perChain);
      }
    }
    queue.offer(count, this.requests, stride, this.chain, this.indirect);
    this.submitted += count;
  }

  /** Copies the payload of that request into the buffers of a chain, which have room for it. */
  @inline
  private fill(buffers: usize, request: u32): void {
    let at: u32 = 0;
    for (let i: u32 = 0; at < this.payload; i++) {
      const len = load<u32>(buffers + i * VirtqDesc.SIZEOF, VirtqDesc.LEN);
      const to = (load<u64>(buffers + i * VirtqDesc.SIZEOF, VirtqDesc.ADDR) - (RAM_BASE as u64)) as usize;
      copy(to, this.source + at, len);
      if (i == 0) store<u32>(to, request);
      at += len;
    }
  }
}
