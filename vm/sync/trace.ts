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
}

/** Where an actor leaves remarks. A remark is local: it orders nothing. */
export type Note = (name: string, detail: string) => void;
