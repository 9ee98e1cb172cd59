// A split virtqueue that is slow and plainly right: both sides as arrays of whole events, counters that never wrap, and
// notification rules in the standard's own words (virtio 1.4, 2.7). The differential partner of ring.wasm + driver.wasm.

export interface Buffer {
  /** Guest-physical address. */
  readonly addr: bigint;
  readonly len: number;
  /** Device-writable. */
  readonly write: boolean;
}

export interface Chain {
  readonly head: number;
  readonly buffers: readonly Buffer[];
  /** Descriptors of the table that it occupies: one if the buffers are in an indirect table. */
  readonly descriptors: readonly number[];
}

export interface UsedElement {
  readonly head: number;
  readonly len: number;
}

const IDX = 65536;

export class SplitQueueModel {
  /** Free descriptors, next one first. */
  free: number[];
  /** Every chain ever offered; the n-th lies in avail.ring[n mod size]. */
  readonly offered: Chain[];
  /** How many of them the driver has published, and how many it had at its last kick decision. */
  published: number;
  kicked: number;
  /** How many the device has taken; those that it has not returned yet, by head. */
  taken: number;
  readonly inDevice = new Map<number, Chain>();
  /** Every element ever returned, and how many of them are published, decided on, reaped. */
  readonly used: UsedElement[];
  usedPublished: number;
  called: number;
  polled: number;
  reaped: number;
  /** Chains that the driver has not got back. */
  readonly inFlight = new Map<number, Chain>();
  /** What each side last asked for. */
  calls: { readonly wanted: boolean; readonly event: number } = { wanted: true, event: 0 };
  kicks: { readonly wanted: boolean; readonly event: number } = { wanted: true, event: 0 };

  /** A queue as it is after `start` requests have come and gone one by one. */
  constructor(
    readonly size: number,
    readonly eventIdx: boolean,
    start = 0,
  ) {
    this.free = Array.from({ length: size }, (_, i) => i);
    this.offered = new Array(start);
    this.used = new Array(start);
    this.published = this.kicked = this.taken = start;
    this.usedPublished = this.called = this.polled = this.reaped = start;
  }

  get availIdx(): number {
    return this.published % IDX;
  }
  get usedIdx(): number {
    return this.usedPublished % IDX;
  }

  /** 2.7.13.1, 2.7.13.2. The head, or undefined if there is no room. */
  add(buffers: readonly Buffer[], indirect: boolean): number | undefined {
    const needed = indirect ? 1 : buffers.length;
    if (buffers.length === 0 || buffers.length > this.size || needed > this.free.length) return undefined;
    const descriptors = this.free.slice(0, needed);
    this.free = this.free.slice(needed);
    const chain = { head: descriptors[0]!, buffers, descriptors };
    this.offered.push(chain);
    this.inFlight.set(chain.head, chain);
    return chain.head;
  }

  publish(): void {
    this.published = this.offered.length;
  }

  /** 2.7.10.1: must the driver kick for what it has published since its last decision? */
  kick(): boolean {
    const first = this.kicked;
    this.kicked = this.published;
    return this.eventIdx ? passed(first, this.published, this.kicks.event) : this.kicks.wanted;
  }

  /** The device takes the next published chain. */
  take(): Chain | undefined {
    if (this.taken === this.published) return undefined;
    const chain = this.offered[this.taken++]!;
    this.inDevice.set(chain.head, chain);
    return chain;
  }

  /** The device is done with a chain, and has written `len` bytes. */
  complete(head: number, len: number): void {
    this.inDevice.delete(head);
    this.used.push({ head, len });
  }

  publishUsed(): void {
    this.usedPublished = this.used.length;
  }

  /** 2.7.7.2: must the device call for what it has published since its last decision? */
  call(): boolean {
    const first = this.called;
    this.called = this.usedPublished;
    return this.eventIdx ? passed(first, this.usedPublished, this.calls.event) : this.calls.wanted;
  }

  /** The driver looks at used.idx: how many elements are pending? */
  poll(): number {
    this.polled = this.usedPublished;
    return this.polled - this.reaped;
  }

  reap(): UsedElement | undefined {
    if (this.reaped === this.polled) return undefined;
    const element = this.used[this.reaped++]!;
    this.free = [...this.inFlight.get(element.head)!.descriptors, ...this.free];
    this.inFlight.delete(element.head);
    return element;
  }

  /** The driver's wish; with EVENT_IDX "none" is said by an element that has passed already. */
  wantCalls(wanted: boolean): void {
    this.calls = { wanted, event: (wanted ? this.reaped : this.reaped - 1 + IDX) % IDX };
  }

  /** The device's wish; with EVENT_IDX for the chain that it would take next. */
  wantKicks(wanted: boolean): void {
    this.kicks = { wanted, event: (wanted ? this.taken : this.taken - 1 + IDX) % IDX };
  }
}

/**
 * 2.7.7.2, 2.7.10.1: after an index was written, a notification is due if the entry whose number equals `event` is
 * among those from `first` up to, not including, `next`.
 */
export function passed(first: number, next: number, event: number): boolean {
  for (let entry = first; entry < next; entry++) if (entry % IDX === event) return true;
  return false;
}
