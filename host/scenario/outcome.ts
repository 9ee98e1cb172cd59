// What an engine says of a scenario. Plain data: it crosses threads and becomes JSON.

import type { Trace } from "../../vm/sync/trace.js";
import type { Phase } from "./scenario.js";

/**
 * Why a hung system hangs. `kick-consumed-while-disabled` is the seed's cause: the back-end's worker took the request's
 * kick out of the eventfd while the ring was disabled, and did not look at the ring. `worker-spins`: the worker goes round
 * with a ring's lock held, for an avail index that cannot be and that nobody will change. `request-skipped`: the ring goes on
 * behind a request that nobody has answered.
 */
export type Cause =
  | "kick-consumed-while-disabled"
  | "worker-died"
  | "worker-spins"
  | "no-reply"
  | "request-skipped"
  | "other";

/**
 * What a hang does to the machine.
 *
 * - `hang`: nobody gets on again. One more kick of the stuck ring does not help, or it would, but nobody is left to make
 *   it: a guest that polls for its answer does nothing else, as OVMF, which has no time-out and no second kick.
 * - `stall`: until the next kick. The guest sleeps, so a later request of it can come, and its kick of the stuck ring gets
 *   the one that waits answered. (Which requests a driver sends while one waits is not looked at: Linux's fuse sends none
 *   before FUSE_INIT is answered, other drivers do.)
 * - `worker-died`: a thread of the back-end has ended, and no kick brings it back.
 * - `no-reply`: the front-end waits for a reply in the middle of a register write, and the whole vCPU with it.
 * - `livelock`: a worker goes round for ever and nobody gets on; no kick ends that. As a polling guest's, its going round
 *   counts as a wait for the word that it looks at.
 */
export type Effect = "hang" | "stall" | "livelock" | "worker-died" | "no-reply";

/** A hang, decided while nobody moved. */
export interface HangReport {
  readonly cause: Cause;
  readonly effect: Effect;
  /** Whether one more kick of the stuck ring ends the guest's wait. Tried, not concluded. */
  readonly curedByKick: boolean;
  readonly phase: Phase;
  /** Which boot of its phase, from 1. */
  readonly boot: number;
  /** What each actor waits for, one line an actor. */
  readonly positions: readonly { readonly actor: string; readonly waitsFor: string }[];
  /** The stuck ring. */
  readonly ring: {
    readonly queue: number;
    readonly availIdx: number;
    readonly usedIdx: number;
    readonly nextAvail: number;
    readonly ready: boolean;
    readonly enabled: boolean;
    readonly kickCount: number;
  };
  /** The message that came too late, or that is still under way; empty when no message is involved. */
  readonly lateMessage: string;
}

/** What was recorded of one run, and the report if it hung. */
export interface Recording extends Trace {
  readonly report?: HangReport;
}

export interface PhaseCount {
  readonly boots: number;
  /** By the seed's cause. */
  readonly hangs: number;
  /** Of these: effect -> count. */
  readonly effects: Readonly<Partial<Record<Effect, number>>>;
  /** By any other: cause -> count. */
  readonly otherHangs: Readonly<Partial<Record<Cause, number>>>;
  readonly undecided: number;
}

export interface BootsResult {
  readonly counts: Readonly<Record<Phase, PhaseCount>>;
  /** The first hang of each cause that was met, with the events of its boot when tracing was on. */
  readonly hangs: readonly (Recording & { readonly report: HangReport })[];
  /** The boot that came last, when tracing was on. */
  readonly last?: Recording;
  readonly seconds: number;
}

export interface BootsProgress {
  readonly phase: Phase;
  readonly boots: number;
  readonly hangs: number;
}

/** How long to go on: until `enough` hangs in a phase, or `boots` boots in it. */
export interface BootsLimits {
  readonly boots: number;
  readonly enough: number;
}

export interface ExploreResult {
  /** Over all interleavings, or over those that were tried where it is not complete: none hangs, some do, all do. */
  readonly verdict: "never" | "can" | "always";
  /** Of the hanging schedules. */
  readonly causes: readonly Cause[];
  readonly complete: boolean;
  /** Of a policy that remembers states, as are transitions and paths. */
  readonly states?: number;
  readonly transitions?: number;
  /** Number of schedules (paths of the state graph), decimal. */
  readonly paths?: string;
  readonly executions: number;
  readonly operations: number;
  readonly ms: number;
  /** For each cause with each effect a hanging schedule: the shortest, and of those the one that changes actors least. */
  readonly hangs: readonly { readonly schedule: string; readonly report: HangReport }[];
}

export interface ReplayResult extends Recording {
  readonly outcome: "answered" | "hang" | "undecided";
}
