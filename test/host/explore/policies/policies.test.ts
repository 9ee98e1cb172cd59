// The policies on systems so small that every order can be tried.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dfs } from "../../../../host/explore/policies/dfs.js";
import { dpor } from "../../../../host/explore/policies/dpor.js";
import { pct } from "../../../../host/explore/policies/pct.js";
import type { Explorable } from "../../../../host/explore/policies/policy.js";
import { random } from "../../../../host/explore/policies/random.js";
import { RamWords } from "../../../../vm/sync/ram.js";
import { Word } from "../../../../vm/sync/words.js";
import { finalKeys } from "../final-keys.js";
import { litmus, programSystem, programs } from "../litmus.js";

const LIMITS = { maxSchedules: 1_000_000, seed: 1 };
const FEW = { maxSchedules: 200, seed: 1 };

/** Each actor stores to a word of its own, twice: all orders are one. */
const independent = litmus((memory) =>
  ["a", "b", "c"]
    .map((name) => new Word(memory, name))
    .map(function* (word) {
      yield* word.store(1);
      yield* word.store(2);
    }),
);

/** Two actors that add 1 to a word by a load and a store: one addition can be lost. */
const lostUpdate = litmus((memory) => {
  const word = new Word(memory, "word");
  return [0, 1].map(function* () {
    yield* word.store((yield* word.load()) + 1);
  });
});

/** A guest that polls for a word, then looks at it; a device that changes it once, or not at all. */
const polling = (changes: number): Explorable =>
  litmus((memory) => {
    const words = new RamWords(memory, new SharedArrayBuffer(16));
    function* guest() {
      yield* words.poll(4, 0, 50);
      yield* words.load16(4);
    }
    function* device() {
      for (let value = 1; value <= changes; value++) yield* words.store16(4, value);
    }
    return [guest(), device()];
  });

const endless = litmus((memory) => {
  const word = new Word(memory, "word");
  function* round() {
    for (;;) yield* word.store(1);
  }
  return [round()];
});

describe("dpor", () => {
  it("meets the final states that every order, one after the other, meets", () => {
    fc.assert(
      fc.property(programs, (program) => {
        const system = litmus(programSystem(program), { eager: false });
        const all = dfs(system, LIMITS);
        const some = dpor(system, LIMITS);
        expect(all.complete && some.complete).toBe(true);
        expect([...finalKeys(system, some)].sort()).toEqual([...finalKeys(system, all)].sort());
        expect(some.executions).toBeLessThanOrEqual(all.executions);
      }),
      { seed: 2026, numRuns: 300 },
    );
  });

  // explorer.md 5, trap 1: behind a dependent step that happens before, another may race, since two loads commute.
  it("looks for a race behind steps that happen before", () => {
    const program = [
      [["load", 0]],
      [
        ["load", 0],
        ["store", 1],
      ],
      [
        ["await", 1],
        ["store", 0],
      ],
    ] as const;
    const system = litmus(programSystem(program), { eager: false });
    expect([...finalKeys(system, dpor(system, LIMITS))].sort()).toEqual(
      [...finalKeys(system, dfs(system, LIMITS))].sort(),
    );
  });

  it("tries one order of those that only swap what commutes; dfs tries them all", () => {
    expect(dpor(independent, LIMITS)).toMatchObject({ complete: true, executions: 1, operations: 6 });
    // 6! / (2! 2! 2!)
    expect(dfs(independent, LIMITS)).toMatchObject({ complete: true, executions: 90 });
  });
});

describe.each(Object.entries({ dfs, dpor, random, pct }))("%s", (name, policy) => {
  const exhausts = name === "dfs" || name === "dpor";

  it("finds the lost update, and says whether that was all", () => {
    const found = policy(lostUpdate, FEW);
    expect(new Set([...finalKeys(lostUpdate, found)].map((key) => key.split(" | ").pop()))).toEqual(
      new Set(["1", "2"]),
    );
    expect(found.complete).toBe(exhausts);
  });

  it("takes a polling guest's stall as a wait for the word: the guest sees what it then is", () => {
    const found = policy(polling(2), FEW);
    expect(found.ends.map(({ end }) => end)).toEqual(["answered", "answered"]);
    expect([...finalKeys(polling(2), found)].map((key) => key.split(" | ")[0]).sort()).toEqual(["0,1", "0,2"]);
    expect(policy(polling(0), FEW).ends).toEqual([{ end: "hung", order: [] }]);
  });

  it("gives up after as many schedules as it may try", () => {
    expect(policy(lostUpdate, { ...FEW, maxSchedules: 1 })).toMatchObject({ complete: false, executions: 1 });
  });

  it("does not follow an execution for ever, and is not complete then", () => {
    expect(policy(endless, { ...FEW, maxSchedules: 2 })).toMatchObject({ complete: false, ends: [] });
  });

  it("does the same again", () => {
    expect(policy(polling(3), FEW)).toEqual(policy(polling(3), FEW));
  });
});

it.each(Object.entries({ random, pct }))("%s draws other schedules from another seed", (_, policy) => {
  const operations = (seed: number) =>
    Array.from({ length: 8 }, (_, i) => policy(independent, { maxSchedules: 1 + i, seed }).ends[0]!.order.join(""));
  expect(operations(1)).not.toEqual(operations(2));
});
