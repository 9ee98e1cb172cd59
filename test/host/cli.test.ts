import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Engines } from "../../host/engines.js";
import { LabError, UserError } from "../../host/errors.js";
import { parseSchedule } from "../../host/explore/schedule.js";
import { SCRIPT } from "../../host/scenario/catalog/index.js";
import type { BootsLimits, BootsResult, HangReport } from "../../host/scenario/outcome.js";
import { DELAY_POINTS } from "../../host/scenario/delays.js";
import { OCCUPANTS } from "../../host/scenario/occupants.js";
import type { PhaseRow } from "../../host/report/phase-row.js";
import { ALL_ROWS, type Row, SEED } from "../../host/scenario/rows.js";
import { SCRIPTS, type Scenario } from "../../host/scenario/scenario.js";
import { asRecorded, CLEAN, EXPLORED, hangingAsPublished, PROBED, REPORT, runWith } from "./fakes.js";
import { SEED_HANG } from "./report/events.js";

const LIMITS: BootsLimits = { boots: 500, enough: 20 };
const POINT = Object.keys(DELAY_POINTS)[0]!;

const published: Pick<Engines, "runBoots"> = {
  runBoots: async (scenario, _limits, { trace = false }) =>
    hangingAsPublished(scenario.frontEnd, scenario.backEnd, trace),
};

/** Engines that note what they were asked to boot. */
function recording(result: BootsResult = { counts: { first: CLEAN, reboot: CLEAN }, hangs: [], seconds: 1 }) {
  const asked: { scenario: Scenario; limits: BootsLimits; trace: boolean; stopAtHang: boolean; cold: Row["cold"] }[] =
    [];
  const runBoots: Engines["runBoots"] = async (scenario, limits, { trace = false, stopAtHang = false, cold }) => {
    asked.push({ scenario, limits, trace, stopAtHang, cold });
    return result;
  };
  return { asked, runBoots };
}

describe("vhostlab bench", () => {
  it.each<[readonly string[], RegExp]>([
    [["--ring", "100"], /Allowed sizes are 128, 256, 1024, 32768/],
    [["--features", "packed"], /Allowed features are event_idx, indirect, in_order/],
    [["--batch", "0"], /A whole number from 1/],
    [["--batch", "1,64", "--outstanding", "32"], /a batch of 64 is more than the 32/],
    [["--chain", "300"], /longer than the queue/],
    [["--seconds", "0"], /Seconds up to 10/],
    [["--against", "rust"], /native, js/],
    [["--svg", "chart.svg"], /--svg needs several values/],
    [["--batch", "1,32", "--svg", "no/such/folder/x.svg"], /the SVG file cannot be written: ENOENT/],
    [["--compare", "one.json"], /--compare takes two files/],
    [["--compare", "package.json", "package.json"], /package.json: schemaVersion undefined/],
    [["--compare", "none.json", "none.json"], /ENOENT/],
  ])("bench ring %j is wrong usage, and says why", async (options, why) => {
    const { exitCode, data, talk } = await runWith({}, ["bench", "ring", ...options]);
    expect([exitCode, data]).toEqual([2, ""]);
    expect(talk).toMatch(why);
  });
});

