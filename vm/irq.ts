// The vCPU's interrupt controller and the ways to it: what KVM's in-kernel irqchip and its irqfds are
// (virt/kvm/eventfd.c). An interrupt is a number, the bit of it in `wfi`'s answer. An edge (a message, an irqfd) is
// latched until it is taken; a level is there while its line is asserted.
//
// KVM's irqfd consumes what is written to its eventfd and injects. Here the count of a routed eventfd is itself the
// latch: a back-end's write is one step on one word that it knows, and nothing of the route needs to be known to it.
//
// There is one vCPU, and the front-end runs in its thread: routes, latch and lines are touched by that actor alone, so
// ops on them are eager. Other actors only add to eventfds.

import { EventFd } from "./sync/eventfd.js";
import { type Cell, type Footprint, Op, type Waitable } from "./sync/op.js";
import { type Foldable, type SyncMemory, WaitQueue } from "./sync/words.js";

/** Where an eventfd's count goes. A level stays until somebody else reads the count; an edge is consumed by `wfi`. */
export interface Route {
  /** 0 to 31. */
  readonly interrupt: number;
  readonly trigger: "edge" | "level";
}

// The route word: 0 = none, n + 1 = edge of interrupt n, -(n + 1) = level of interrupt n.
const encode = (route: Route | undefined): number =>
  route === undefined ? 0 : route.trigger === "edge" ? route.interrupt + 1 : -(route.interrupt + 1);

export class InterruptController implements Waitable, Foldable {
  readonly id: number;
  readonly name = "interrupts";
  readonly queue: WaitQueue;
  /** Edges that came, or were taken out of an eventfd, and that the vCPU has not taken. */
  readonly #latch: Cell;
  /** Lines that are held by a store. */
  readonly #lines: Cell;
  readonly #irqfds: Irqfd[] = [];

  constructor(readonly memory: SyncMemory) {
    this.#latch = memory.allocate(1);
    this.#lines = memory.allocate(1);
    this.queue = new WaitQueue(memory);
    this.id = memory.register(this);
    memory.folds.push(this);
  }

