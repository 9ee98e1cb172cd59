// The verdict: a hang is a fact, not a time-out. The system is hung when no actor can move except by reading an
// unchanged word again, and the vCPU waits for something. It is decided from what the actors publish of their waits.

import { KickFate } from "../../device/back-end/back-end.js";
import { VirtqAvail, VirtqUsed } from "../../device/spec/virtq.js";
import { ringLabels } from "../../device/virtqueue.js";
import { loadLe } from "../../vm/bus.js";
import type { Blocking } from "../../vm/sync/op.js";
import { ActorState, type WaitRecord } from "../../vm/sync/perform.js";
import { GaveUp } from "./gave-up.js";
import { curedByKick } from "./one-more-kick.js";
import type { Cause, Effect, HangReport } from "./outcome.js";
import type { Phase } from "./scenario.js";
import type { System } from "./system.js";

/** An actor that does not move: what it waits for, or how it ended. */
export interface Position {
  readonly actor: string;
  readonly waits: Blocking | undefined;
  readonly state: ActorState.BLOCKED | ActorState.DONE | ActorState.DEAD;
}

/**
 * Looks at the published records of a system on threads.
 *
 * Exact, without stopping anybody: a record stays the same while its actor is in one wait, and the actor does nothing
 * in it but look whether it is still blocked. If every record is unchanged over the time in which every wait was found
 * blocked, then at one moment nobody could move; and what nobody can change stays so.
 *
 * @returns where everybody stands, or undefined while somebody moves or the vCPU waits for nothing
 */
export function stuck(system: System): Position[] | undefined {
  const records: WaitRecord[] = [system.vcpu, ...system.loops.map((loop) => loop.record)];
  const first = records.map((record) => record.read());
  const positions: Position[] = [];
  for (const [i, seen] of first.entries()) {
    if (!seen || seen.state === ActorState.RUNNING || seen.state === ActorState.IDLE) return undefined;
    if (i === 0 && seen.state !== ActorState.BLOCKED) return undefined;
    const on = seen.state === ActorState.BLOCKED ? system.sync.waitables[seen.on] : undefined;
    if (on && !on.blocked(seen.a, seen.b)) return undefined;
    positions.push({ actor: records[i]!.actor, waits: on && { on, a: seen.a, b: seen.b }, state: seen.state });
  }
  const same = records.every((record, i) => record.read()?.version === first[i]!.version);
  return same ? positions : undefined;
}

/**
 * Names what is stuck. Only when nobody moves any more: at the end a kick is tried, and the system is not used again.
 */
export function diagnose(system: System, positions: readonly Position[], phase: Phase, boot: number): HangReport {
  nameRings(system);
  const { ring, fate } = stuckRing(system);
  const cause = causeOf(system, positions, ring, fate);
  const picture = {
    cause,
    phase,
    boot,
    positions: positions.map(({ actor, waits, state }) => ({
      actor,
      waitsFor: waits
        ? waits.on.describe(waits.a, waits.b)
        : state === ActorState.DEAD
          ? "nothing: its thread has ended"
          : "nothing",
    })),
    ring,
    lateMessage:
      cause === "kick-consumed-while-disabled" && ring.enabled ? `SET_VRING_ENABLE q${ring.queue} num=1` : "",
  };
  const cured = curedByKick(system, positions, ring.queue);
  const sleeps = positions[0]?.waits?.on === system.machine.irq;
  return { ...picture, effect: effectOf(cause, cured && sleeps), curedByKick: cured };
}

/** The vCPU's thread knows the rings' words by name; the onlooker learns them from the back-end's state. */
function nameRings(system: System): void {
  for (const { index, state } of system.backEnd.rings) {
    const areas = state.peek();
    if (areas.size === 0) continue;
    system.machine.ram.words.label(`q${index}`, ringLabels(index, areas));
  }
}

function causeOf(system: System, positions: readonly Position[], ring: HangReport["ring"], fate: KickFate): Cause {
  const frontEndWaits = system.replies !== undefined && positions[0]?.waits?.on.name === system.replies.name;
  const vcpu = positions[0]?.waits?.on;
  if (vcpu instanceof GaveUp) return vcpu.cause;
  if (positions.some(({ state }) => state === ActorState.DEAD)) return "worker-died";
  // Of the loops a worker alone polls a word of guest RAM.
  if (positions.slice(1).some(({ waits }) => waits?.on === system.machine.ram.words)) return "worker-spins";
  if (frontEndWaits) return "no-reply";
  // All who could still answer it wait for something else.
  if (ring.availIdx === ring.nextAvail && ring.availIdx !== ring.usedIdx) return "request-skipped";
  const lost = ring.availIdx !== ring.nextAvail && ring.kickCount === 0 && fate === KickFate.DROPPED;
  return lost ? "kick-consumed-while-disabled" : "other";
}

function effectOf(cause: Cause, stalls: boolean): Effect {
  if (cause === "worker-died" || cause === "no-reply" || cause === "driver-gave-up" || cause === "back-end-aborted")
    return cause;
  if (cause === "worker-spins") return "livelock";
  return stalls ? "stall" : "hang";
}

/** The ring with a request that is not answered; the last one if there is none. */
function stuckRing(system: System): { ring: HangReport["ring"]; fate: KickFate } {
  const { bytes } = system.machine.ram;
  const all = system.backEnd.rings.map((vring) => {
    const { avail, used, size, nextAvail, ready, enabled, kick } = vring.state.peek();
    const ring = {
      queue: vring.index,
      availIdx: size ? loadLe(bytes, avail + VirtqAvail.IDX, 2) : 0,
      usedIdx: size ? loadLe(bytes, used + VirtqUsed.IDX, 2) : 0,
      nextAvail,
      ready: ready !== 0,
      enabled: enabled !== 0,
      kickCount: system.backEnd.kickOf(kick)?.eventfd.count() ?? 0,
    };
    return { ring, fate: system.backEnd.kickFate(vring) };
  });
  return all.find(({ ring }) => ring.availIdx !== ring.usedIdx) ?? all[all.length - 1]!;
}