describe("vhostlab hang", () => {
  it("runs the four rows, holds them, and shows one hang with the lost kick marked", async () => {
    const { exitCode, data, talk } = await runWith(published, ["hang"]);
    expect(exitCode).toBe(0);
    expect(talk).toBe("");
    expect(data).toMatch(
      /^row +guest +front-end +back-end +phase +boots +hangs +rate +95 % interval +effect +other hangs +expected +held\n/,
    );
    expect(data).toMatch(
      /^seed +ovmf +qemu-8.1 +rust-0.10 +reboot +25 +20 +80 % +60.9 to 91.1 % +hang +– +hangs +yes$/m,
    );
    expect(data).toMatch(/^fix +ovmf +qemu-8.2 +rust-0.10 +first +500 +0 +0 % +at most 0.6 % +– +– +never +yes$/m);
    expect(data).toContain("no hang in 500: at most 0.6 %, rule of three");
    expect(data).toMatch(/▶.*✗ kick dropped/);
    expect(data).toMatch(/too late +SET_VRING_ENABLE q1 num=1/);
    expect(data).toMatch(/effect +hang: one more kick/);
    // 2 of 400 is up to 1.8 %, 20 of 25 from 60.9 %.
    expect(data).toMatch(/^seed +OVMF hangs: .*\n +reboots hang more often than first boots$/m);
  });

  it("leaves the seats to a list above the table on a narrow terminal", async () => {
    const { data } = await runWith(published, ["hang"], { columns: 80 });
    expect(data).toMatch(/^seed +ovmf, qemu-8.1, rust-0.10\n/);
    const report = data.slice(0, data.indexOf(" s on "));
    expect(Math.max(...report.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("says in a narrow terminal what of a row is not as it is by default", async () => {
    const options = ["--enable-at", "queue-enable", "--memory", "table", "--kick-count", "0", "--no-event-idx"];
    const { data } = await runWith(published, ["hang", "--row", "fix", ...options], { columns: 80 });
    expect(data.split("\n")[0]).toBe(
      "fix  ovmf, qemu-8.2, rust-0.10, messages at queue-enable, memory table, kick count 0, EVENT_IDX not offered",
    );
  });

  it("--all: a row for each claim, in 80 columns, with what each of them shows", async () => {
    const { asked, runBoots } = recording();
    const { data } = await runWith({ runBoots }, ["hang", "--all"], { columns: 80 });
    expect(asked.map(({ scenario, cold }) => ({ scenario, cold }))).toEqual(
      ALL_ROWS.map(({ scenario, cold = [] }) => ({ scenario, cold })),
    );
    const width = Math.max(...ALL_ROWS.map(({ id }) => id.length));
    for (const { id, claim } of ALL_ROWS) expect(data).toContain(`\n${id.padEnd(width)}  ${claim}\n`);
    expect(data).toMatch(/^cold-table +ovmf, qemu-8.1, rust-0.10, memory table, new control plane$/m);
    expect(data).toMatch(/^delay +ovmf, qemu-8.1, rust-0.10, before-handle-event=1000us$/m);
    expect(data).toContain("masked is not safe");
    const report = data.slice(0, data.indexOf(" s on "));
    const lines = report.split("\n").filter((line) => !line.startsWith("not held"));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("holds a masked row against seed, which is run beside it", async () => {
    const runBoots: Engines["runBoots"] = async ({ guest, frontEnd, backEnd }) =>
      guest === "linux"
        ? recording().runBoots(SEED.scenario, LIMITS, {})
        : hangingAsPublished(frontEnd, backEnd, false);
    const { exitCode, data } = await runWith({ runBoots }, ["hang", "--row", "linux", "--json"]);
    const { rows } = JSON.parse(data);
    // At first boot 2 of 400 hung, from 0.14 %; none in 500 is up to 0.76 %.
    expect(rows.map(({ id, phase, held }: PhaseRow) => `${id} ${phase} ${held}`)).toEqual([
      "seed first true",
      "seed reboot true",
      "linux first false",
      "linux reboot true",
    ]);
    expect(rows[2].broken).toBe("expected to hang less often than seed: up to 0.76 %, where that is from 0.14 %");
    expect(rows[3]).toMatchObject({ expected: "masked", claim: ALL_ROWS.find(({ id }) => id === "linux")!.claim });
    expect(exitCode).toBe(1);
  });

  it("claims nothing of a row under other conditions than listed, but that it never hangs where it cannot", async () => {
    const { asked, runBoots } = recording();
    const argv = ["hang", "--row", "delay", "table", "c", "--memory", "slots", "--delay", `${POINT}=5us`, "--json"];
    const { rows } = JSON.parse((await runWith({ runBoots }, argv)).data);
    expect(asked.map(({ scenario }) => scenario.memory)).toEqual(["slots", "slots", "slots", "slots"]);
    expect(asked.map(({ scenario }) => scenario.delays.length)).toEqual([1, 1, 2, 1]);
    expect(
      rows
        .filter(({ phase }: PhaseRow) => phase === "first")
        .map(({ id, expected, claim }: PhaseRow) => [id, expected, claim]),
    ).toEqual([
      ["seed", undefined, undefined],
      ["c", "never", undefined],
      ["delay", undefined, undefined],
      ["table", undefined, undefined],
    ]);
  });

  it("exits 1 when a row did not hold, and says which and why", async () => {
    const { runBoots } = recording();
    const { exitCode, data } = await runWith({ runBoots }, ["hang"]);
    expect(exitCode).toBe(1);
    expect(data).toContain("not held: seed, first: expected to hang, and none of 500 boots did");
    expect(data).not.toContain("not held: fix");
  });

  it("reports hangs by another cause apart, and they are no hangs of the row", async () => {
    const report: HangReport = { ...REPORT, cause: "worker-died", lateMessage: "" };
    const reboot = { ...CLEAN, otherHangs: { "worker-died": 2 } };
    const { runBoots } = recording({ counts: { first: CLEAN, reboot }, hangs: [{ report, events: [] }], seconds: 1 });
    const { exitCode, data } = await runWith({ runBoots }, ["hang", "--row", "c"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^c .* reboot +500 +0 .* 2 worker-died +never +yes$/m);
    expect(data).toContain("A hang by another cause, in row c");
  });

  it("measures untraced and traces only the run that is shown, up to its first hang", async () => {
    const { asked, runBoots } = recording(hangingAsPublished("qemu-8.1", "rust-0.10", true));
    await runWith({ runBoots }, ["hang", "--row", "seed"]);
    expect(asked.map(({ trace, stopAtHang }) => [trace, stopAtHang])).toEqual([
      [false, false],
      [true, true],
    ]);
  });

  it("falls back on the counted hang when none happens while tracing", async () => {
    const runBoots: Engines["runBoots"] = async (scenario, limits, options) =>
      options.trace ? recording().runBoots(scenario, limits, options) : published.runBoots(scenario, limits, options);
    const { exitCode, data } = await runWith({ runBoots }, ["hang", "--row", "seed"]);
    expect(exitCode).toBe(0);
    expect(data).toContain("has no timeline");
    expect(data).toMatch(/too late +SET_VRING_ENABLE/);
  });

  it("makes one row of named seats, with the defaults for the others", async () => {
    const { asked, runBoots } = recording();
    const { data } = await runWith({ runBoots }, ["hang", "--front-end", "qemu-8.2", "--json"]);
    expect(asked.map(({ scenario }) => scenario)).toEqual([
      {
        guest: "ovmf",
        frontEnd: "qemu-8.2",
        backEnd: "rekick",
        enableAt: "driver-ok",
        memory: "slots",
        kickCount: 1,
        eventIdx: true,
        inOrder: false,
        delays: [],
        script: "first",
      },
    ]);
    const { rows } = JSON.parse(data);
    expect(rows[0]).toMatchObject({ id: "custom", held: true });
    expect(rows[0]).not.toHaveProperty("expected");
  });

  it("takes delays, the options of the front-end and the limit to every row", async () => {
    const { asked, runBoots } = recording();
    const argv = ["--delay", `${POINT}=50us`, "--delay", `${POINT}=1.5ms`, "--enable-at", "queue-enable"];
    const frontEnd = ["--memory", "table", "--kick-count", "0", "--no-event-idx"];
    await runWith({ runBoots }, ["hang", ...argv, ...frontEnd, "--boots", "7"]);
    expect(asked).toHaveLength(4);
    for (const { scenario, limits } of asked) {
      expect(scenario).toMatchObject({ enableAt: "queue-enable", memory: "table", kickCount: 0, eventIdx: false });
      expect(scenario.delays).toEqual([
        { point: POINT, micros: 50 },
        { point: POINT, micros: 1500 },
      ]);
      expect(limits.boots).toBe(7);
    }
  });

  it("--json: one document, the schema and nothing else on standard output, and no traced run", async () => {
    const { data, talk, exitCode } = await runWith(published, ["hang", "--json", "--delay", `${POINT}=1s`]);
    expect([exitCode, talk]).toEqual([0, ""]);
    const json = JSON.parse(data);
    expect(Object.keys(json)).toEqual(["schemaVersion", "version", "machine", "rows"]);
    expect(json.schemaVersion).toBe(1);
    expect(Object.keys(json.machine).sort()).toEqual(["cores", "cpu", "loadAverage", "node", "os"]);
    expect(json.rows.map((row: { id: string; phase: string }) => `${row.id} ${row.phase}`)).toEqual(
      ["seed", "fix", "c", "rekick"].flatMap((id) => [`${id} first`, `${id} reboot`]),
    );
    expect(json.rows[2]).toEqual({
      id: "fix",
      guest: "ovmf",
      frontEnd: "qemu-8.2",
      backEnd: "rust-0.10",
      enableAt: "driver-ok",
      memory: "slots",
      kickCount: 1,
      eventIdx: true,
      inOrder: false,
      delays: [{ point: POINT, micros: 1_000_000 }],
      phase: "first",
      boots: 500,
      hangs: 0,
      effects: {},
      otherHangs: {},
      undecided: 0,
      rate: 0,
      ci95: [0, expect.closeTo(3.8416 / 503.8416, 9)], // z²/n / (1 + z²/n) for k = 0
      expected: "never",
      held: true,
    });
  });

  it("paints on a terminal only", async () => {
    expect((await runWith(published, ["hang"], { colors: true })).data).toContain("\x1b[");
    expect((await runWith(published, ["hang"])).data).not.toContain("\x1b[");
  });
});

describe("vhostlab boot", () => {
  it("hands the guest its arguments and passes both streams through, byte for byte", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const asked: unknown[] = [];
    const bootOnce: Engines["bootOnce"] = async (scenario, share, guestArgs, console) => {
      asked.push(scenario, share, guestArgs);
      console.stdout(Uint8Array.of(0x41));
      console.stderr(Uint8Array.of(0x42));
      return bytes.length - 256;
    };
    const ran = await runWith({ bootOnce }, ["boot", "--share", "d", "--back-end", "c", "--", "cat", "ä b"]);
    expect(ran).toEqual({ exitCode: 0, data: "A", talk: "B" });
    expect(asked).toEqual([
      {
        guest: "shell",
        frontEnd: "qemu-8.1",
        backEnd: "c",
        enableAt: "driver-ok",
        memory: "slots",
        kickCount: 1,
        eventIdx: true,
        inOrder: false,
        delays: [],
        script: "first",
      },
      "d",
      ["cat", "ä b"],
    ]);
  });

  it.each([
    [1, 1],
    [134, 1],
    [2, 2], // wrong usage, which a guest judges of its own command line
  ])("when the guest exits %i, exits %i", async (code, exitCode) => {
    const ran = await runWith({ bootOnce: async () => code }, ["boot", "--share", ".", "--", "ls", "."]);
    expect(ran.exitCode).toBe(exitCode);
  });

  it("without a command the shell has standard input to ask", async () => {
    const read: string[] = [];
    const bootOnce: Engines["bootOnce"] = async (scenario, _share, guestArgs, { stdin }) => {
      expect([scenario.guest, guestArgs]).toEqual(["shell", []]);
      for await (const piece of stdin!) read.push(Buffer.from(piece).toString());
      return 0;
    };
    await runWith({ bootOnce }, ["boot", "--share", "."], { input: [Buffer.from("ls\n")] });
    expect(read).toEqual(["ls\n"]);
  });
});

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

describe("vhostlab scenarios", () => {
  it("lists what a scenario is made of; ioctl and kernel go together only", async () => {
    const { exitCode, data } = await runWith({}, ["scenarios"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^ +ioctl +kernel$/m);
    expect(data).toMatch(/^ +qemu-8.2 +rekick, rust-0.10, .*, c$/m);
    for (const script of SCRIPTS) expect(data).toMatch(new RegExp(`^  ${script} +${SCRIPT[script].about}$`, "m"));
    expect(data).toMatch(/^ +two-queues .*\n +for linux only$/m);
    expect(data).toMatch(/^ +no-event-idx +--no-event-idx$/m);
    expect(data).toMatch(/^ +kick-count-0 +--kick-count 0$/m);
  });

  it("--json: every combination is the head of a schedule", async () => {
    const { data } = await runWith({}, ["scenarios", "--json"]);
    const { guests, pairs, enableAt, scripts, options } = JSON.parse(data);
    expect(pairs).toHaveLength(5 * 6 + 1);
    for (const guest of guests)
      for (const { frontEnd, backEnd } of pairs)
        for (const write of enableAt)
          for (const { name } of scripts)
            for (const option of ["", ...options.map((each: { name: string }) => `:${each.name}`)]) {
              const { scenario } = parseSchedule(`${guest}:${frontEnd}:${backEnd}:${write}:${name}${option}/`);
              expect(scenario).toMatchObject({ guest, frontEnd, backEnd, enableAt: write, script: name });
            }
  });
});

describe("vhostlab occupants", () => {
  it("says for each of them what it stands for, and how that is known", async () => {
    const { exitCode, data } = await runWith({}, ["occupants"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(
      /^front-end qemu-8.1\n +stands for +QEMU 7.2 to 8.1\n +does .*\n +known +measured: traces of 7.2.22$/m,
    );
    expect(data).toMatch(/^back-end rust-0.12\n.*\n.*\n +known +read: .*is not known: as rust-0.10$/m);
    for (const { name } of OCCUPANTS) expect(data).toContain(` ${name}\n`);
  });

  it("--json: one record an occupant", async () => {
    const { data } = await runWith({}, ["occupants", "--json"]);
    const { schemaVersion, occupants } = JSON.parse(data);
    expect(schemaVersion).toBe(1);
    expect(occupants).toEqual(OCCUPANTS);
    expect(Object.keys(occupants[0])).toEqual(["seat", "name", "standsFor", "does", "certainty", "source"]);
  });
});

describe("what goes wrong", () => {
  const boot = ["boot", "--share", ".", "--", "ls", "."];
  const failing = (error: Error): Partial<Engines> => ({ bootOnce: () => Promise.reject(error) });

  it.each([
    ["bad input", new UserError("share x: not a directory"), 2],
    ["a lab that broke down", new LabError("the guest trapped:\n  unreachable"), 1],
  ])("%s is one line, without a stack", async (_what, error, exitCode) => {
    const ran = await runWith(failing(error), boot);
    expect(ran).toEqual({ exitCode, data: "", talk: `vhostlab: ${error.message.replace("\n  ", " ")}\n` });
  });

  it("a bug of our own shows where it is", async () => {
    const ran = await runWith(failing(new TypeError("x is not a function")), boot);
    expect(ran.exitCode).toBe(70);
    expect(ran.talk).toMatch(/TypeError: x is not a function\n +at /);
  });

  it.each([
    ["a command that does not exist", ["hung"], "hung"],
    ["an option that does not exist", ["hang", "--bots", "3"], "--bots"],
    ["an argument too many", ["hang", "seed"], "too many arguments"],
    [
      "an unknown occupant",
      ["hang", "--back-end", "rust-9"],
      "rekick, rust-0.10, rust-0.12, rust-0.13.1, rust-0.22, c",
    ],
    ["an unknown row", ["hang", "--row", "sed"], "seed, fix, c, rekick"],
    ["all rows and some", ["hang", "--all", "--row", "seed"], "--row"],
    ["all rows and seats together", ["hang", "--all", "--guest", "ovmf"], "--all"],
    ["rows and seats together", ["hang", "--row", "seed", "--guest", "ovmf"], "--row"],
    ["no boots", ["hang", "--boots", "0"], "--boots"],
    ["a number with a tail", ["hang", "--boots", "12x"], "12x"],
    ["a point without a time", ["hang", "--delay", POINT], "POINT=TIME"],
    ["a time without a unit", ["hang", "--delay", `${POINT}=5`], "50us"],
    ["another way to tell of memory", ["hang", "--memory", "disk"], "slots, table"],
    ["a kick eventfd born with 2", ["explore", "--kick-count", "2"], "0, 1"],
    ["an unknown point", ["hang", "--delay", "lunch=5us"], Object.keys(DELAY_POINTS).join(", ")],
    ["a point of Object.prototype", ["hang", "--delay", "constructor=5us"], "No such point"],
    ["no share", ["boot", "--", "ls", "."], "--share"],
    ["a guest that does not exist", ["boot", "--share", ".", "--guest", "edk2"], "ovmf, linux"],
    ["no schedule", ["replay"], "schedule"],
  ])("%s is one line and exit 2", async (_what, argv, named) => {
    const { exitCode, data, talk } = await runWith({}, argv);
    expect({ exitCode, data }).toEqual({ exitCode: 2, data: "" });
    expect(talk).toMatch(/^vhostlab: .*\n$/);
    expect(talk).toContain(named);
  });
});

describe("vhostlab matrix", () => {
  const CELLS = ["matrix", "--guest", "ovmf", "--script", "reboot"];

  it("shows every pair's verdict with its causes, and is content with what is recorded", async () => {
    const { exitCode, data } = await runWith({ exploreAll: asRecorded }, CELLS);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^qemu-8\.1 +rust-0\.10 +can kw$/m);
    expect(data).toMatch(/^ioctl +kernel +never$/m);
    expect(data).toContain("31 cells in");
    expect(data).not.toContain("changed");
  });

  it("names what differs from what is recorded, and a search that was not complete: exit code 1", async () => {
    const exploreAll: Engines["exploreAll"] = async (scenarios, onResult) => {
      const results = await asRecorded(scenarios);
      onResult(results.length);
      return results.map((result, i) => (i === 0 ? { ...result, complete: false, states: 7 } : result));
    };
    const { exitCode, data } = await runWith({ exploreAll }, CELLS);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^qemu-7\.1 +rekick +never\?$/m);
    expect(data).toMatch(/^changed: ovmf reboot qemu-7\.1 rekick .*: complete true -> false; states \d+ -> 7$/m);
    expect(data.match(/^changed/gm)).toHaveLength(1);
  });

  it("marks a cell in which a rule is broken, and names it where that is not recorded", async () => {
    const breach = { rule: "a rule", text: "do not", source: "virtio 1.4", section: "2.7.8", detail: "q1 does it" };
    const exploreAll: Engines["exploreAll"] = async (scenarios) => {
      const results = await asRecorded(scenarios);
      return results.map((result, i) =>
        i === 0 ? { ...result, breaches: [{ ...breach, schedule: "s/v1" }] } : result,
      );
    };
    const { exitCode, data } = await runWith({ exploreAll }, CELLS);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^qemu-7\.1 +rekick +never!$/m);
    expect(data).toContain("!: a schedule breaks a rule (a rule)");
    expect(data).toMatch(
      /^changed: ovmf reboot qemu-7\.1 rekick .*: breaches none -> a rule \(q1 does it\) by s\/v1$/m,
    );
  });

  it("gives one object a cell with --json", async () => {
    const { data } = await runWith({ exploreAll: asRecorded }, [...CELLS, "--back-end", "rust-0.10", "--json"]);
    const { schemaVersion, cells, changed } = JSON.parse(data);
    expect([schemaVersion, cells.length, changed]).toEqual([1, 5, []]);
    expect(cells[1]).toMatchObject({ guest: "ovmf", script: "reboot", frontEnd: "qemu-8.1", backEnd: "rust-0.10" });
    expect(cells[1]).toMatchObject({ verdict: "can", complete: true, ms: 1, paths: expect.stringMatching(/^\d+$/) });
    expect(cells[1].schedule).toMatch(/^ovmf:qemu-8\.1:rust-0\.10:driver-ok:reboot\//);
  });
});

describe("help", () => {
  it.each([
    [[]],
    [["hang"]],
    [["boot"]],
    [["explore"]],
    [["matrix"]],
    [["replay"]],
    [["probe"]],
    [["compare"]],
    [["occupants"]],
  ])("of %o has an example that runs", async (command) => {
    const { exitCode, data } = await runWith({}, [...command, "--help"]);
    expect(exitCode).toBe(0);
    const example = /^ {2}\$ vhostlab (.*)$/m.exec(data)?.[1]?.split(" ");
    const engines: Engines = {
      ...published,
      runBoots: published.runBoots,
      bootOnce: async () => 0,
      explore: async () => EXPLORED,
      exploreAll: asRecorded,
      replay: async (_schedule, { times }) => Array(times).fill({ outcome: "answered", events: SEED_HANG }),
      probe: async () => PROBED,
    };
    expect((await runWith(engines, example!)).exitCode).toBe(0);
  });

  it("of hang names every row with its claim, and every point of --delay", async () => {
    const { data } = await runWith({}, ["hang", "--help"]);
    for (const { id, claim } of ALL_ROWS) expect(data).toMatch(new RegExp(`^ +${id} +${claim.slice(0, 9)}`, "m"));
    for (const [point, { about }] of Object.entries(DELAY_POINTS))
      expect(data).toMatch(new RegExp(`^ +${point} +${about.slice(0, 9)}`, "m"));
  });
});

describe("the built program", () => {
  const execute = promisify(execFile);
  const dist = (file: string): string => fileURLToPath(new URL(`../../dist/host/${file}`, import.meta.url));
  const start = async (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    try {
      const { stdout, stderr } = await execute(process.execPath, argv, { env: { ...process.env, ...env } });
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    }
  };

  it("answers --version with the package's", async () => {
    expect(await start([dist("cli.js"), "--version"])).toEqual({
      code: 0,
      stdout: `${process.env.npm_package_version ?? "0.1.0"}\n`,
      stderr: "",
    });
  });

  it("says wrong usage in one line on standard error and exits 2", async () => {
    const { code, stdout, stderr } = await start([dist("cli.js"), "hang", "--back-end", "none"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^vhostlab: .*rekick, rust-0.10, .*, c, kernel\.\n$/);
  });

  // The streams of a child are pipes: a terminal is pretended before picocolors looks.
  const painted = `process.stdout.isTTY = process.argv[1] === "tty";
    const { processOutput } = await import(process.argv[2]);
    process.stdout.write(String(processOutput().colors.isColorSupported));`;

  it.each([
    ["paints on a terminal", "tty", { NO_COLOR: "", TERM: "xterm" }, "true"],
    ["honours NO_COLOR", "tty", { NO_COLOR: "1", TERM: "xterm", FORCE_COLOR: "" }, "false"],
    ["does not paint into a pipe, even where CI says it could", "pipe", { NO_COLOR: "", CI: "1" }, "false"],
  ])("%s", async (_what, stream, env, expected) => {
    const argv = ["--input-type=module", "-e", painted, stream, dist("process.js")];
    expect((await start(argv, env)).stdout).toBe(expected);
  });

  it("ends quietly when the reader of its output has gone", async () => {
    const script = `const { processOutput } = await import(process.argv[1]);
      const output = processOutput();
      for (;;) await (output.data("x".repeat(1 << 16)) ?? new Promise(setImmediate));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, dist("process.js")]);
    const talk: string[] = [];
    child.stderr.on("data", (chunk) => talk.push(String(chunk)));
    child.stdout.once("data", () => child.stdout.destroy());
    const [code] = await once(child, "close");
    expect({ code, talk }).toEqual({ code: 0, talk: [] });
  });
});
