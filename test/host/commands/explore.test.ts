import { describe, expect, it } from "vitest";
import type { Engines } from "../../../host/engines.js";
import { EXPLORED, REPORT, runWith } from "../fakes.js";

describe("vhostlab explore", () => {
  it("shows the verdict, the search and how to replay a hanging schedule", async () => {
    const { exitCode, data } = await runWith({ explore: async () => EXPLORED }, ["explore", "--back-end", "rust-0.10"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^verdict +some schedules hang, others do not$/m);
    expect(data).toMatch(/^schedules +about 8.8e28$/m);
    expect(data).toMatch(/^cause +kick-consumed-while-disabled, effect hang$/m);
    expect(data).toMatch(/^ +replay +vhostlab replay ovmf:qemu-8.1:rust-0.10:driver-ok\/v12c3w1 --threads$/m);
  });

  it("tells a broken rule apart from the verdict", async () => {
    const breach = { rule: "a rule", text: "do not", source: "virtio 1.4", section: "2.7.8", detail: "q1 does it" };
    const breaches = [{ ...breach, schedule: "ovmf:qemu-8.1:c:driver-ok:first/v1" }];
    const engines = { explore: async () => ({ ...EXPLORED, verdict: "never", hangs: [], breaches }) as const };
    const { exitCode, data } = await runWith(engines, ["explore"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^verdict +no schedule hangs$/m);
    expect(data).toMatch(/^breach +a rule$/m);
    expect(data).toMatch(/^ +rule +do not \(virtio 1.4, 2.7.8\)\n +broken +q1 does it$/m);
    expect(data).toMatch(/^ +replay +vhostlab replay ovmf:qemu-8.1:c:driver-ok:first\/v1$/m);
    const json = JSON.parse((await runWith(engines, ["explore", "--json"])).data);
    expect(json.breaches).toMatchObject(breaches);
  });

  it("exits 1 when the search was not complete", async () => {
    const explore: Engines["explore"] = async (_scenario, { maxSchedules }) => {
      expect(maxSchedules).toBe(10);
      return { ...EXPLORED, verdict: "never", hangs: [], causes: [], complete: false };
    };
    const { exitCode, data } = await runWith({ explore }, ["explore", "--max-schedules", "10"]);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^verdict +so far no schedule hangs$/m);
  });

  it("hands on the policy and its seed, and shows no states for one that remembers none", async () => {
    const explore: Engines["explore"] = async (_scenario, { policy, seed }) => {
      expect([policy, seed]).toEqual(["pct", 7]);
      const { states: _, transitions: __, paths: ___, ...others } = EXPLORED;
      return { ...others, complete: false };
    };
    const { exitCode, data } = await runWith({ explore }, ["explore", "--policy", "pct", "--seed", "7"]);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^search +pct, not complete$/m);
    expect(data).not.toMatch(/^(states|schedules) /m);
  });

  it("--json: the numbers as they are, paths in full", async () => {
    const { data } = await runWith({ explore: async () => EXPLORED }, ["explore", "--json"]);
    expect(JSON.parse(data)).toMatchObject({
      schemaVersion: 1,
      scenario: { frontEnd: "qemu-8.1", backEnd: "rekick" },
      verdict: "can",
      paths: EXPLORED.paths,
      hangs: [{ schedule: EXPLORED.hangs[0]!.schedule, report: REPORT }],
    });
  });
});
