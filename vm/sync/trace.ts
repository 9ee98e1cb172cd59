// The one event schema: what performing an op, or a remark of an actor, leaves behind. Every view (timeline, trace file,
// hang report) is made from these. Each actor fills a buffer of its own: no shared counter or clock in free runs, since
// tracing must not order what was not ordered.

export interface TraceEvent {
  /** `op`: a step others can see. `note`: a remark of the actor (a register write, a FUSE request). */
  readonly kind: "op" | "note";
  /** Actor, for example `vcpu`, `control`, `data`. */
  readonly actor: string;
  /** Microseconds since the epoch of the process on threads; the step's number under a scheduler. */
  readonly at: number;
  readonly name: string;
  readonly detail: string;
  /** What the op gave; a count of bytes for a receive. Absent for notes. */
  readonly result?: number;
  /** When an op that could not happen at once began to wait; `at` is then when it happened. On threads only. */
  readonly since?: number;
}

/** What was recorded of one machine. */
export interface Trace {
  /** Of all actors, in the order of time. */
  readonly events: readonly TraceEvent[];
  /** Actor -> how many of its events are missing from the beginning. Absent: none. */
  readonly dropped?: Readonly<Record<string, number>>;
}

/** About 5 MB an actor, whose thread's heap is small. A boot is some hundred events, a guest's read of 1 MiB some twenty. */
const MOST_EVENTS = 32 * 1024;

/** The newest events of one actor. */
export class TraceBuffer {
  readonly #ring: TraceEvent[] = [];
  /** The oldest event's place, once the ring is full. */
  #oldest = 0;
  #dropped = 0;

  constructor(readonly capacity = MOST_EVENTS) {}

  push(event: TraceEvent): void {
    if (this.#ring.length < this.capacity) {
      this.#ring.push(event);
      return;
    }
    this.#ring[this.#oldest] = event;
    this.#oldest = (this.#oldest + 1) % this.capacity;
    this.#dropped++;
  }

  /** In the order in which they came. */
  get events(): TraceEvent[] {
    return [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)];
  }

  /** How many were pushed out by newer ones. */
  get dropped(): number {
    return this.#dropped;
  }
}

/** Where an actor leaves remarks. A remark is local: it orders nothing. */
export type Note = (name: string, detail: string) => void;
