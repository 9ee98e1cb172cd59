import { describe, expect, it } from "vitest";
import type { ChromeEvent } from "../../../host/report/perfetto.js";
import { breaches } from "./chrome-trace.js";

const events: readonly ChromeEvent[] = [
  { ph: "M", name: "process_name", pid: 1, tid: 0, ts: 0, args: { name: "p" } },
  { ph: "M", name: "thread_name", pid: 1, tid: 1, ts: 0, args: { name: "t" } },
  { ph: "M", name: "thread_sort_index", pid: 1, tid: 1, ts: 0, args: { sort_index: 0 } },
  { ph: "X", name: "outer", cat: "c", pid: 1, tid: 1, ts: 10, dur: 10 },
  { ph: "X", name: "inner", cat: "c", pid: 1, tid: 1, ts: 12, dur: 3 },
  { ph: "X", name: "after", cat: "c", pid: 1, tid: 1, ts: 20, dur: 5 },
  { ph: "s", name: "f", cat: "c", id: 1, pid: 1, tid: 1, ts: 12 },
  { ph: "f", name: "f", cat: "c", id: 1, pid: 1, tid: 1, ts: 25, bp: "e" },
  { ph: "i", name: "now", pid: 1, tid: 1, ts: 30, s: "t" },
  { ph: "C", name: "count", pid: 1, tid: 1, ts: 30, args: { a: 1 } },
];

const OUTER = 3;
const INNER = 4;
const START = 6;
const END = 7;
const INSTANT = 8;
const COUNTER = 9;

/** The events with one of them changed. */
const changed = (at: number, change: object): object[] =>
  events.map((event, i) => (i === at ? { ...event, ...change } : event));

describe("the checker of Chrome traces", () => {
  it("finds nothing wrong where nothing is", () => {
    expect(breaches({ traceEvents: events })).toEqual([]);
  });

  it.each([
    ["an array alone", events],
    ["no traceEvents", { events }],
  ])("wants the JSON object format: not %s", (_, trace) => {
    expect(breaches(trace)).toEqual(["no object with an array traceEvents"]);
  });

  it.each<[string, object[], RegExp]>([
    ["an unknown phase", changed(OUTER, { ph: "Y" }), /^event 3: no phase Y$/],
    ["no name", changed(OUTER, { name: "" }), /^event 3: no name$/],
    ["no thread", changed(OUTER, { tid: undefined }), /^event 3: pid and tid/],
    ["a time that JSON cannot say", changed(OUTER, { ts: Number.NaN }), /^event 3: ts/],
    ["a slice without a duration", changed(OUTER, { dur: undefined }), /^event 3: not what phase X/],
    ["a slice of negative length", changed(OUTER, { dur: -1 }), /^event 3: not what phase X/],
    ["an instant without a scope", changed(INSTANT, { s: undefined }), /^event 8: not what phase i/],
    ["a counter of text", changed(COUNTER, { args: { a: "1" } }), /^event 9: not what phase C/],
    ["a flow without an id", changed(START, { id: undefined }), /^event 6: not what phase s/],
    ["an end that binds to the next slice", changed(END, { bp: undefined }), /^event 7: not what phase f/],
    ["a name that is no text", changed(1, { args: { name: 1 } }), /^event 1: not what phase M/],
    ["a sort index that is no number", changed(2, { args: {} }), /^event 2: not what phase M/],
    ["an unnamed process", changed(INSTANT, { pid: 2 }), /^process 2 has no name$/],
    ["an unnamed thread", changed(INSTANT, { tid: 2 }), /^thread 2 of process 1 has no name$/],
    ["slices that overlap", changed(INNER, { dur: 9 }), /^inner begins in outer and ends after it$/],
    ["a start without an end", changed(END, { id: 2 }), /^c f 1: not one start, then one end$/],
    ["two ends", [...events, events[END]!], /^c f 1: not one start, then one end$/],
    ["an end before its start", changed(END, { ts: 11 }), /^c f 1: ends before it starts$/],
    ["an end in no slice", changed(END, { ts: 26 }), /^c f 1: its f lies in no slice$/],
  ])("finds %s", (_, traceEvents, line) => {
    expect(breaches({ traceEvents }).filter((found) => line.test(found))).not.toEqual([]);
  });
});
