import { describe, expect, it } from "vitest";
import { explore as exploreOn } from "../../../host/explore/explore.js";
import { replay } from "../../../host/explore/replay.js";
import type { BackEndName, FrontEndName, GuestName } from "../../../host/scenario/occupants.js";
import type { Cause, Effect, ExploreResult } from "../../../host/scenario/outcome.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario, ScriptName } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const explore = (scenario: Scenario) => exploreOn(nodePlatform, scenario);

/** A schedule that hangs under the scheduler hangs each time on real threads, by the same cause. */
async function hangsOnThreads(
  { schedule, report: { cause, effect } }: ExploreResult["hangs"][number],
  times: number,
): Promise<void> {
  const results = await replay(nodePlatform, schedule, { threads: true, times });
  expect(results.map(({ outcome, report }) => `${outcome} ${report?.cause} ${report?.effect}`)).toEqual(
    Array(times).fill(`hang ${cause} ${effect}`),
  );
}

const cell = (
  script: ScriptName,
  frontEnd: FrontEndName,
  backEnd: BackEndName,
  guest: GuestName = "ovmf",
): Scenario => ({
  ...ROWS[0]!.scenario,
  guest,
  script,
  frontEnd,
  backEnd,
});

describe("scripts of the environment, every interleaving", () => {
  it.each<ScriptName>(["reboot", "reset-in-flight", "resume", "resume-uncharged", "toggle"])(
    "rekick never hangs in %s",
    async (script) => {
      expect(await explore(cell(script, "qemu-8.1", "rekick"))).toMatchObject({ verdict: "never", complete: true });
    },
  );

  it("the fix of the front-end does not cover a toggle: the kick can come between ENABLE 0 and ENABLE 1", async () => {
    const { verdict, causes, hangs } = await explore(cell("toggle", "qemu-8.2", "rust-0.10"));
    expect({ verdict, causes }).toEqual({ verdict: "can", causes: ["kick-consumed-while-disabled"] });
    await hangsOnThreads(hangs[0]!, 20);
  });

  // protocol.md 4.2, W6: a worker that finds its queue not ready returns, and nothing reports it.
  it("at a reboot behind 8.2 rust-0.10 hangs by another cause only: its worker has ended", async () => {
    const { verdict, causes, hangs } = await explore(cell("reboot", "qemu-8.2", "rust-0.10"));
    expect({ verdict, causes }).toEqual({ verdict: "can", causes: ["worker-died"] });
    await hangsOnThreads(hangs[0]!, 5);
  });

  // protocol.md 2.7 and 6: a reset of cloud-hypervisor waits for no worker, so that one can look at a ring of which the
  // driver has begun anew. iter() gives an error: without EVENT_IDX it ends the worker, with it the loop goes on.
  it.each<[GuestName, Cause, Effect]>([
    ["ovmf", "worker-died", "worker-died"],
    ["linux-probe", "worker-spins", "livelock"],
  ])(
    "at a reboot of %s behind cloud-hypervisor the worker of rust-0.10 can find a ring half reset: %s, a %s",
    async (guest, cause, effect) => {
      const { verdict, causes, hangs } = await explore(cell("reboot", "cloud-hypervisor", "rust-0.10", guest));
      expect({ verdict, causes }).toEqual({ verdict: "can", causes: [cause] });
      expect(hangs.map(({ report }) => report.effect)).toEqual([effect]);
      await hangsOnThreads(hangs[0]!, 5);
    },
  );

  // fuse_virtio.c: a second start of a queue that nobody has stopped is an assertion. As seen with 7.2.22.
  it.each<ScriptName>(["reboot", "reset-in-flight"])("at a %s behind cloud-hypervisor c aborts", async (script) => {
    const found = await explore(cell(script, "cloud-hypervisor", "c"));
    expect(found.causes).toContain("back-end-aborted");
    expect(found.complete).toBe(true);
  });

  // protocol.md 2.7: its BASE is the ring's avail.idx; 5: the queue thread of c tests kill before kick.
  describe("reconnect", () => {
    it.each<BackEndName>(["rekick", "rust-0.10", "rust-0.12", "rust-0.13.1", "rust-0.22"])(
      "behind cloud-hypervisor %s has answered what was in flight before it ends",
      async (backEnd) => {
        const found = await explore(cell("reconnect", "cloud-hypervisor", backEnd));
        expect(found).toMatchObject({ verdict: "never", complete: true });
      },
    );

    it("behind cloud-hypervisor c can end before that, and the next one goes on behind it", async () => {
      const { verdict, causes, hangs } = await explore(cell("reconnect", "cloud-hypervisor", "c"));
      expect({ verdict, causes }).toEqual({ verdict: "can", causes: ["request-skipped"] });
      await hangsOnThreads(hangs[0]!, 5);
    });
  });

  // The whole search takes longer than a test should: the first so many executions of it.
  it.each([true, false])("two-queues: no hang in so many executions (EVENT_IDX offered: %s)", async (eventIdx) => {
    const scenario = { ...cell("two-queues", "qemu-8.2", "rekick", "linux"), eventIdx };
    const found = await exploreOn(nodePlatform, scenario, { maxSchedules: 300 });
    expect(found).toMatchObject({ causes: [], executions: 300 });
    expect(found.states).toBeGreaterThan(300);
  });

  it.each<[Partial<Scenario>, RegExp]>([
    [{ script: "two-queues" }, /script "two-queues" is for guest "linux": no other has requests on two queues/],
    [{ script: "two-queues", guest: "shell" }, /script "two-queues" is for guest "linux"/],
    [{ script: "reconnect" }, /script "reconnect" is for front-end "cloud-hypervisor": .*QEMU's vhost-user-fs/],
  ])("%j is refused in a line", async (change, line) => {
    await expect(explore({ ...ROWS[0]!.scenario, ...change })).rejects.toMatchObject({
      name: "UserError",
      message: expect.stringMatching(line),
    });
  });
});
