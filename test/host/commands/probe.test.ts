import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Engines } from "../../../host/engines.js";
import { LabError } from "../../../host/errors.js";
import type { ProbeResult, RuleVerdict, ScenarioResult } from "../../../host/probe/result.js";
import { EXPLORED, PROBED, runWith } from "../fakes.js";

const SOCKET = ["--socket", "/run/back-end.sock"];
const clean = PROBED.scenarios[0]!;

/** 3 of 20 lost, the first after one message and one kick. */
const LOST: ScenarioResult = {
  ...clean,
  id: "race/qemu-8.1",
  story: "race",
  answered: 17,
  lost: 3,
  rate: 0.15,
  ci95: [0.052, 0.36],
  firstLoss: ["SET_FEATURES 0x0", "kick q1.kick", "lost"],
};

const giving = (result: Partial<ProbeResult>): Pick<Engines, "probe"> => ({
  probe: async () => ({ ...PROBED, ...result }),
});
const rule = (verdict: RuleVerdict) => ({ ...PROBED.conformance[0]!, verdict, seen: "what was seen" });

describe("vhostlab probe", () => {
  it("shows the table and exits 0 when the back-end stands", async () => {
    const { exitCode, data } = await runWith(giving({}), ["probe", ...SOCKET]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^first +qemu-8.1 +20 +20 +0 +0 +0 +0 +0 % +at most 15 %$/m);
    expect(data).toMatch(/^features-reply +GET_FEATURES +PASS$/m);
  });

  it("exits 1 when a request was lost, and shows the order that lost the first", async () => {
    const { exitCode, data } = await runWith(giving({ scenarios: [clean, LOST] }), ["probe", ...SOCKET]);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^race +qemu-8.1 +20 +17 +3 +0 +0 +0 +15 % +5.2 to 36 %$/m);
    expect(data).toContain("The first loss of race/qemu-8.1");
    expect(data).toContain("  SET_FEATURES 0x0\n  kick q1.kick\n  lost\n");
  });

  it.each([
    ["wedged", { ...clean, answered: 19, wedged: 1 }],
    ["broken", { ...clean, answered: 19, broken: 1, why: "it ended by SIGSEGV" }],
  ])("exits 1 when it is %s", async (_how, row) => {
    expect((await runWith(giving({ scenarios: [row] }), ["probe", ...SOCKET])).exitCode).toBe(1);
  });

  it.each([
    ["PASS", 0],
    ["REJECT", 0],
    ["FAIL", 1],
    ["WEDGED", 1],
  ] as const)("exits for a rule's %s with %i", async (verdict, expected) => {
    const { exitCode, data } = await runWith(giving({ conformance: [rule(verdict)] }), ["probe", ...SOCKET]);
    expect(exitCode).toBe(expected);
    expect(data.includes('"Get the features bitmask."')).toBe(expected === 1); // the rule is quoted where it is broken
  });

  it("slow answers alone are no failure", async () => {
    const slow = { ...clean, answered: 18, slow: 2 };
    expect((await runWith(giving({ scenarios: [slow] }), ["probe", ...SOCKET])).exitCode).toBe(0);
  });

  it("gives the document of the issue with --json", async () => {
    const { data } = await runWith(giving({ scenarios: [LOST] }), ["probe", ...SOCKET, "--json"]);
    const { trials, answered, lost, slow, rate, ci95, firstLoss } = LOST;
    expect(JSON.parse(data)).toMatchObject({
      schemaVersion: 1,
      backEnd: "/run/back-end.sock",
      scenarios: [{ id: LOST.id, trials, answered, lost, slow, rate, ci95, firstLoss }],
      conformance: [{ id: "features-reply", rule: "Get the features bitmask.", verdict: "PASS" }],
    });
  });

  it("writes a test case a row with --junit", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vhostlab-test-"));
    try {
      const file = join(folder, "probe.xml");
      const result = giving({ scenarios: [clean, LOST], conformance: [rule("FAIL")] });
      await runWith(result, ["probe", ...SOCKET, "--junit", file]);
      const xml = readFileSync(file, "utf8");
      expect(xml).toMatch(/<testsuite name="scenarios" tests="2" failures="1"/);
      expect(xml).toMatch(/<failure message="3 lost, 0 wedged, 0 broken of 20 \(0 slow\)"\/>/);
      expect(xml).toMatch(/<testsuite name="conformance" tests="1" failures="1"/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says in one line that --junit names no file, and exits 2 before anything is probed", async () => {
    const { exitCode, data, talk } = await runWith({}, [
      "probe",
      ...SOCKET,
      "--junit",
      join(tmpdir(), "none", "x.xml"),
    ]);
    expect({ exitCode, data }).toEqual({ exitCode: 2, data: "" });
    expect(talk).toMatch(/^vhostlab: the JUnit file cannot be written: ENOENT.*\n$/);
  });

  it("says in one line that there is no back-end, and exits 1", async () => {
    const probe = async (): Promise<never> => {
      throw new LabError("the back-end does not listen on /run/back-end.sock: ENOENT");
    };
    const { exitCode, talk } = await runWith({ probe }, ["probe", ...SOCKET]);
    expect({ exitCode, talk }).toEqual({
      exitCode: 1,
      talk: "vhostlab: the back-end does not listen on /run/back-end.sock: ENOENT\n",
    });
  });

  it.each([
    ["no back-end", []],
    ["two", [...SOCKET, "--", "program", "{socket}"]],
    ["an unknown scenario", [...SOCKET, "--scenario", "none"]],
    ["a queue that is no number", [...SOCKET, "--queue", "-1"]],
  ])("exits 2 for %s", async (_what, argv) => {
    expect((await runWith(giving({}), ["probe", ...argv])).exitCode).toBe(2);
  });
});

describe("vhostlab compare", () => {
  const hanging = async () => EXPLORED;
  const never = async () => ({ ...EXPLORED, verdict: "never" as const, causes: [], hangs: [] });
  const answering = { ...clean, id: "race/qemu-8.1", story: "race" as const };

  it.each([
    ["agrees", 0, hanging, LOST],
    ["agrees", 0, never, answering],
    ["not seen", 0, hanging, answering],
    ["contradicts", 1, never, LOST],
    ["undecided", 0, async () => ({ ...(await never()), complete: false }), LOST],
    ["contradicts", 1, never, { ...answering, answered: 19, wedged: 1 }],
  ] as const)("%s, exit %i", async (agreement, expected, explore, row) => {
    const engines = { explore, ...giving({ scenarios: [row] }) };
    const { exitCode, data } = await runWith(engines, ["compare", ...SOCKET, "--model", "rust-0.13.1", "--json"]);
    expect(exitCode).toBe(expected);
    expect(JSON.parse(data).rows).toMatchObject([{ script: "reboot", frontEnd: "qemu-8.1", agreement }]);
  });

  it("takes together all stories of a script", async () => {
    const engines = { explore: hanging, ...giving({ scenarios: [answering, { ...LOST, story: "reboot" }] }) };
    const { data } = await runWith(engines, ["compare", ...SOCKET, "--model", "rust-0.13.1"]);
    expect(data).toMatch(/^reboot +qemu-8.1 +can hang +kick-consumed-while-disabled +fails 3 of 40 +agrees$/m);
  });
});
