// Two documents of `vhostlab bench ring --json` side by side.

import { expect, it } from "vitest";
import { compare, parseDocument, type RingDocument } from "../../../../host/bench/ring/compare.js";
import { ringOptions } from "../../../../host/bench/ring/options.js";

const options = ringOptions({ ring: 256, features: [], chain: 1, payload: 0, notify: "poll", queues: 1 });

function document(median: number | null, changes: Partial<RingDocument> = {}): RingDocument {
  return {
    schemaVersion: 1,
    machine: { cpu: "a CPU", cores: 2, node: "v20.0.0", os: "Linux", loadAverage: [0, 0, 0] },
    cases: [{ name: "one", options, nsPerRequest: median === null ? null : { min: 1, median, max: 99 } }],
    ...changes,
  };
}

it("the ratio is the first's time over the second's", () => {
  expect(compare(document(30), document(20))).toMatchObject([{ name: "one", ratio: 1.5 }]);
});

it("what was not measurable has no ratio", () => {
  expect(compare(document(null), document(20))).toMatchObject([{ ratio: null }]);
});

it("another Node.js, or another load, may be what the comparison is about", () => {
  const machine = { ...document(1).machine, node: "v22.0.0", loadAverage: [9, 9, 9] };
  expect(compare(document(30), document(20, { machine }))).toMatchObject([{ ratio: 1.5 }]);
});

it.each<[string, Partial<RingDocument>, string]>([
  ["another machine", { machine: { ...document(1).machine, cpu: "another" } }, "cpu: a CPU and another"],
  ["another number of cores", { machine: { ...document(1).machine, cores: 4 } }, "cores: 2 and 4"],
  ["more cases", { cases: [...document(1).cases, ...document(1).cases] }, "1 cases and 2"],
  [
    "a case of other options",
    { cases: [{ name: "two", options: { ...options, batch: 1 }, nsPerRequest: null }] },
    "case 1: one and two",
  ],
])("%s is refused", (_, changes, unlike) => {
  expect(compare(document(30), document(20, changes))).toEqual({ unlike });
});

it("options count, not the order in which they are written", () => {
  const reversed = Object.fromEntries(Object.entries(options).reverse()) as typeof options;
  const cases = [{ name: "one", options: reversed, nsPerRequest: { min: 1, median: 10, max: 99 } }];
  expect(compare(document(30), document(20, { cases }))).toMatchObject([{ ratio: 3 }]);
});

it.each([
  ["{", "no JSON"],
  ["null", "schemaVersion undefined"],
  ['{"schemaVersion":2}', "schemaVersion 2"],
  ['{"schemaVersion":1,"machine":{},"rows":[]}', "not of bench ring"],
  ['{"schemaVersion":1,"machine":{},"cases":[null]}', "not of bench ring"],
])("%s is no document", (text, unlike) => {
  expect(parseDocument(text)).toEqual({ unlike });
});
