// --trace: the file of each command, and the traces of real runs.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engines } from "../../host/engines.js";
import { LabError } from "../../host/errors.js";
import { explore } from "../../host/explore/explore.js";
import { replay } from "../../host/explore/replay.js";
import { formatSchedule } from "../../host/explore/schedule.js";
import { type ChromeTrace, perfettoTrace } from "../../host/report/perfetto.js";
import type { Recording, ReplayResult } from "../../host/scenario/outcome.js";
import { ROWS } from "../../host/scenario/rows.js";
import type { Scenario } from "../../host/scenario/scenario.js";
import { runBoots } from "../../host/threads/boots.js";
import type { Job } from "../../host/threads/job.js";
import { Lab } from "../../host/threads/lab.js";
import { nodePlatform } from "../../host/threads/spawn.js";
import { TraceBuffer } from "../../vm/sync/trace.js";
import { CLEAN, EXPLORED, hangingAsPublished, REPORT, runWith } from "./fakes.js";
import { type Arrow, arrowsOf, breaches } from "./report/chrome-trace.js";
import { SEED_HANG } from "./report/events.js";

const scenarioOf = (id: string): Scenario => ROWS.find((row) => row.id === id)!.scenario;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vhostlab-trace-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const clean = { counts: { first: CLEAN, reboot: CLEAN }, hangs: [], seconds: 1 };
const hang: ReplayResult = { outcome: "hang", report: REPORT, events: SEED_HANG };

