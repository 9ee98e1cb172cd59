// epoll(7), level-triggered, over a fixed set of eventfds that may be registered: what a data-plane thread blocks on.

import { EventFd } from "./eventfd.js";
import { type Cell, Op, type Waitable } from "./op.js";
import { type Foldable, type SyncMemory, WaitQueue } from "./words.js";

// The interest word: bit i = slot i is registered; above that a generation, so that a scan can tell that it saw one set.
const SLOT_BITS = 16;
const SLOT_MASK = (1 << SLOT_BITS) - 1;

export const EEXIST = -17;
export const ENOENT = -2;

export class Doorbell implements Waitable, Foldable {
  readonly id: number;
  readonly queue: WaitQueue;
  readonly #interest: Cell;
  readonly #slots: EventFd[] = [];

  constructor(
    readonly memory: SyncMemory,
    readonly name: string,
  ) {
    this.#interest = memory.allocate(1);
    this.queue = new WaitQueue(memory);
    this.id = memory.register(this);
    memory.folds.push(this);
  }

  /** Makes an eventfd that can be registered here. @returns its slot, by which add, del and wait name it */
  slot(name: string): { slot: number; eventfd: EventFd } {
    const eventfd = new EventFd(this.memory, name, this.queue);
    const slot = this.#slots.push(eventfd) - 1;
    if (slot >= SLOT_BITS) throw new Error(`${this.name}: more than ${SLOT_BITS} slots`);
    return { slot, eventfd };
  }

  /** EPOLL_CTL_ADD. @returns 0, or EEXIST */
  add(slot: number): Op<number> {
    return this.#control("add", slot, (mask) => mask | (1 << slot), EEXIST);
  }

  /** EPOLL_CTL_DEL. @returns 0, or ENOENT */
  del(slot: number): Op<number> {
    return this.#control("del", slot, (mask) => mask & ~(1 << slot), ENOENT);
  }

  /**
   * epoll_wait(-1). @returns the registered slots whose count is not 0, as a bit mask; blocks while there is none.
   * The list goes stale the moment it is returned, as the real one does. Slots are reported in order; the real ready
   * list is in order of readiness, which no back-end modelled here relies on.
   */
  wait(): Op<number> {
    const cells = this.#slots.map((eventfd) => eventfd.cell);
    const footprint = { reads: [this.#interest, ...cells], writes: [] };
    return new Op(`${this.name}.wait`, footprint, () => this.#ready() || undefined, {
      blocks: { on: this, a: 0, b: 0 },
    });
  }

  blocked(): boolean {
    return this.#ready() === 0;
  }

  describe(): string {
    const watched = this.#slots.filter((_, slot) => this.#mask() & (1 << slot));
    const list = watched.map((eventfd) => `${eventfd.name} (count ${eventfd.count()})`).join(", ");
    return `${this.name}, which watches ${list || "nothing"}`;
  }

  isRegistered(slot: number): boolean {
    return (this.#mask() & (1 << slot)) !== 0;
  }

  // The generation is not state: two interest sets with the same members are the same set.
  fold(key: number[]): void {
    key.push(this.#mask());
  }

  #mask(): number {
    return this.memory.load(this.#interest) & SLOT_MASK;
  }

  // One linearisable look at interest and counts: while the interest word (with its generation) stays the same, a slot
  // found ready was registered and ready at one moment.
  #ready(): number {
    for (;;) {
      const interest = this.memory.load(this.#interest);
      let ready = 0;
      this.#slots.forEach((eventfd, slot) => {
        if (interest & (1 << slot) && eventfd.count() !== 0) ready |= 1 << slot;
      });
      if (this.memory.load(this.#interest) === interest) return ready;
    }
  }

  #control(verb: string, slot: number, change: (mask: number) => number, errno: number): Op<number> {
    const footprint = { reads: [this.#interest], writes: [this.#interest] };
    const attempt = (): number => {
      for (;;) {
        const old = this.memory.load(this.#interest);
        const mask = change(old & SLOT_MASK);
        if (mask === (old & SLOT_MASK)) return errno;
        const next = (old & ~SLOT_MASK) + (1 << SLOT_BITS) + mask;
        if (this.memory.compareExchange(this.#interest, old, next | 0) === old) break;
      }
      this.queue.wake();
      return 0;
    };
    return new Op(`${this.name}.${verb}`, footprint, attempt, { detail: this.#slots[slot]?.name ?? "" });
  }
}
