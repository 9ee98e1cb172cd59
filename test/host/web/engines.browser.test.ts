import { describe, expect, inject, it } from "vitest";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { webEngines } from "../../../host/web/engines.js";

const row = (id: string): Scenario => ROWS.find((each) => each.id === id)!.scenario;

describe("in a browser tab", () => {
  it("is cross-origin isolated, and its main thread may not wait", () => {
    expect(crossOriginIsolated).toBe(true);
    const words = new Int32Array(new SharedArrayBuffer(4));
    expect(() => Atomics.wait(words, 0, 0, 0)).toThrow();
  });

  // A limit, not a time, as for Node's threads.
  it("the published pair hangs on Workers by the published cause, at first boot and at reboot", async () => {
    const { counts, hangs } = await webEngines.runBoots(row("seed"), { boots: 2000, enough: 1 }, {});
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
    });
  });

  it("its published fix does not in 500 boots of each phase, and no boot is undecided", async () => {
    const { counts } = await webEngines.runBoots(row("fix"), { boots: 500, enough: 1 }, {});
    for (const phase of [counts.first, counts.reboot]) {
      expect(phase).toMatchObject({ hangs: 0, undecided: 0 });
      expect(phase.boots).toBeGreaterThanOrEqual(500);
    }
  });

  it.each(ROWS)("the explorer's verdict and counts of row $id are Node's", async (row) => {
    const { ms: _, ...inNode } = inject("explored").find(({ id }) => id === row.id)!;
    const { ms: __, ...found } = await webEngines.explore(row.scenario, {});
    expect({ ...row, ...found }).toEqual(inNode);
    expect(found.complete).toBe(true);
  });

  it("an error in a Worker comes out of the call", async () => {
    await expect(webEngines.explore({ ...row("seed"), guest: "nobody" as "ovmf" }, {})).rejects.toThrow(/404|nobody/);
  });
});
