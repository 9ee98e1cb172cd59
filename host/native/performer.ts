// Performs the ops of the vCPU's thread where the back-end is a real program: one actor, on this thread, without a
// scheduler. What cannot happen at once waits for the back-end, and `awaitOp` decides how long.

import type { Actor, Op, Result } from "../../vm/sync/op.js";
import type { Note, TraceBuffer } from "../../vm/sync/trace.js";
import type { Libc } from "./libc.js";

export class NativePerformer {
  /** @param recorded where what happens is recorded, if it is */
  constructor(
    readonly libc: Libc,
    readonly actor: string,
    readonly awaitOp: (op: Op) => Result,
    readonly recorded?: TraceBuffer,
  ) {}

  /** Runs an actor, or a part of one, to its end. */
  run<R>(actor: Actor<R>): R {
    let step = actor.next();
    while (!step.done) step = actor.next(this.#perform(step.value));
    return step.value;
  }

  readonly note: Note = (name, detail) => {
    this.recorded?.push({ kind: "note", actor: this.actor, at: now(), name, detail });
  };

  #perform(op: Op): Result {
    const begun = now();
    if (op.takesMicros > 0) this.libc.sleep(op.takesMicros);
    const result = op.attempt() ?? this.awaitOp(op);
    const value = typeof result === "number" ? result : result.summary;
    const { name, detail } = op;
    this.recorded?.push({ kind: "op", actor: this.actor, at: now(), name, detail, result: value, since: begun });
    return result;
  }
}

/** Microseconds. */
function now(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}
