// The front-ends that are not QEMU's vhost-user: protocol.md 10, "FN never", and cloud-hypervisor's whatever comes out.

import { describe, expect, it } from "vitest";
import { createWorld, explore } from "../../../host/explore/explore.js";
import { replay } from "../../../host/explore/replay.js";
import { Memoised } from "../../../host/explore/memoised.js";
import { formatSchedule, parseSchedule } from "../../../host/explore/schedule.js";
import { search } from "../../../host/explore/visited.js";
import { ROWS } from "../../../host/scenario/rows.js";
import { checkPair, type Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const BASE = ROWS[0]!.scenario;
const KERNEL: Scenario = { ...BASE, frontEnd: "ioctl", backEnd: "kernel" };
const CHV: Scenario = { ...BASE, frontEnd: "cloud-hypervisor" };

describe("ioctl and kernel never hang", () => {
  it.each([0, 1] as const)("at a first boot, kick eventfds born with %i", async (kickCount) => {
    expect(await explore(nodePlatform, { ...KERNEL, kickCount })).toMatchObject({ verdict: "never", complete: true });
  });

  it.each(["resume-uncharged", "toggle"] as const)("in %s", async (script) => {
    expect(await explore(nodePlatform, { ...KERNEL, script })).toMatchObject({ verdict: "never", complete: true });
  });

  it("on real threads, held to a schedule that the explorer found: the second letter is the worker's", async () => {
    const [end] = search(new Memoised(await createWorld(nodePlatform, KERNEL)), {
      maxExecutions: 100_000,
      eager: true,
    }).ends;
    const schedule = formatSchedule(KERNEL, end!.order);
    expect(schedule).toMatch(/^ovmf:ioctl:kernel:driver-ok:first\/([vd]\d+)+$/);
    expect(parseSchedule(schedule).order).toEqual(end!.order);
    const results = await replay(nodePlatform, schedule, { threads: true, times: 3 });
    expect(results.map(({ outcome }) => outcome)).toEqual(Array(3).fill("answered"));
  });
});

describe("cloud-hypervisor", () => {
  const cells = (["rust-0.10", "rekick", "c"] as const).flatMap((backEnd) =>
    ([0, 1] as const).map((kickCount) => ({ backEnd, kickCount })),
  );
  it.each(cells)("never hangs at a first boot: $backEnd, born with $kickCount", async (cell) => {
    expect(await explore(nodePlatform, { ...CHV, ...cell })).toMatchObject({ verdict: "never", complete: true });
  });

  it.each(["resume", "toggle"] as const)(
    "waits for every message, and still loses a kick between ENABLE 0 and ENABLE 1 to rust-0.10: %s",
    async (script) => {
      const { verdict, causes } = await explore(nodePlatform, { ...CHV, script });
      expect({ verdict, causes }).toEqual({ verdict: "can", causes: ["kick-consumed-while-disabled"] });
    },
  );

  // The reset does not stop the ring: a worker that has copied `enabled` looks at it while it is set up again.
  it("at a reboot can hang with rust-0.10 by another cause, and never with rekick", async () => {
    const { verdict, causes } = await explore(nodePlatform, { ...CHV, script: "reboot" });
    expect({ verdict, causes }).toEqual({ verdict: "can", causes: ["worker-died"] });
    const rekick = await explore(nodePlatform, { ...CHV, backEnd: "rekick", script: "reboot" });
    expect(rekick).toMatchObject({ verdict: "never", complete: true });
  });
});

it.each([
  ["ioctl", "rekick"],
  ["qemu-8.2", "kernel"],
] as const)("%s and %s do not pair: one line, wherever they are asked for", async (frontEnd, backEnd) => {
  const message = `front-end "${frontEnd}" does not pair with back-end "${backEnd}": "ioctl" and "kernel" go together`;
  const error = { name: "UserError", message };
  expect(() => checkPair({ frontEnd, backEnd })).toThrow(expect.objectContaining(error));
  await expect(explore(nodePlatform, { ...BASE, frontEnd, backEnd })).rejects.toMatchObject(error);
  const schedule = `ovmf:${frontEnd}:${backEnd}:driver-ok:first/v1`;
  await expect(replay(nodePlatform, schedule, { threads: true, times: 1 })).rejects.toMatchObject(error);
});
