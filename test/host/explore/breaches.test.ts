// Rules that released programs break.

import { expect, it } from "vitest";
import { explore } from "../../../host/explore/explore.js";
import { replay } from "../../../host/explore/replay.js";
import { parseSchedule } from "../../../host/explore/schedule.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

// protocol.md 5: GET_VRING_BASE takes num = last_avail_idx before it joins the queue thread, which may take an entry yet.
it("c serves a request twice that was in flight at a stop; the schedule ends with that step", async () => {
  const scenario: Scenario = { ...ROWS[0]!.scenario, frontEnd: "qemu-8.2", backEnd: "c", script: "resume" };
  const { breaches } = await explore(nodePlatform, scenario);
  expect(breaches.map(({ rule, detail }) => `${rule}: ${detail}`)).toEqual([
    "each request answered once: q1 takes avail entry 0, 1 is next",
  ]);
  const { schedule } = breaches[0]!;
  const [replayed] = await replay(nodePlatform, schedule, { threads: false, times: 1 });
  expect(replayed!.breaches![0]).toMatchObject({
    rule: "each request answered once",
    step: parseSchedule(schedule).order.length,
  });
});
