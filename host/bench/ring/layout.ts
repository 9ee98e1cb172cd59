// Where the queues of a benchmark lie in guest RAM: rings, what the driver keeps of them, buffers.

import { VirtqDesc, virtqAvailBytes, virtqDescBytes, virtqUsedBytes } from "../../../device/spec/virtq.js";
import type { RingAreas } from "../../../device/virtqueue.js";
import { GuestMemory, MIN_BYTES, WASM_PAGE } from "../../../vm/memory.js";
import { RAM_BASE, RAM_HIGH_START } from "../../../vm/spec/board.js";
import type { RingOptions } from "./options.js";

const PAGE = 4096;
const LINE = 64;
/** Of a buffer that nobody reads. */
const UNREAD_BYTES = 16;

/** Offsets into guest RAM. */
export interface QueueLayout extends RingAreas {
  /** What the driver keeps: of the queue, of the stream of requests. */
  readonly queue: number;
  readonly stream: number;
  /** By head: `chain` buffers, as struct virtq_desc. */
  readonly requests: number;
  /** Where payloads come from, and where the device copies them to. */
  readonly source: number;
  readonly sink: number;
}

export interface Layout {
  readonly queues: readonly QueueLayout[];
  readonly memory: WebAssembly.Memory;
}

/** Bytes of what the driver keeps of a queue. */
export interface DriverBytes {
  readonly queue: number;
  readonly stream: number;
}

/** Makes the guest's RAM, with its buffers described and the payloads filled. */
export function layOut(options: RingOptions, bytes: DriverBytes): Layout {
  const { ring, chain, payload } = options;
  const bufferBytes = payload === 0 ? UNREAD_BYTES : payload / chain;
  const stride = Math.ceil(bufferBytes / LINE) * LINE;
  const buffers = ring * chain;
  let end = RAM_HIGH_START;
  const place = (size: number): number => {
    const at = end;
    end += Math.ceil(size / PAGE) * PAGE;
    return at;
  };
  const queues = Array.from({ length: options.queues }, () => {
    const desc = place(virtqDescBytes(ring) + virtqAvailBytes(ring));
    const layout = {
      size: ring,
      desc,
      avail: desc + virtqDescBytes(ring),
      used: place(virtqUsedBytes(ring)),
      queue: place(bytes.queue),
      stream: place(bytes.stream),
      requests: place(buffers * VirtqDesc.SIZEOF),
      source: place(payload),
      sink: place(payload),
    };
    return { ...layout, buffers: place(buffers * stride) };
  });
  const memory = GuestMemory.allocate(Math.max(MIN_BYTES, Math.ceil(end / WASM_PAGE) * WASM_PAGE));
  const view = new DataView(memory.buffer);
  for (const queue of queues) {
    for (let i = 0; i < buffers; i++) {
      const buffer = queue.requests + i * VirtqDesc.SIZEOF;
      const gpa = RAM_BASE + queue.buffers + i * stride;
      view.setBigUint64(buffer + VirtqDesc.ADDR, BigInt(gpa), true);
      view.setUint32(buffer + VirtqDesc.LEN, bufferBytes, true);
    }
    new Uint8Array(memory.buffer).set(
      Uint8Array.from({ length: payload }, (_, i) => patternByte(i)),
      queue.source,
    );
  }
  return { queues, memory };
}

/** The byte at that place of every payload, but for its first word, which is the request's number. */
function patternByte(at: number): number {
  return (at * 7 + (at >>> 8)) & 0xff;
}

/** Whether a payload has come through. */
export function holdsPattern(memory: WebAssembly.Memory, at: number, bytes: number): boolean {
  return new Uint8Array(memory.buffer, at, bytes).every((byte, i) => i < 4 || byte === patternByte(i));
}
