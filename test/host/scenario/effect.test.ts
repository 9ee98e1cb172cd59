// What hangs do to their machines: DESIGN's effects, each from a cell in which it comes about.

import { describe, expect, it } from "vitest";
import { Execution } from "../../../host/explore/execution.js";
import { createWorld, explore } from "../../../host/explore/explore.js";
import { replay } from "../../../host/explore/replay.js";
import { parseSchedule } from "../../../host/explore/schedule.js";
import type { HangReport } from "../../../host/scenario/outcome.js";
import { SEED } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { VCPU } from "../../../host/scenario/system.js";
import { diagnose } from "../../../host/scenario/verdict.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const CELLS: readonly { what: string; change: Partial<Scenario>; effects: readonly string[] }[] = [
  // protocol.md 10: "G1 can never recover (hang); for guests that may kick again later, stall until the next kick".
  { what: "a lost kick, and OVMF polls", change: {}, effects: ["hang, cured"] },
  { what: "a lost kick, and Linux sleeps", change: { guest: "linux-probe" }, effects: ["stall, cured"] },
  // Nobody enables the ring again: a later kick is lost as well. Or the worker has found its queue not ready.
  {
    what: "a ring that stays disabled",
    change: { frontEnd: "qemu-7.1", backEnd: "rust-0.12" },
    effects: ["hang, not cured", "worker-died, not cured"],
  },
];
const wordsOf = ({ effect, curedByKick }: HangReport): string => `${effect}, ${curedByKick ? "cured" : "not cured"}`;

describe.each(CELLS)("the effect of $what", ({ change, effects }) => {
  const scenario: Scenario = { ...SEED.scenario, ...change };

  it("is found in the hanging schedules, and on real threads that are held to them", async () => {
    const { hangs, complete } = await explore(nodePlatform, scenario);
    expect(complete).toBe(true);
    expect(hangs.map(({ report }) => wordsOf(report))).toEqual(effects);
    for (const { schedule, report } of hangs) {
      const [threads] = await replay(nodePlatform, schedule, { threads: true, times: 1 });
      expect(wordsOf(threads!.report!)).toBe(wordsOf(report));
    }
  });

  // The trial begins new rounds; here the hung actors themselves go on, as they would.
  it("is what a kick of the stuck ring does to the actors that hang", async () => {
    const { hangs } = await explore(nodePlatform, scenario);
    const world = await createWorld(nodePlatform, scenario);
    for (const { schedule, report } of hangs) {
      const execution = new Execution(world);
      for (const actor of parseSchedule(schedule).order) execution.step(actor);
      expect(execution.enabled()).toEqual([]);
      const { backEnd } = execution.system;
      const kick = backEnd.kickOf(backEnd.rings[report.ring.queue]!.state.peek().kick);
      kick!.eventfd.add(1).attempt();
      for (;;) {
        const actor = execution.enabled().find((each) => each !== 0);
        if (actor === undefined) break;
        execution.step(actor);
      }
      expect(execution.enabled().includes(0)).toBe(report.curedByKick);
    }
  });
});

it("of a reply that never comes is no-reply: the vCPU is held in its register write", async () => {
  const execution = new Execution(await createWorld(nodePlatform, SEED.scenario));
  // A control plane that does not move: no back-end here does that.
  while (execution.enabled().includes(0)) execution.step(0);
  const report = diagnose(execution.system, execution.positions(), "first", 1);
  expect(report).toMatchObject({ cause: "no-reply", effect: "no-reply", curedByKick: false });
  expect(report.positions[0]).toMatchObject({ actor: VCPU, waitsFor: expect.stringMatching(/from to-front-end/) });
});
