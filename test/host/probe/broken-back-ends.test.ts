// A back-end that dies, hangs, or says nonsense: every time a verdict and a clear line, never a stuck command, and
// nothing is left behind.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as vu from "../../../device/spec/vhost-user.js";
import { UserError } from "../../../host/errors.js";
import { Libc } from "../../../host/native/libc.js";
import { NativePerformer } from "../../../host/native/performer.js";
import { NativeRam } from "../../../host/native/ram.js";
import { ListeningBackEnd } from "../../../host/probe/back-end.js";
import { QUEUES } from "../../../host/scenario/system.js";
import { ProbedMachine } from "../../../host/probe/machine.js";
import { probe, type ProbeOptions, type Target } from "../../../host/probe/probe.js";

const FAKE = fileURLToPath(new URL("fake-back-end.mjs", import.meta.url));
const NEVER = 0;

const OPTIONS: ProbeOptions = {
  stories: ["first"],
  frontEnds: ["qemu-8.2"],
  trials: 1,
  seed: 1,
  conformance: false,
};

const fake = (request: number, how: string): Target => ({
  command: [process.execPath, FAKE, "{socket}", String(request), how],
});

/** Processes of this one that have not been waited for, by what /proc says. */
function children(): string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
}

const openFiles = (): number => readdirSync("/proc/self/fd").length;

let folder: string;
let before: { readonly tmp: string | undefined; readonly children: string[] };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vhostlab-test-"));
  before = { tmp: process.env.TMPDIR, children: children() };
  process.env.TMPDIR = folder; // whatever a probe makes, it makes here
});
afterEach(() => {
  const { tmp } = before;
  if (tmp === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = tmp;
  const left = readdirSync(folder);
  rmSync(folder, { recursive: true });
  expect({ left, children: children() }).toEqual({ left: [], children: before.children });
});

describe("at the first message", () => {
  it.each([
    ["dies", /hung up instead of answering GET_FEATURES; it ended by SIGKILL/],
    ["hangs-up", /hung up instead of answering GET_FEATURES/],
    ["says-nothing", /silent for 2000 ms/],
    ["says-garbage", /answer to GET_FEATURES: reserved flag bit set/],
    ["says-half", /silent for 2000 ms/],
    ["says-half-and-hangs-up", /answer to GET_FEATURES: payload cut short/],
    ["answers-another-request", /answer to GET_FEATURES: reply to another request/],
    ["sets-need-reply", /answer to GET_FEATURES: need_reply flag in a reply/],
  ])("a back-end that %s breaks the first rule", async (how, line) => {
    const { scenarios, conformance } = await probe(fake(vu.VHOST_USER_GET_FEATURES, how), OPTIONS);
    expect(scenarios).toEqual([]);
    expect(conformance).toMatchObject([{ id: "features-reply", verdict: "FAIL", seen: expect.stringMatching(line) }]);
  });
});

describe("in the middle of a start", () => {
  it.each([
    ["dies", /hung up instead of answering SET_MEM_TABLE; it ended by SIGKILL/],
    ["hangs-up", /hung up instead of answering SET_MEM_TABLE/],
    ["says-nothing", /silent for 2000 ms/],
    ["says-garbage", /answer to SET_MEM_TABLE: reserved flag bit set/],
    ["says-half-and-hangs-up", /answer to SET_MEM_TABLE: payload cut short/],
    ["refuses", /refused SET_MEM_TABLE/],
  ])("a back-end that %s is broken", async (how, line) => {
    const { scenarios } = await probe(fake(vu.VHOST_USER_SET_MEM_TABLE, how), OPTIONS);
    expect(scenarios).toMatchObject([{ trials: 1, broken: 1, lost: 0, why: expect.stringMatching(line) }]);
    expect(scenarios[0]!.firstLoss!.at(-1)).toMatch(/^SET_MEM_TABLE/);
  });

  it("a back-end that never serves its ring is wedged", async () => {
    const { scenarios } = await probe(fake(NEVER, ""), OPTIONS);
    expect(scenarios).toMatchObject([{ trials: 1, wedged: 1, lost: 0, broken: 0 }]);
    expect(scenarios[0]!.firstLoss).toEqual(
      expect.arrayContaining([expect.stringMatching(/^no answer .* q1 avail.idx 1, used.idx 0, eventfd-count 2$/)]),
    );
  });
});

describe("a command", () => {
  it("that does not exist is the user's error", async () => {
    await expect(probe({ command: ["/nonexistent/program", "{socket}"] }, OPTIONS)).rejects.toThrow(UserError);
  });

  it("without {socket} is the user's error", async () => {
    await expect(probe({ command: ["true"] }, OPTIONS)).rejects.toThrow(/\{socket\}/);
  });

  it("that ends instead of listening is told with its last words", async () => {
    const command = [process.execPath, "-e", "console.error('no such share'); process.exit(3)", "{socket}"];
    await expect(probe({ command }, OPTIONS)).rejects.toThrow(/does not listen: it ended with 3; .* no such share/);
  });
});

describe("a socket", () => {
  it("that is connected to 1,000 times costs no descriptor", async () => {
    const path = join(folder, "fake.sock");
    const listening = spawn(process.execPath, [FAKE, path, String(NEVER)]);
    const libc = await Libc.load();
    const ram = new NativeRam(libc, 2 * 1024 * 1024);
    try {
      const backEnd = new ListeningBackEnd(libc, path);
      const performer = new NativePerformer(libc, "vcpu", () => expect.unreachable());
      const connect = async (): Promise<void> => {
        const machine = new ProbedMachine(libc, ram, await backEnd.connect(), "qemu-8.2", QUEUES, () => {});
        performer.run(machine.powerOn());
        machine.close();
      };
      await connect();
      const first = openFiles();
      for (let connects = 0; connects < 1000; connects++) await connect();
      expect(openFiles()).toBe(first);
    } finally {
      ram.close();
      listening.kill("SIGKILL");
      await once(listening, "exit");
      rmSync(path, { force: true });
    }
  });
});
