// One direction of a Unix stream socket with SCM_RIGHTS: a FIFO of bytes between one sender and one receiver, with
// descriptor numbers attached to the byte they were sent with.

import { type Cell, type Footprint, Op, Received, streamCells, type Waitable } from "./op.js";
import { type Foldable, type SyncMemory, WaitQueue } from "./words.js";

// Bytes in flight; one byte a word. The longest burst a front-end streams unanswered is ~400. A send takes all or nothing
// (a real one goes in by pieces), so a sender and a receiver whose lengths are together above this may block each other;
// not where whole messages are sent and a header or a body is received, since then what is received is all there.
const CAPACITY = 4096;
const FDS = 64;
const HEAD = 5;
/** What `blocked` is asked for who waits for a connection. */
const CONNECTING = -1;

export class ByteStream implements Waitable, Foldable {
  readonly id: number;
  readonly queue: WaitQueue;
  readonly #sent: Cell; // counters grow for ever (mod 2^32); sent - received = bytes in flight
  readonly #received: Cell;
  readonly #closed: Cell;
  readonly #data: Cell;
  readonly #fdsSent: Cell;
  readonly #fdsReceived: Cell;
  readonly #fds: Cell; // pairs: position of the byte, descriptor number
  readonly #all: { reads: Cell[]; writes: Cell[] };

  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
  ) {
    this.#sent = memory.allocateBlock(HEAD + CAPACITY + 2 * FDS);
    this.#all = { reads: [this.#sent], writes: [this.#sent] };
    this.#received = this.#sent + 1;
    this.#closed = this.#sent + 2;
    this.#fdsSent = this.#sent + 3;
    this.#fdsReceived = this.#sent + 4;
    this.#data = this.#sent + HEAD;
    this.#fds = this.#data + CAPACITY;
    this.queue = new WaitQueue(memory);
    this.id = memory.register(this);
    memory.folds.push(this);
  }

  /**
   * sendmsg(2): all of `bytes`, with `fds` attached to the first. Blocks while they, or the descriptors, do not fit.
   * Eager while they fit: a FIFO with one sender and one receiver, the k-th send commutes with every receive of an
   * earlier byte, and the receive of these bytes is not enabled before it. So it is a release to that receive; whoever
   * reopens a stream does it after the sender has closed it, and that sends again when it is connected.
   */
  send(bytes: Uint8Array, fds: readonly number[] = [], detail = ""): Op<number> {
    if (bytes.length > CAPACITY || fds.length > FDS)
      throw new Error(`${this.name}: a message of ${bytes.length} bytes, ${fds.length} descriptors`);
    const sending = 1 + fds.length;
    const attempt = (): number | undefined => {
      if (this.blocked(bytes.length, sending)) return undefined;
      const at = this.memory.load(this.#sent);
      for (let i = 0; i < bytes.length; i++) this.memory.store(this.#data + (((at + i) >>> 0) % CAPACITY), bytes[i]!);
      const fdAt = this.memory.load(this.#fdsSent);
      fds.forEach((fd, i) => {
        const pair = this.#fds + 2 * (((fdAt + i) >>> 0) % FDS);
        this.memory.store(pair, at);
        this.memory.store(pair + 1, fd);
      });
      this.memory.store(this.#fdsSent, (fdAt + fds.length) | 0);
      this.memory.store(this.#sent, (at + bytes.length) | 0); // publishes bytes and descriptors
      this.queue.wake();
      return bytes.length;
    };
    return new Op(`${this.name}.send`, this.#all, attempt, {
      eager: true,
      releases: true,
      order: () => this.#bytes(this.#sent, bytes.length),
      detail,
      blocks: { on: this, a: bytes.length, b: sending },
    });
  }

  /**
   * recvmsg(2) with MSG_WAITALL: exactly `length` bytes, or what is left (0 bytes: end of file) once the sender has
   * closed. Descriptors come with the byte they were attached to. Eager: only this receiver takes bytes away.
   */
  receive(length: number): Op<Received> {
    const attempt = (): Received | undefined => {
      if (this.blocked(length, 0)) return undefined;
      const from = this.memory.load(this.#received);
      const count = Math.min(length, this.#inFlight());
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = this.memory.load(this.#data + (((from + i) >>> 0) % CAPACITY));
      const fds = this.#takeFds(from, count);
      this.memory.store(this.#received, (from + count) | 0);
      this.queue.wake();
      return new Received(bytes, fds);
    };
    return new Op(`${this.name}.receive`, this.#all, attempt, {
      eager: true,
      order: () => this.#bytes(this.#received, length),
      blocks: { on: this, a: length, b: 0 },
    });
  }

  /** close(2) by the sender: the receiver reads what is left, then end of file. */
  close(): Op<number> {
    return new Op(`${this.name}.close`, this.#all, () => {
      this.memory.store(this.#closed, 1);
      this.queue.wake();
      return 0;
    });
  }

  /** accept(2) of a new connection in the place of one that was closed: nothing is left of that. */
  reopen(): Op<number> {
    return new Op(`${this.name}.reopen`, this.#all, () => {
      this.memory.store(this.#received, this.memory.load(this.#sent));
      this.memory.store(this.#fdsReceived, this.memory.load(this.#fdsSent));
      this.memory.store(this.#closed, 0);
      this.queue.wake();
      return 0;
    });
  }

  /** connect(2), tried again until somebody accepts. */
  connected(): Op<number> {
    return new Op(`${this.name}.connect`, this.#all, () => (this.blocked(0, CONNECTING) ? undefined : 0), {
      blocks: { on: this, a: 0, b: CONNECTING },
    });
  }

  /** @param sending 0 for a receiver; 1 and the number of descriptors for a sender; CONNECTING */
  blocked(length: number, sending: number): boolean {
    if (sending === CONNECTING) return this.memory.load(this.#closed) !== 0;
    if (sending) return CAPACITY - this.#inFlight() < length || FDS - this.#fdsInFlight() < sending - 1;
    return this.#inFlight() < length && this.memory.load(this.#closed) === 0;
  }

  describe(length: number, sending: number): string {
    if (sending === CONNECTING) return `somebody to accept ${this.name}`;
    return sending
      ? `room for ${length} bytes in ${this.name}`
      : `${length} bytes from ${this.name}, which has ${this.#inFlight()}`;
  }

  /** Bytes sent and not yet received: for onlookers. */
  inFlight(): number {
    return this.#inFlight();
  }

  // What is in flight is the state; where in the buffer it lies is not.
  fold(key: number[]): void {
    const from = this.memory.load(this.#received);
    const count = this.#inFlight();
    key.push(count, this.memory.load(this.#closed));
    for (let i = 0; i < count; i++) key.push(this.memory.load(this.#data + (((from + i) >>> 0) % CAPACITY)));
    for (let i = this.memory.load(this.#fdsReceived); i !== this.memory.load(this.#fdsSent); i = (i + 1) | 0) {
      const pair = this.#fds + 2 * ((i >>> 0) % FDS);
      key.push((this.memory.load(pair) - from) | 0, this.memory.load(pair + 1));
    }
    key.push(-1);
  }

  // A send and a receive commute unless they are of the same bytes, while what is sent fits; closing commutes with nothing.
  #bytes(from: Cell, length: number): Footprint {
    const reads = [this.#sent];
    return { reads, writes: streamCells(this.#sent, this.memory.peek(from), length) };
  }

  #inFlight(): number {
    return (this.memory.load(this.#sent) - this.memory.load(this.#received)) | 0;
  }

  #fdsInFlight(): number {
    return (this.memory.load(this.#fdsSent) - this.memory.load(this.#fdsReceived)) | 0;
  }

  #takeFds(from: number, count: number): number[] {
    const fds: number[] = [];
    const end = this.memory.load(this.#fdsSent);
    let next = this.memory.load(this.#fdsReceived);
    while (next !== end) {
      const pair = this.#fds + 2 * ((next >>> 0) % FDS);
      if (((this.memory.load(pair) - from) | 0) >= count) break;
      fds.push(this.memory.load(pair + 1));
      next = (next + 1) | 0;
    }
    this.memory.store(this.#fdsReceived, next);
    return fds;
  }
}
