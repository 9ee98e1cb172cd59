// The footprint audit (explorer.md 5, trap 2): a wrong footprint or a wrong `eager` loses schedules without a sign.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Execution, World } from "../../../host/explore/execution.js";
import { createWorld } from "../../../host/explore/explore.js";
import { dfs } from "../../../host/explore/policies/dfs.js";
import { dpor } from "../../../host/explore/policies/dpor.js";
import type { Found } from "../../../host/explore/policies/policy.js";
import { BACK_ENDS } from "../../../host/scenario/occupants.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario, ScriptName } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";
import { EventFd } from "../../../vm/sync/eventfd.js";
import { type Footprint, Op } from "../../../vm/sync/op.js";
import { Word } from "../../../vm/sync/words.js";
import {
  auditEager,
  auditFootprints,
  auditPairs,
  auditReleases,
  type Choose,
  Comparisons,
  type Declared,
  walk,
} from "./audit.js";
import { finalKeys } from "./final-keys.js";
import { litmus } from "./litmus.js";

const SEED = 2026;
const row = (id: string): Scenario => ROWS.find((each) => each.id === id)!.scenario;
const CELLS: [string, Scenario][] = [
  ...ROWS.map(({ scenario }) => scenario),
  ...BACK_ENDS.filter((backEnd) => backEnd !== "kernel").map((backEnd) => ({ ...row("fix"), backEnd })),
  { ...row("fix"), frontEnd: "cloud-hypervisor" as const },
  { ...row("fix"), frontEnd: "ioctl" as const, backEnd: "kernel" as const },
  ...(["rust-0.10", "c"] as const).map((backEnd) => ({
    ...row("fix"),
    frontEnd: "cloud-hypervisor" as const,
    backEnd,
    script: "reconnect" as const,
  })),
  { ...row("rekick"), guest: "linux" as const, script: "two-queues" as const },
].map((scenario) => [`${scenario.script}: ${scenario.frontEnd} and ${scenario.backEnd}`, scenario]);
const cells = [...new Map(CELLS)];

/** Runs `body` with `count` sources of choices. */
function sampled(count: number, body: (choose: Choose) => void): void {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(0xffff)), (stream) => body((n) => stream.next().value! % n)),
    { seed: SEED, numRuns: count, endOnFailure: true },
  );
}

/** Compares in states of random executions: in those where there is a choice, or where `interesting` says so. */
function compared(
  world: World,
  executions: number,
  compare: (prefix: number[], choose: Choose, all: Comparisons) => void,
  interesting?: (execution: Execution) => boolean,
): Comparisons {
  const all = new Comparisons();
  sampled(executions, (choose) => {
    const { order, states } = walk(world, choose, interesting);
    for (let i = 0; i < 8 && states.length > 0; i++) {
      const [state] = states.splice(choose(states.length), 1);
      compare(order.slice(0, state), choose, all);
    }
  });
  return all;
}

describe.each(cells)("%s", async (_, scenario) => {
  const world = await createWorld(nodePlatform, scenario);

  it("touches no sync word and changes no byte of guest RAM that the op's footprint does not declare", () => {
    const wrong = new Set<string>();
    sampled(4, (choose) => {
      const touched = auditFootprints(world, walk(world, choose).order);
      for (const each of touched.wrong) wrong.add(each);
      // It looked: every execution has messages, locks, and an index of the ring that is stored.
      expect(Math.min(touched.syncReads, touched.syncWrites, touched.ramWrites)).toBeGreaterThan(0);
    });
    expect([...wrong]).toEqual([]);
  });

  it("ops with independent footprints commute, and neither enables nor disables the other", () => {
    const all = compared(world, 12, (prefix, __, all) => auditPairs(world, prefix, all));
    expect([...all.wrong]).toEqual([]);
    expect(all.made).toBeGreaterThan(50);
  });

  it("a release is never enabled together with what depends on it", () => {
    const all = compared(world, 12, (prefix, _, all) => auditReleases(world, prefix, all));
    expect([...all.wrong]).toEqual([]);
    expect(all.made).toBeGreaterThan(5);
  });

  it("an enabled eager op could as well be done before whatever the others do first", () => {
    const all = compared(world, 24, (prefix, choose, all) => auditEager(world, prefix, choose, 1 + choose(40), all));
    expect([...all.wrong]).toEqual([]);
    expect(all.made).toBeGreaterThan(50);
  });
});