describe("--trace", () => {
  const file = (name: string): string => join(directory, name);
  const read = (path: string): ChromeTrace & { metadata: Record<string, unknown> } =>
    JSON.parse(readFileSync(path, "utf8"));
  const written = (path: string): string[] => {
    const trace = read(path);
    expect(breaches(trace)).toEqual([]);
    expect(trace.metadata).toMatchObject({ schemaVersion: 1, version: expect.any(String), machine: expect.anything() });
    return trace.traceEvents.filter(({ ph }) => ph === "X").map(({ name }) => name);
  };

  it("of hang writes the hang that it shows", async () => {
    const path = file("hang.json");
    const runBoots: Engines["runBoots"] = async ({ frontEnd, backEnd }, _limits, { trace = false }) =>
      hangingAsPublished(frontEnd, backEnd, trace);
    const { data } = await runWith({ runBoots }, ["hang", "--trace", path]);
    expect(data).toContain("One hang of row seed");
    expect(written(path)).toContain("send SET_VRING_ENABLE q1 num=1");
    expect(read(path).metadata).toMatchObject({ row: "seed", scenario: scenarioOf("seed"), hang: REPORT });
  });

  it("of hang --json writes it too, and standard output stays one document", async () => {
    const path = file("hang-json.json");
    const runBoots: Engines["runBoots"] = async ({ frontEnd, backEnd }, _limits, { trace = false }) =>
      hangingAsPublished(frontEnd, backEnd, trace);
    const { data } = await runWith({ runBoots }, ["hang", "--json", "--trace", path]);
    expect(JSON.parse(data)).toHaveProperty("rows");
    expect(written(path)).toContain("q1.kick.read");
  });

  it("of hang traces a machine of the last row when nothing hung, and writes its last boot", async () => {
    const path = file("clean.json");
    const traced: unknown[] = [];
    const runBoots: Engines["runBoots"] = async (scenario, { boots }, { trace }) => {
      if (trace) traced.push({ backEnd: scenario.backEnd, boots });
      return { ...clean, ...(trace && { last: { events: SEED_HANG } }) };
    };
    await runWith({ runBoots }, ["hang", "--row", "fix", "c", "--trace", path]);
    expect(traced).toEqual([{ backEnd: "c", boots: 1 }]);
    expect(written(path)).toContain("q1.kick.read");
  });

  it("of boot writes what was recorded, also of a machine that hangs", async () => {
    const path = file("boot.json");
    const bootOnce: Engines["bootOnce"] = async (_scenario, _share, _guestArgs, _console, onTrace) => {
      onTrace?.({ events: SEED_HANG, report: REPORT, dropped: { vcpu: 3 } });
      throw new LabError("the machine hangs");
    };
    const ran = await runWith({ bootOnce }, ["boot", "--share", ".", "--trace", path, "--", "ls", "."]);
    expect(ran).toMatchObject({ exitCode: 1, talk: "vhostlab: the machine hangs\n" });
    expect(written(path)).toContain("q1.kick.read");
    expect(read(path).metadata).toMatchObject({ droppedEvents: { vcpu: 3 }, hang: REPORT });
  });

  it("of explore replays the hanging schedule that it found", async () => {
    const path = file("explore.json");
    const asked: unknown[] = [];
    const replay: Engines["replay"] = async (schedule, options) => {
      asked.push({ schedule, ...options });
      return [hang];
    };
    await runWith({ explore: async () => EXPLORED, replay }, ["explore", "--trace", path]);
    const { schedule } = EXPLORED.hangs[0]!;
    expect(asked).toEqual([{ schedule, threads: false, times: 1 }]);
    expect(read(path).metadata).toMatchObject({ schedule, clock: expect.stringMatching(/^no clock/) });
    expect(written(path)).toContain("q1.kick.read");
  });

  it("of explore replays any schedule when none hangs", async () => {
    const path = file("never.json");
    const asked: string[] = [];
    const replay: Engines["replay"] = async (schedule) => {
      asked.push(schedule);
      return [{ outcome: "answered", events: SEED_HANG }];
    };
    const never = { ...EXPLORED, verdict: "never", causes: [], hangs: [] } as const;
    await runWith({ explore: async () => never, replay }, ["explore", "--back-end", "c", "--trace", path]);
    expect(asked).toEqual(["ovmf:qemu-8.1:c:driver-ok:first/"]);
    expect(written(path)).toContain("q1.kick.read");
  });

  it("of replay writes the first run, by the scenario that the schedule names", async () => {
    const path = file("replay.json");
    const schedule = "ovmf:qemu-8.2:rust-0.10:driver-ok:first/v1";
    await runWith({ replay: async () => [hang] }, ["replay", schedule, "--threads", "--trace", path]);
    expect(read(path).metadata).toMatchObject({ schedule, scenario: scenarioOf("fix") });
    expect(written(path)).toContain("q1.kick.read");
  });

  it.each([
    ["hang", ["hang"]],
    ["boot", ["boot", "--share", ".", "ls", "."]],
    ["explore", ["explore"]],
    ["replay", ["replay", "ovmf:qemu-8.1:rust-0.10:driver-ok:first/v1"]],
  ])("of %s to where nothing can be written is one line and exit 2, before anything runs", async (_, argv) => {
    for (const path of [directory, join(directory, "missing", "x.json")]) {
      const { exitCode, data, talk } = await runWith({}, [...argv, "--trace", path]);
      expect({ exitCode, data }).toEqual({ exitCode: 2, data: "" });
      expect(talk).toMatch(/^vhostlab: the trace file cannot be written: E(ISDIR|NOENT).*\n$/);
    }
  });

  it("keeps what is in the file until there is a new trace", async () => {
    const path = file("old.json");
    writeFileSync(path, "old");
    const bootOnce = (): Promise<never> => Promise.reject(new LabError("the guest trapped"));
    await runWith({ bootOnce }, ["boot", "--share", ".", "--trace", path, "--", "ls", "."]);
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  it("absent, nothing is traced", async () => {
    const asked: unknown[] = [];
    const bootOnce: Engines["bootOnce"] = async (...args) => {
      asked.push(args[4]);
      return 0;
    };
    await runWith({ bootOnce }, ["boot", "--share", ".", "--", "ls", "."]);
    expect(asked).toEqual([undefined]);
  });
});

/** The arrows of a trace in which nothing is wrong. */
function drawn(recording: Recording, scenario: Scenario, unit: "µs" | "step"): Arrow[] {
  const trace = perfettoTrace(recording, scenario, unit, {});
  expect(breaches(JSON.parse(JSON.stringify(trace)))).toEqual([]);
  return arrowsOf(trace);
}

const ofKind = (arrows: readonly Arrow[], kind: string): Arrow[] => arrows.filter((arrow) => arrow.kind === kind);

/** Both ends of a message's arrow say the message. */
function expectMessages(arrows: readonly Arrow[]): void {
  for (const { name, from, to } of ofKind(arrows, "message")) {
    expect([from.name, to.name]).toEqual([`send ${name}`, `receive ${name}`]);
  }
}

/** A read of a kick eventfd has as many arrows as it took counts: those added, and those that it was born with. */
function expectKicks(arrows: readonly Arrow[], { events }: Recording): void {
  const reads = events.filter(({ kind, name, result }) => kind === "op" && /kick\.read$/.test(name) && result! > 0);
  const kicks = ofKind(arrows, "kick");
  const byRead = new Map<unknown, number>();
  for (const { name, from, to } of kicks) {
    expect([`${name}.add`, `${name}.create`]).toContain(from.name);
    expect(to.name).toBe(`${name}.read`);
    byRead.set(to, (byRead.get(to) ?? 0) + 1);
  }
  expect([...byRead.values()].sort()).toEqual(reads.map(({ result }) => result).sort());
}

describe("the trace of a real run", () => {
  it("of a hang on threads is well-formed, and shows the request's kick taken and dropped", async () => {
    const limits = { boots: 2000, enough: 2000 };
    const { hangs } = await runBoots(nodePlatform, scenarioOf("seed"), limits, { trace: true, stopAtHang: true });
    const recording = hangs.find(({ report }) => report.cause === "kick-consumed-while-disabled")!;
    const arrows = drawn(recording, scenarioOf("seed"), "µs");
    expectMessages(arrows);
    const lost = ofKind(arrows, "kick").find(({ from }) => from.name === "q1.kick.add")!;
    expect(lost.to.name).toBe("q1.kick.read");
    const { traceEvents } = perfettoTrace(recording, scenarioOf("seed"), "µs", {});
    const [dropped, ...more] = traceEvents.filter(({ name }) => name.startsWith("✗ kick dropped"));
    expect(more).toEqual([]);
    expect(dropped!.tid).toBe(lost.to.tid);
    expect(dropped!.ts).toBeGreaterThan(lost.to.ts);
  });

  it("of a hanging schedule has the same arrows under the scheduler and on threads", async () => {
    const scenario = scenarioOf("seed");
    const { schedule } = (await explore(nodePlatform, scenario)).hangs[0]!;
    const named = async (threads: boolean): Promise<string[]> => {
      const [recording] = await replay(nodePlatform, schedule, { threads, times: 1 });
      const arrows = drawn(recording!, scenario, threads ? "µs" : "step");
      expectMessages(arrows);
      expectKicks(arrows, recording!);
      // In a hung machine everything that was sent has been received.
      const sends = recording!.events.filter(({ kind, name }) => kind === "op" && name.endsWith(".send"));
      expect(ofKind(arrows, "message")).toHaveLength(sends.length);
      return arrows.map(({ kind, name, from, to }) => `${kind} ${name}: ${from.name} > ${to.name}`).sort();
    };
    const steps = await named(false);
    expect(await named(true)).toEqual(steps);
    expect(steps).toContain("kick q1.kick: q1.kick.add > q1.kick.read");
  });

  it.each([
    ["under the scheduler", false, "step"],
    ["on threads, running free", true, "µs"],
  ] as const)("of an answered request joins both ring indices to who saw them, %s", async (_, threads, unit) => {
    const scenario = scenarioOf("rekick");
    const [answered] = await replay(nodePlatform, formatSchedule(scenario, []), { threads, times: 1 });
    expect(answered!.outcome).toBe("answered");
    const arrows = drawn(answered!, scenario, unit);
    expectMessages(arrows);
    expectKicks(arrows, answered!);
    const rings = ofKind(arrows, "ring").map(({ name, from, to }) => `${name}: ${from.name} > ${to.name}`);
    expect(rings).toEqual([
      "q1.avail.idx = 1: q1.avail.idx.store > q1.avail.idx",
      "q1.used.idx = 1: q1.used.idx > q1.used.idx.load",
    ]);
  });

  it("keeps the newest events of each actor, however long the machine lives", async () => {
    const lab = new Lab(nodePlatform, "ovmf", 2 * 1024 * 1024);
    const job: Job = {
      scenario: scenarioOf("rekick"),
      share: { kind: "memory" },
      boots: 500,
      guestArgs: [],
      trace: true,
      schedule: [],
    };
    try {
      const { completed, events, dropped } = await lab.live(job);
      expect(completed).toBe(500);
      const { capacity } = new TraceBuffer();
      expect(events.filter(({ actor }) => actor === "control")).toHaveLength(capacity);
      expect(dropped!.control).toBeGreaterThan(0);
      // The trace begins with the actor whose record is the shortest, and of the others too something is missing then.
      expect(events[0]!.actor).toBe("control");
      expect(Object.keys(dropped!)).toEqual(["vcpu", "control", "data"]);
      const boots = events.filter(({ name }) => name === "boot");
      expect(boots.at(-1)).toMatchObject({ detail: "500" });
    } finally {
      await lab.close();
    }
  });
});
