import { describe, expect, it } from "vitest";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { runBoots } from "../../../host/threads/boots.js";
import type { Platform } from "../../../host/threads/platform.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const row = (id: string): Scenario => ROWS.find((each) => each.id === id)!.scenario;

describe("boots on real threads, no delays", () => {
  // A limit, not a time: at any rate near the one seen (one boot in five) 2000 boots without a hang do not happen.
  it("the published pair hangs by the published cause, and the report names what is stuck", async () => {
    const { counts, hangs } = await runBoots(nodePlatform, row("seed"), { boots: 2000, enough: 1 });
    expect(counts.first.effects).toEqual({ hang: counts.first.hangs });
    // One phase may go on beyond its hang until the other has its own.
    expect(counts.first.hangs).toBeGreaterThan(0);
    expect(counts.reboot.hangs).toBeGreaterThan(0);
    expect(counts.first.undecided + counts.reboot.undecided).toBe(0);
    expect(hangs.find(({ report }) => report.cause === "kick-consumed-while-disabled")!.report).toMatchObject({
      positions: [
        { actor: "vcpu", waitsFor: expect.stringMatching(/^q1\.used\.idx to change from \d+, polling$/) },
        { actor: "control", waitsFor: "12 bytes from to-back-end, which has 0" },
        { actor: "data", waitsFor: "epoll, which watches q1.kick (count 0)" },
      ],
      ring: { queue: 1, ready: true, enabled: true, kickCount: 0 },
      lateMessage: "SET_VRING_ENABLE q1 num=1",
      effect: "hang",
      curedByKick: true,
    });
  });

  it.each(["fix", "c", "rekick"])("row %s: no hang by the published cause, nothing undecided", async (id) => {
    const { counts } = await runBoots(nodePlatform, row(id), { boots: 60, enough: 1 });
    for (const phase of [counts.first, counts.reboot]) expect(phase).toMatchObject({ hangs: 0, undecided: 0 });
    expect(counts.first.boots).toBeGreaterThanOrEqual(60);
    expect(counts.reboot.boots).toBeGreaterThanOrEqual(60);
    if (id !== "fix") expect(counts.first.otherHangs).toEqual({});
  });

  it("comes to an end where hardly any first boot gets as far as a reboot", async () => {
    const scenario: Scenario = { ...row("seed"), frontEnd: "qemu-7.1", backEnd: "rust-0.12" };
    const { counts } = await runBoots(nodePlatform, scenario, { boots: 5, enough: 5 });
    expect(counts.first.boots).toBe(5);
  });

  it("a traced hang shows the kick consumed before the ENABLE was applied", async () => {
    const { hangs } = await runBoots(
      nodePlatform,
      row("seed"),
      { boots: 2000, enough: 2000 },
      { trace: true, stopAtHang: true },
    );
    const { events } = hangs.find(({ report }) => report.cause === "kick-consumed-while-disabled")!;
    // Both under the ring's lock, so their order is a fact and not a matter of clocks.
    const tested = events.findLastIndex(({ name, result }) => name === "q1.enabled.load" && result === 0);
    const kicked = events.findLastIndex(({ name }) => name === "q1.kick.add");
    const enabled = events.findLastIndex(({ name, detail }) => name === "q1.store" && detail === "enabled=1");
    expect(tested).toBeGreaterThan(kicked);
    expect(enabled).toBeGreaterThan(tested);
    expect(events.findLastIndex(({ name }) => name === "kick dropped")).toBeGreaterThan(tested);
  });

  it.each([
    { cold: [], spawned: [1, 1, 1] },
    { cold: ["control"], spawned: [1, 3, 1] },
    { cold: ["control", "data"], spawned: [1, 3, 3] },
  ] as const)(
    "cold $cold: those threads are new with each of three machines, no other is",
    async ({ cold, spawned }) => {
      const counts = [0, 0, 0];
      const platform: Platform = {
        ...nodePlatform,
        spawnActor: (actor) => {
          counts[actor]!++;
          return nodePlatform.spawnActor(actor);
        },
      };
      const { counts: boots } = await runBoots(platform, row("rekick"), { boots: 3, enough: 1 }, { cold });
      expect(boots.first).toMatchObject({ boots: 3, hangs: 0, undecided: 0 });
      expect(counts).toEqual(spawned);
    },
  );

  it("a delay is a delay: it is applied, and changes no verdict of a row that cannot hang", async () => {
    const delays = [{ point: "before-enabled-test", micros: 100 }];
    const { counts } = await runBoots(nodePlatform, { ...row("rekick"), delays }, { boots: 10, enough: 1 });
    expect(counts.first).toMatchObject({ hangs: 0, undecided: 0, otherHangs: {} });
  });
});