describe("the audit bites", async () => {
  const world = await createWorld(nodePlatform, row("seed"));
  const { order } = walk(world, () => 0);

  it.each([
    ["a word that is written but only declared as read", "q1.kick.add", "reads"],
    ["a word that is not declared", "q1.kick.add", "nothing"],
    ["RAM that is not declared", "q1.used.idx", "nothing"],
  ])("finds %s", (_, name, declares) => {
    const declared: Declared = (op) => {
      if (op.name !== name) return op.footprint;
      return { reads: declares === "reads" ? op.footprint.reads : [], writes: [] };
    };
    const where = name === "q1.used.idx" ? "RAM at" : "word";
    const found = [...auditFootprints(world, order, declared).wrong];
    expect(found.length).toBeGreaterThan(0);
    for (const each of found) expect(each).toMatch(`${name} writes ${where}`);
  });

  const none: Footprint = { reads: [], writes: [] };

  /** Two actors stand before these ops. */
  const bothPending =
    (one: string, other: string) =>
    (execution: Execution): boolean => {
      const names = execution.positions().map((_, actor) => execution.next(actor)?.name);
      return names.includes(one) && names.lastIndexOf(other) !== names.indexOf(one);
    };

  // explorer.md 5, trap 2: the footprints that are easily got wrong.
  it.each<[string, string, string, ScriptName, number]>([
    ["eventfd add and read", "q1.kick.add", "q1.kick.read", "first", 200],
    ["epoll_wait and ADD", "epoll.add", "epoll.wait", "first", 4],
    ["epoll_wait and DEL", "epoll.del", "epoll.wait", "resume", 12],
    ["epoll_wait and eventfd add", "q1.kick.add", "epoll.wait", "first", 24],
    ["a stall and the store that ends it", "q1.used.idx.poll", "q1.used.idx", "first", 24],
    ["lock and lock", "q1.lock.lock", "q1.lock.lock", "first", 12],
  ])("finds %s taken as independent", async (_, one, other, script, executions) => {
    const world = await createWorld(nodePlatform, { ...row("seed"), script });
    const declared: Declared = (op) => (op.name === one ? none : op.order);
    const compare = (prefix: number[], _: Choose, all: Comparisons) => auditPairs(world, prefix, all, declared);
    const all = compared(world, executions, compare, bothPending(one, other));
    const pairs = [`${one} | ${other}: `, `${other} | ${one}: `];
    expect([...all.wrong].filter((each) => pairs.some((pair) => each.startsWith(pair)))).not.toEqual([]);
  });

  it("finds, by a comparison of final states, eventfd add and read taken as independent: a false `never`", () => {
    const waitsForEver = (declared: (op: Op<number>) => Op<number>) =>
      litmus((memory) => {
        const kick = new EventFd(memory, "kick");
        const never = new Word(memory, "never");
        function* driver() {
          yield* declared(kick.add(1));
        }
        function* device() {
          if ((yield* declared(kick.read())) === 0) yield* never.awaitChange(0);
        }
        return [driver(), device()];
      });
    const limits = { maxSchedules: 100, seed: SEED };
    const right = waitsForEver((op) => op);
    const wrong = waitsForEver((op) => new Op(op.name, none, op.attempt));
    const ends = (found: Found): string[] => found.ends.map(({ end }) => end).sort();
    expect(ends(dpor(right, limits))).toEqual(["answered", "hung"]);
    expect(ends(dpor(wrong, limits))).toEqual(["answered"]);
    expect(finalKeys(wrong, dpor(wrong, limits))).not.toEqual(finalKeys(wrong, dfs(wrong, limits)));
  });

  it("finds an op that is called a release and races", () => {
    const releases = (op: Op): boolean => op.name === "q1.kick.add";
    const compare = (prefix: number[], _: Choose, all: Comparisons) => auditReleases(world, prefix, all, releases);
    const all = compared(world, 24, compare, bothPending("q1.kick.add", "epoll.wait"));
    expect([...all.wrong]).toEqual(["q1.kick.add is no release: epoll.wait"]);
  });

  it("finds an op that is called eager and is not", () => {
    const isEager = (op: Op): boolean => op.name === "q1.kick.add";
    const all = compared(world, 24, (prefix, choose, all) => auditEager(world, prefix, choose, 40, all, isEager));
    expect([...all.wrong]).toEqual(["q1.kick.add is not eager"]);
  });
});
