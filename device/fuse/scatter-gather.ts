// What a transport hands over for one request: a window on guest RAM and the buffers in it. On a virtqueue that is one
// descriptor chain (virtio 5.11.6): the readable part is fuse_in_header and datain, the writable part fuse_out_header and
// dataout. Where one buffer ends and the next begins means nothing.

/** `length` bytes at `offset` of guest RAM; the transport has checked that they lie inside it. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

export interface ScatterGather {
  /** Guest RAM, usually over a SharedArrayBuffer: the guest may change any byte at any time. */
  readonly memory: Uint8Array;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** Walks the bytes of some segments once, as if they were one buffer. */
export class Cursor {
  readonly #memory: Uint8Array;
  readonly #segments: readonly Segment[];
  #index = 0;
  /** Bytes already taken of segment #index. */
  #taken = 0;
  #remaining = 0;

  constructor(memory: Uint8Array, segments: readonly Segment[]) {
    this.#memory = memory;
    this.#segments = segments;
    for (const segment of segments) this.#remaining += segment.length;
  }

  /** Bytes not taken yet. */
  get remaining(): number {
    return this.#remaining;
  }

  /** Makes the walk end `bytes` from here, which is not later than it would end anyway. */
  limit(bytes: number): void {
    this.#remaining = bytes;
  }

  /** Views of guest RAM on the next `length` bytes (at most `remaining`), which are thereby taken. */
  take(length: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let wanted = length;
    while (wanted > 0) {
      const segment = this.#segments[this.#index]!;
      const start = segment.offset + this.#taken;
      const count = Math.min(wanted, segment.length - this.#taken);
      if (count > 0) views.push(this.#memory.subarray(start, start + count));
      wanted -= count;
      this.#taken += count;
      if (this.#taken === segment.length) {
        this.#index += 1;
        this.#taken = 0;
      }
    }
    this.#remaining -= length;
    return views;
  }

  /** A private copy of the next `length` bytes (at most `remaining`), which stay to be taken. */
  peek(length: number): Uint8Array<ArrayBuffer> {
    const ahead = new Cursor(this.#memory, this.#segments);
    ahead.#index = this.#index;
    ahead.#taken = this.#taken;
    return ahead.copy(length);
  }

  /** A private copy of the next `length` bytes (at most `remaining`), which are thereby taken. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const view of this.take(length)) {
      bytes.set(view, at);
      at += view.length;
    }
    return bytes;
  }
}
