// Would a later kick cure a hang? Tried on the hung system itself: the stuck ring is kicked once more, and its workers go
// on, one after the other, in this thread. Nobody else can move, so no order of steps is chosen by that.

import { Doorbell } from "../../vm/sync/doorbell.js";
import type { Actor } from "../../vm/sync/op.js";
import type { System } from "./system.js";
import type { Position } from "./verdict.js";

/**
 * Of a system in which nobody moves, and no other thread is. It is not used again.
 * @returns whether the vCPU's wait is over then
 */
export function curedByKick(system: System, [vcpu, ...loops]: readonly Position[], queue: number): boolean {
  const kick = system.backEnd.kickOf(system.backEnd.rings[queue]!.state.peek().kick);
  if (!kick || !vcpu?.waits) return false;
  kick.eventfd.add(1).attempt();
  for (const [i, { waits }] of loops.entries()) {
    // A kick wakes who sleeps in epoll_wait, and that is where the round of a worker begins.
    if (waits?.on instanceof Doorbell) goOn(system.loops[i]!.round);
  }
  system.close();
  const { on, a, b } = vcpu.waits;
  return !on.blocked(a, b);
}

/** Round after round, until it would have to wait or its thread ends. */
function goOn(round: () => Actor<boolean>): void {
  for (let alive = true; alive; ) {
    const actor = round();
    let step = actor.next();
    while (!step.done) {
      const result = step.value.attempt();
      if (result === undefined) return;
      step = actor.next(result);
    }
    alive = step.value;
  }
}
