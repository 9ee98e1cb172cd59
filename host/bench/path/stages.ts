// Where the time of a request goes, from a trace: the steps at which it passes from one part of the lab to the next.

import type { TraceEvent } from "../../../vm/sync/trace.js";
import { median } from "simple-statistics";

interface Step {
  readonly actor: "vcpu" | "data";
  readonly op: string;
}

/** The last step's stage ends with the first step of the next request. */
const STAGES: readonly (Step & { readonly stage: string })[] = [
  { actor: "vcpu", op: "q1.kick.add", stage: "kick, until the worker is awake" },
  { actor: "data", op: "epoll.wait", stage: "the worker looks at the ring" },
  { actor: "data", op: "q1.chain", stage: "walk of the chain" },
  { actor: "data", op: "q1.serve", stage: "FUSE" },
  { actor: "data", op: "q1.used.element", stage: "used ring" },
  { actor: "data", op: "q1.call.add", stage: "call, until the guest is awake" },
  { actor: "vcpu", op: "wfi", stage: "the guest reaps, and makes the next request" },
];

export interface Stage {
  readonly stage: string;
  /** Median. */
  readonly micros: number;
}

/**
 * Microseconds of each stage, tracing included, of the requests that went through all of them in this order: of a request
 * that a worker found by itself, on its round after another one, there is no kick to begin with.
 */
export function stagesOf(events: readonly TraceEvent[]): Stage[] {
  const [first, ...rest] = STAGES;
  const is = ({ actor, name }: TraceEvent, step: Step): boolean => actor === step.actor && name === step.op;
  const steps = events.filter((event) => event.kind === "op" && STAGES.some((step) => is(event, step)));
  const spent = STAGES.map((): number[] => []);
  for (const [i, event] of steps.entries()) {
    if (!is(event, first!)) continue;
    const passed = steps.slice(i, i + STAGES.length + 1);
    if (![first!, ...rest, first!].every((step, k) => passed[k] && is(passed[k], step))) continue;
    for (const [k, times] of spent.entries()) times.push(passed[k + 1]!.at - passed[k]!.at);
  }
  return STAGES.flatMap(({ stage }, k) => (spent[k]!.length > 0 ? [{ stage, micros: median(spent[k]!) }] : []));
}
