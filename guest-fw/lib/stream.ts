// A driver at full speed, as pktgen is one: requests that carry data to the device, many in one call. In driver.wasm
// only. A stream is a struct in guest memory, as its queue is.
//
// The buffers belong to the head that a request gets; its descriptors are written anew each time, as a driver of real
// requests has to.

import {
  VIRTQ_NOTIFY_NEVER,
  VIRTQ_RUN_DONE,
  VIRTQ_RUN_IDLE,
  VIRTQ_RUN_NOTIFY,
  VirtqAvail,
  VirtqDesc,
} from "../../device/spec/virtq";
import { RAM_BASE } from "../../vm/spec/board";
import { copy } from "../../vm/wasm/copy";
import { pause } from "../../vm/wasm/pause";
import { Virtqueue } from "./virtq";

/** Used elements that are taken at once, at least, before the next requests are offered: two cache lines of them. */
const REAPED: u32 = 16;

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
   * @param patience turns of the pause before a second look, for each chain that is missing to a burst: see `consume` of
   *   device/ring/consume.ts
   * @returns VIRTQ_RUN_*, or VIRTQ_USED_BAD_* for a device that wrote nonsense
   */
  run(target: u32, looks: u32, patience: u32): i32 {
    const queue = this.queue;
    const batch = this.batch;
    const chain = this.chain;
    const outstanding = this.outstanding;
    const perChain = this.indirect ? 1 : chain;
    const stride = chain * VirtqDesc.SIZEOF;
    let submitted = this.submitted;
    let returned = this.returned;
    let burst: u32 = 0;
    let vain: u32 = 0;
    let waited = false;
    let ended: i32 = VIRTQ_RUN_DONE;
    while (returned != target) {
      const want = min(batch, target - submitted);
      if (want > 0 && queue.inFlight + want <= outstanding && want * perChain <= queue.freeCount) {
        if (this.payload > 0) this.fillAll(submitted, want, perChain);
        queue.offer(want, this.requests, stride, chain, this.indirect);
        queue.publish();
        submitted += want;
        vain = 0;
        if (this.notify == VIRTQ_NOTIFY_NEVER || !queue.kickPrepare()) continue;
        ended = VIRTQ_RUN_NOTIFY;
        break;
      }
      if (queue.pending == 0) {
        const pending = queue.poll();
        if (pending == 0 || (pending < burst && !waited)) {
          if (pending == 0 && vain++ == looks) {
            ended = VIRTQ_RUN_IDLE;
            break;
          }
          pause(queue.avail + VirtqAvail.IDX, (burst - min(pending, burst)) * patience);
          waited = true;
          if (pending == 0) burst >>= 1;
          continue;
        }
        waited = false;
        burst = min(burst + pending, outstanding >> 1);
      }
      const reaped = queue.reapMany(max(batch, REAPED));
      if (reaped < 0) {
        ended = reaped;
        break;
      }
      returned += reaped;
    }
    this.submitted = submitted;
    this.returned = returned;
    return ended;
  }

  /** Copies the payloads of the next `count` requests, from that one on, into their buffers, which have room for them. */
  @inline
  private fillAll(request: u32, count: u32, perChain: u32): void {
    const stride = this.chain * VirtqDesc.SIZEOF;
    let head = this.queue.freeHead;
    for (let i: u32 = 0; i < count; i++) {
      this.fill(this.requests + head * stride, request + i);
      head = this.queue.after(head, perChain);
    }
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
