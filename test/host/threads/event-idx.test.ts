// The guest `linux` in every script on real threads, with EVENT_IDX and without it (virtio 1.4, 2.7.7 and 2.7.10).

import { afterAll, describe, expect, it } from "vitest";
import { SCRIPT } from "../../../host/scenario/catalog/index.js";
import { FRONT_END_DEFAULTS, SCRIPTS, type Scenario, type ScriptName } from "../../../host/scenario/scenario.js";
import { Lab } from "../../../host/threads/lab.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const lab = new Lab(nodePlatform, "linux", 2 * 1024 * 1024);
afterAll(() => lab.close());

const scenario = (script: ScriptName, eventIdx: boolean): Scenario => ({
  guest: "linux",
  frontEnd: SCRIPT[script].only?.seat === "frontEnd" ? "cloud-hypervisor" : "qemu-8.2",
  backEnd: "rekick",
  ...FRONT_END_DEFAULTS,
  eventIdx,
  delays: [],
  script,
});

const boot = (script: ScriptName, eventIdx: boolean) =>
  lab.live({
    scenario: scenario(script, eventIdx),
    share: { kind: "memory" },
    boots: 1,
    guestArgs: [],
    trace: true,
    schedule: [],
  });

describe.each([true, false])("EVENT_IDX offered: %s", (eventIdx) => {
  it.each(SCRIPTS)("%s comes to its end; the ring's event words are used only where it is", async (script) => {
    const life = await boot(script, eventIdx);
    expect(life).toMatchObject({ completed: 1, exitCode: 0, undecided: false });
    expect(life.hang).toBeUndefined();
    const words = new Set(life.events.filter(({ kind }) => kind === "op").map(({ name }) => name));
    expect([words.has("q1.avail_event"), words.has("q1.avail.flags")]).toEqual([eventIdx, !eventIdx]);
  });

  it("in two-queues both queues are served, and both interrupt", async () => {
    const { events } = await boot("two-queues", eventIdx);
    const names = events.map(({ name }) => name);
    for (const q of [0, 1]) {
      expect(names).toContain(`q${q}.serve`);
      expect(names).toContain(`q${q}.call.add`);
    }
  });
});
