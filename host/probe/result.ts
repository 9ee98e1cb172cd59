// What a probe says of a back-end. Plain data, also the JSON.

import type { TraceEvent } from "../../vm/sync/trace.js";
import type { SocketFrontEnd } from "./machine.js";
import type { StoryName } from "./stories.js";
import type { Outcome } from "./trial.js";

export interface ScenarioResult extends Readonly<Record<Outcome, number>> {
  /** Story and front-end. */
  readonly id: string;
  readonly story: StoryName;
  readonly frontEnd: SocketFrontEnd;
  readonly trials: number;
  /** Of `lost`. */
  readonly rate: number;
  /** Wilson, two-sided. */
  readonly ci95: readonly [number, number];
  /** Messages and kicks in the order in which they came to the back-end, of the first trial that was lost or worse. */
  readonly firstLoss?: readonly string[];
  /** Why the first broken one is. */
  readonly why?: string;
}

/**
 * REJECT: the back-end refused what it may refuse, by closing the connection or by a non-zero ACK. WEDGED: it does not
 * serve any more.
 */
export type RuleVerdict = "PASS" | "FAIL" | "REJECT" | "WEDGED";

export interface RuleResult {
  readonly id: string;
  /** As the document has it. */
  readonly rule: string;
  /** Of vhost-user.rst. */
  readonly section: string;
  readonly verdict: RuleVerdict;
  /** What was seen, where it is not what the rule asks for. */
  readonly seen: string;
}

export interface Traced {
  readonly story: StoryName;
  readonly frontEnd: SocketFrontEnd;
  readonly events: readonly TraceEvent[];
}

export interface ProbeResult {
  readonly backEnd: string;
  readonly scenarios: readonly ScenarioResult[];
  readonly conformance: readonly RuleResult[];
  /** Of the first trial that was lost or worse, or of the last one. */
  readonly traced?: Traced;
}

/** Did the back-end stand the test? */
export function stood({ scenarios, conformance }: Pick<ProbeResult, "scenarios" | "conformance">): boolean {
  return (
    scenarios.every(({ lost, wedged, broken }) => lost + wedged + broken === 0) &&
    conformance.every(({ verdict }) => verdict === "PASS" || verdict === "REJECT")
  );
}
