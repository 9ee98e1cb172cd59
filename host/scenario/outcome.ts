// What an engine says of a scenario. Plain data: it crosses threads and becomes JSON.

import type { Trace } from "../../vm/sync/trace.js";
import type { Phase } from "./scenario.js";

/**
 * Why a hung system hangs. `kick-consumed-while-disabled` is the seed's cause: the back-end's worker took the request's
 * kick out of the eventfd while the ring was disabled, and did not look at the ring. `worker-spins`: the worker goes round
 * with a ring's lock held, for an avail index that cannot be and that nobody will change. `request-skipped`: the ring goes on
 * behind a request that nobody has answered. `driver-gave-up`: the guest met what no device may do, and its driver gave up.
 * `back-end-aborted`: the back-end ended where the front-end waited for its reply.
 */
export type Cause =
  | "kick-consumed-while-disabled"
  | "worker-died"
  | "worker-spins"
  | "no-reply"
  | "request-skipped"
  | "driver-gave-up"
  | "back-end-aborted"
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
 * - `driver-gave-up`, `back-end-aborted`: the machine goes on without the device.
 * - `livelock`: a worker goes round for ever and nobody gets on; no kick ends that. As a polling guest's, its going round
 *   counts as a wait for the word that it looks at.
 */
export type Effect = "hang" | "stall" | "livelock" | "worker-died" | "no-reply" | "driver-gave-up" | "back-end-aborted";

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

/** A rule of a standard that somebody broke, whatever became of it: apart from the verdict, which is about hangs. */
export interface Breach {
  /** A name of the rule, and what it says. */
  readonly rule: string;
  readonly text: string;
  readonly source: string;
  readonly section: string;
  /** What was done. */
  readonly detail: string;
}

export interface ExploreResult {
  /** Over all interleavings, or over those that were tried where it is not complete: none hangs, some do, all do. */
  readonly verdict: "never" | "can" | "always";
  /** Of the hanging schedules. */
  readonly causes: readonly Cause[];
  readonly complete: boolean;
  /** Why a search is not complete. */
  readonly whyNot?: string;
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
  /** For each rule that was broken, a schedule that ends with the op that broke it. */
  readonly breaches: readonly (Breach & { readonly schedule: string })[];
}

export interface ReplayResult extends Recording {
  readonly outcome: "answered" | "hang" | "gave-up" | "undecided";
  /** Under the scheduler, which alone looks: the rules that were broken, each at a step, from 1. */
  readonly breaches?: readonly (Breach & { readonly step: number })[];
}
