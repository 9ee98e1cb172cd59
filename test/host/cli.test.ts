import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Engines } from "../../host/engines.js";
import { LabError, UserError } from "../../host/errors.js";
import { DELAY_POINTS } from "../../host/scenario/delays.js";
import { ALL_ROWS } from "../../host/scenario/rows.js";
import { asRecorded, EXPLORED, PROBED, published, runWith } from "./fakes.js";
import { SEED_HANG } from "./report/events.js";

const POINT = Object.keys(DELAY_POINTS)[0]!;

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
