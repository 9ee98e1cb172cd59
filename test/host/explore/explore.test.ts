import { describe, expect, it } from "vitest";
import { createWorld, explore } from "../../../host/explore/explore.js";
import { replay } from "../../../host/explore/replay.js";
import { formatSchedule } from "../../../host/explore/schedule.js";
import { search } from "../../../host/explore/visited.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const row = (id: string): Scenario => ROWS.find((each) => each.id === id)!.scenario;
const LIMIT = 100_000;

describe("explore, first boot", () => {
  it("finds that the published pair can hang, by the published cause, in a complete search", async () => {
    const result = await explore(nodePlatform, row("seed"));
    expect(result).toMatchObject({ verdict: "can", causes: ["kick-consumed-while-disabled"], complete: true });
    // protocol.md 10: avail.idx != next_avail, the count is 0, and everybody waits although the ring is enabled.
    expect(result.hangs[0]!.report).toMatchObject({
      ring: { queue: 1, availIdx: 1, usedIdx: 0, nextAvail: 0, ready: true, enabled: true, kickCount: 0 },
      lateMessage: "SET_VRING_ENABLE q1 num=1",
    });
  });

  it.each(["fix", "c", "rekick"])("finds that row %s never hangs, in a complete search", async (id) => {
    const result = await explore(nodePlatform, row(id));
    expect(result).toMatchObject({ verdict: "never", causes: [], complete: true, hangs: [] });
    expect(BigInt(result.paths!)).toBeGreaterThan(BigInt(result.executions));
  });

  // protocol.md 10, anchors: "C virtiofsd (B0) never", whoever sits in front of it.
  it.each(["qemu-7.1", "qemu-8.2", "qemu-8.2-no-reply-ack"] as const)(
    "finds that c never hangs behind %s",
    async (frontEnd) => {
      expect(await explore(nodePlatform, { ...row("c"), frontEnd })).toMatchObject({
        verdict: "never",
        complete: true,
      });
    },
  );

  // The mail: "or performing a separate VHOST_USER_GET_FEATURES *exchange*".
  it("finds that the other fix, GET_FEATURES as a fence, prevents the hang as well", async () => {
    const fenced: Scenario = { ...row("fix"), frontEnd: "qemu-8.2-no-reply-ack" };
    expect(await explore(nodePlatform, fenced)).toMatchObject({ verdict: "never", complete: true });
  });

  it("names the options of the front-end in its schedules, and replays them", async () => {
    const { hangs } = await explore(nodePlatform, { ...row("seed"), memory: "table", kickCount: 0, eventIdx: false });
    const { schedule } = hangs[0]!;
    expect(schedule).toMatch(
      /^ovmf:qemu-8.1:rust-0.10:driver-ok:first:memory-table:kick-count-0:no-event-idx\/[a-z0-9]+$/,
    );
    const [explored] = await replay(nodePlatform, schedule, { threads: false, times: 1 });
    expect(explored!.outcome).toBe("hang");
    const messages = explored!.events.filter(({ name }) => name === "to-back-end.send").map(({ detail }) => detail);
    expect(messages.some((detail) => detail.startsWith("SET_MEM_TABLE"))).toBe(true);
    expect(explored!.events.filter(({ name }) => /kick.*create/.test(name)).map(({ detail }) => detail)).toEqual([
      "count 0",
      "count 0",
    ]);
  });

  it("finds the hang also where the ring messages leave in the queue_enable write", async () => {
    expect(await explore(nodePlatform, { ...row("seed"), enableAt: "queue-enable" })).toMatchObject({
      verdict: "can",
      complete: true,
    });
  });

  it("counts the same each time", async () => {
    const { ms: _, ...once } = await explore(nodePlatform, row("rekick"));
    const { ms: __, ...again } = await explore(nodePlatform, row("rekick"));
    expect(again).toEqual(once);
  });

  it("says that a search is not complete when its limit ends it", async () => {
    expect(await explore(nodePlatform, row("fix"), { maxSchedules: 10 })).toMatchObject({
      complete: false,
      executions: 10,
    });
  });
});

describe("the reduction", () => {
  // rekick behind 8.2: the smallest cell, since every op is a choice in the search that it is compared with.
  it("loses no final state: eager and unreduced searches meet the same ones", async () => {
    const scenario: Scenario = { ...row("rekick"), frontEnd: "qemu-8.2" };
    const reduced = search(await createWorld(nodePlatform, scenario), { maxExecutions: LIMIT, eager: true });
    const unreduced = search(await createWorld(nodePlatform, scenario), { maxExecutions: LIMIT, eager: false });
    expect(unreduced.complete && reduced.complete).toBe(true);
    expect(unreduced.states).toBeGreaterThan(2 * reduced.states);
    expect([...unreduced.finals].map(withoutNumbers)).toEqual([...reduced.finals].map(withoutNumbers));
  });
});

/** Histories and requests are numbered in the order in which a search meets them: final states are compared without. */
function withoutNumbers(key: string): string {
  return key.split(",").slice(4).join();
}

describe("replay", () => {
  it("of the hanging schedule hangs 20 times of 20 on real threads, by the same cause", async () => {
    const { hangs } = await explore(nodePlatform, row("seed"));
    for (const { schedule, report } of hangs) {
      const results = await replay(nodePlatform, schedule, { threads: true, times: 20 });
      expect(results.map(({ outcome }) => outcome)).toEqual(Array(20).fill("hang"));
      expect(new Set(results.map((result) => result.report?.cause))).toEqual(new Set([report.cause]));
    }
  });

  it("of an answered schedule of the same row is answered on real threads", async () => {
    const { ends } = search(await createWorld(nodePlatform, row("seed")), { maxExecutions: LIMIT, eager: true });
    const answered = ends.find(({ end }) => end === "answered")!;
    const results = await replay(nodePlatform, formatSchedule(row("seed"), answered.order), {
      threads: true,
      times: 5,
    });
    expect(results.map(({ outcome }) => outcome)).toEqual(Array(5).fill("answered"));
  });

  it("does on threads, op by op, what it does under the scheduler", async () => {
    const { hangs } = await explore(nodePlatform, row("seed"));
    const [explored] = await replay(nodePlatform, hangs[0]!.schedule, { threads: false, times: 1 });
    const [threads] = await replay(nodePlatform, hangs[0]!.schedule, { threads: true, times: 1 });
    for (const actor of ["vcpu", "control", "data"]) {
      const ops = (result: typeof explored): string[] =>
        result!.events
          .filter((e) => e.kind === "op" && e.actor === actor)
          .map((e) => `${e.name} ${e.detail} ${e.result}`);
      expect(ops(threads)).toEqual(ops(explored));
    }
  });

  it.each([
    ["", /no schedule/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first", /no schedule/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first/v1x", /no schedule/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok/v1", /script "undefined"/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first:memory-disk/v1", /option "memory-disk"/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first/z1", /no actor "z"|has an actor "z"/],
    ["ovmf:qemu-9.9:rust-0.10:driver-ok:first/v1", /front-end "qemu-9.9"/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first/d1", /step 1 of the schedule cannot happen/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first/h1", /step 1 of the schedule cannot happen/],
    ["ovmf:qemu-8.1:rust-0.10:driver-ok:first/v999999c999999", /longer than/],
  ])("refuses %j in a line", async (schedule, line) => {
    await expect(replay(nodePlatform, schedule, { threads: false, times: 1 })).rejects.toMatchObject({
      name: "UserError",
      message: expect.stringMatching(line),
    });
  });
});
