import { describe, expect, it } from "vitest";
import type { Engines } from "../../../host/engines.js";
import { REPORT, runWith } from "../fakes.js";
import { SEED_HANG } from "../report/events.js";

describe("vhostlab replay", () => {
  const hang = { outcome: "hang", report: REPORT, events: SEED_HANG } as const;

  it("runs a schedule as often as asked and shows what it leads to", async () => {
    const asked: unknown[] = [];
    const replay: Engines["replay"] = async (schedule, options) => {
      asked.push({ schedule, ...options });
      return Array(options.times).fill(hang);
    };
    const { exitCode, data } = await runWith({ replay }, ["replay", "s/v1", "--threads", "--times", "20"]);
    expect(asked).toEqual([{ schedule: "s/v1", threads: true, times: 20 }]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^hang 20 of 20\n/);
    expect(data).toMatch(/▶.*✗ kick dropped/);
  });

  it("exits 1 when two runs differ, and when one is undecided", async () => {
    const answered = { outcome: "answered", events: [] } as const;
    const differing: Engines["replay"] = async () => [hang, answered, answered];
    expect(await runWith({ replay: differing }, ["replay", "s/v1", "--times", "3"])).toMatchObject({
      exitCode: 1,
      data: expect.stringMatching(/^answered 2 of 3, hang 1 of 3\n/),
    });
    const replay: Engines["replay"] = async () => [{ outcome: "undecided", events: [] }];
    expect((await runWith({ replay }, ["replay", "s/v1"])).exitCode).toBe(1);
  });

  it("--json: outcomes, report and events", async () => {
    const { data } = await runWith({ replay: async () => [hang] }, ["replay", "s/v1", "--json"]);
    expect(JSON.parse(data)).toMatchObject({
      schedule: "s/v1",
      outcomes: { answered: 0, hang: 1, undecided: 0 },
      report: REPORT,
      events: SEED_HANG,
    });
  });
});