  /** An eventfd that can be routed here; not routed at first. */
  irqfd(name: string): Irqfd {
    const irqfd = new Irqfd(this.memory, name, this.queue, this.#latch);
    this.#irqfds.push(irqfd);
    return irqfd;
  }

  /** An edge of the vCPU's own thread: a message that a trapped write sends. */
  raise(interrupt: number): Op<number> {
    const footprint = { reads: [this.#latch], writes: [this.#latch] };
    const attempt = (): number => {
      this.memory.store(this.#latch, this.memory.load(this.#latch) | (1 << interrupt));
      return 0;
    };
    return new Op("irq.raise", footprint, attempt, { eager: true, detail: `${interrupt}` });
  }

  setLine(interrupt: number, asserted: boolean): Op<number> {
    const footprint = { reads: [this.#lines], writes: [this.#lines] };
    const attempt = (): number => {
      const others = this.memory.load(this.#lines) & ~(1 << interrupt);
      this.memory.store(this.#lines, asserted ? others | (1 << interrupt) : others);
      return 0;
    };
    return new Op("irq.line", footprint, attempt, { eager: true, detail: `${interrupt} = ${Number(asserted)}` });
  }

  /** Machine reset: what was latched is forgotten. Lines and eventfds are their devices' to bring to rest. */
  reset(): Op<number> {
    const footprint = { reads: [], writes: [this.#latch] };
    return new Op(
      "irq.reset",
      footprint,
      () => {
        this.memory.store(this.#latch, 0);
        return 0;
      },
      { eager: true },
    );
  }

  /** Waits for interrupts. @returns those that are pending, as a bit mask; the edges among them are taken */
  wfi(): Op<number> {
    const footprint = (): Footprint => {
      const counts = this.#irqfds.map(({ cell }) => cell);
      const routes = this.#irqfds.map(({ route }) => route);
      return { reads: [this.#latch, this.#lines, ...routes, ...counts], writes: [this.#latch, ...counts] };
    };
    return new Op("wfi", footprint, () => this.#take() || undefined, { blocks: { on: this, a: 0, b: 0 } });
  }

  // Only the vCPU clears anything, so what is pending stays pending while somebody looks.
  blocked(): boolean {
    if (this.memory.load(this.#latch) !== 0 || this.#levels() !== 0) return false;
    return !this.#irqfds.some((irqfd) => irqfd.edge() !== 0 && irqfd.count() !== 0);
  }

  describe(): string {
    const routed = this.#irqfds.flatMap((irqfd) => irqfd.described ?? []);
    return `an interrupt (${routed.join(", ") || "no irqfd is routed"})`;
  }

  // Where an edge is pending, in the latch or in an eventfd, makes no difference to anybody.
  fold(key: number[]): void {
    let edges = this.memory.load(this.#latch);
    for (const irqfd of this.#irqfds) if (irqfd.count() !== 0) edges |= irqfd.edge();
    key.push(edges, this.memory.load(this.#lines));
  }

  /**
   * Takes what is pending as if at one moment: when a pass over the eventfds began that found no edge, every edge up to
   * then had been taken, and the levels were those found both before and after it.
   */
  #take(): number {
    let taken = this.memory.load(this.#latch);
    if (taken !== 0) this.memory.store(this.#latch, 0);
    for (;;) {
      const levels = this.#levels();
      let edges = 0;
      for (const irqfd of this.#irqfds) edges |= irqfd.take();
      taken |= edges;
      if (edges === 0 && this.#levels() === levels) return (taken | levels) >>> 0;
    }
  }

  #levels(): number {
    let levels = this.memory.load(this.#lines);
    for (const irqfd of this.#irqfds) levels |= irqfd.level();
    return levels;
  }
}

/** An eventfd with an irqfd (KVM_IRQFD), which can be assigned and deassigned. */
export class Irqfd extends EventFd {
  readonly route: Cell;
  readonly #latch: Cell;
  /** The route word that the vCPU's thread has asked for last. It alone routes, so it knows without looking. */
  #asked = 0;

  constructor(memory: SyncMemory, name: string, watchers: WaitQueue, latch: Cell) {
    super(memory, name, watchers);
    this.route = memory.allocate(1);
    this.#latch = latch;
  }

  /**
   * Routes the eventfd from now on, or no more. A count that is there already becomes pending at its new place, as KVM
   * looks at the eventfd when an irqfd is assigned. What had come as an edge was delivered: it goes into the latch.
   */
  setRoute(route: Route | undefined): Op<number> {
    const word = encode(route);
    const leavesEdge = this.#asked > 0;
    this.#asked = word;
    const own = [this.route];
    const all = [...own, this.cell, this.#latch];
    const footprint = leavesEdge ? { reads: all, writes: all } : { reads: own, writes: own };
    const attempt = (): number => {
      const bit = this.take();
      if (bit !== 0) this.memory.store(this.#latch, this.memory.load(this.#latch) | bit);
      this.memory.store(this.route, word);
      return 0;
    };
    return new Op(`${this.name}.route`, footprint, attempt, {
      eager: !leavesEdge,
      detail: route ? `${route.trigger} of ${route.interrupt}` : "nowhere",
    });
  }

  /** To the vCPU's thread, whose own knowledge it is. */
  isRouted(): boolean {
    return this.#asked !== 0;
  }

  /** To onlookers. */
  get described(): string | undefined {
    return this.memory.load(this.route) === 0 ? undefined : `${this.name} count ${this.count()}`;
  }

  /** The bit of the interrupt whose edge this eventfd is; 0: none. */
  edge(): number {
    const word = this.memory.load(this.route);
    return word > 0 ? 1 << (word - 1) : 0;
  }

  /** The bit of the interrupt whose level this eventfd asserts now; 0: none. */
  level(): number {
    const word = this.memory.load(this.route);
    return word < 0 && this.count() !== 0 ? 1 << (-word - 1) : 0;
  }

  /** The edge that is pending here, which is then taken. */
  take(): number {
    const bit = this.edge();
    return bit !== 0 && this.memory.exchange(this.cell, 0) !== 0 ? bit : 0;
  }

  // As an edge it is pending or not, and in the controller's part of the key: nobody learns how high the count is.
  override fold(key: number[]): void {
    key.push(this.memory.load(this.route), this.edge() ? 0 : this.count());
  }
}
