// The time of a request by stage, from a trace of real steps.

import { expect, it } from "vitest";
import { stagesOf } from "../../../../host/bench/path/stages.js";
import type { TraceEvent } from "../../../../vm/sync/trace.js";

const op = (at: number, actor: string, name: string): TraceEvent => ({ kind: "op", at, actor, name, detail: "" });

/** A request from `at` on, each stage a microsecond longer than the one before: 1, 2, … 7. */
function request(at: number): TraceEvent[] {
  return [
    op(at, "vcpu", "q1.kick.add"),
    op(at + 1, "data", "epoll.wait"),
    op(at + 2, "data", "q1.kick.read"), // no boundary of a stage
    op(at + 3, "data", "q1.chain"),
    op(at + 6, "data", "q1.serve"),
    op(at + 10, "data", "q1.used.element"),
    op(at + 15, "data", "q1.call.add"),
    op(at + 21, "vcpu", "wfi"),
  ];
}

it("each stage lasts from its step to the next one's; the last one ends with the next request", () => {
  const stages = stagesOf([...request(0), ...request(28), op(56, "vcpu", "q1.kick.add")]);
  expect(stages.map(({ micros }) => micros)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

it("a request that was found without a kick, or that the trace lost a part of, does not count", () => {
  const unkicked = request(28)
    .slice(1)
    .map((event) => ({ ...event, at: event.at + 1000 }));
  const stages = stagesOf([...request(0), ...unkicked, ...request(5000), op(5028, "vcpu", "q1.kick.add")]);
  expect(stages.map(({ micros }) => micros)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

it("of no request there is no stage", () => {
  expect(stagesOf([])).toEqual([]);
});
