import { describe, expect, it } from "vitest";
import { type TraceEvent, TraceBuffer } from "../../../vm/sync/trace.js";

const event = (at: number): TraceEvent => ({ kind: "note", actor: "vcpu", at, name: "n", detail: "" });

describe("the buffer of an actor's events", () => {
  it.each([
    { pushed: 0, kept: [], dropped: 0 },
    { pushed: 3, kept: [0, 1, 2], dropped: 0 },
    { pushed: 4, kept: [1, 2, 3], dropped: 1 },
    { pushed: 8, kept: [5, 6, 7], dropped: 5 },
  ])("of 3 keeps the newest of $pushed in order, and counts the others", ({ pushed, kept, dropped }) => {
    const buffer = new TraceBuffer(3);
    for (let at = 0; at < pushed; at++) buffer.push(event(at));
    expect({ kept: buffer.events.map(({ at }) => at), dropped: buffer.dropped }).toEqual({ kept, dropped });
  });
});
