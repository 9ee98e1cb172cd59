import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BACK_ENDS, type GuestName } from "../../../host/scenario/occupants.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../../host/scenario/scenario.js";
import { bootOnce } from "../../../host/threads/boot-once.js";
import { Lab } from "../../../host/threads/lab.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const MIB = 1024 * 1024;
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let share: string;
const big = Buffer.alloc(5 * MIB + 123);

beforeAll(() => {
  share = mkdtempSync(join(tmpdir(), "vhostlab-test-"));
  for (let i = 0; i < big.length; i++) big[i] = (i * 2654435761) >>> 24;
  writeFileSync(join(share, "big.bin"), big);
});
afterAll(() => rmSync(share, { recursive: true }));

const scenario = (guest: GuestName, backEnd: Scenario["backEnd"]): Scenario => ({
  guest,
  frontEnd: backEnd === "kernel" ? "ioctl" : "qemu-8.2", // front-ends that wait: none of these pairs can hang
  backEnd,
  ...FRONT_END_DEFAULTS,
  delays: [],
  script: "first",
});

describe.each(BACK_ENDS)("on real threads against %s", (backEnd) => {
  it.each(["linux", "linux-probe"] as const)("%s boots and reboots", async (guest) => {
    const lab = new Lab(nodePlatform, guest, 2 * MIB);
    try {
      const job = {
        scenario: scenario(guest, backEnd),
        share: { kind: "memory" } as const,
        trace: false,
        schedule: [],
      };
      const life = await lab.live({ ...job, boots: 5, guestArgs: [] });
      expect(life).toMatchObject({ completed: 5, exitCode: 0, undecided: false });
      expect(life.hang).toBeUndefined();
    } finally {
      await lab.close();
    }
  });

  it("linux reads a file with eight requests in flight, byte for byte", async () => {
    const lab = new Lab(nodePlatform, "linux", 64 * MIB);
    const out: Uint8Array[] = [];
    let line = "";
    try {
      const { exitCode } = await lab.live(
        {
          scenario: scenario("linux", backEnd),
          share: { kind: "host-dir", path: share },
          boots: 1,
          guestArgs: ["--mount-delay-us", "0", "reads", "8", "big.bin"],
          trace: false,
          schedule: [],
        },
        (fd, bytes) => {
          if (fd === 1) out.push(bytes);
          else line += Buffer.from(bytes).toString();
        },
      );
      expect({ exitCode, sha: sha(Buffer.concat(out)) }).toEqual({ exitCode: 0, sha: sha(big) });
      // INIT, LOOKUP, GETATTR, OPEN, 41 READs of 128 KiB, RELEASE; and one FORGET on the hiprio queue.
      expect(line).toMatch(/^\d+ \+ 1 kicks, \d+ interrupts, 46 \+ 1 requests\n$/);
    } finally {
      await lab.close();
    }
  });
});

describe("bench on real threads", () => {
  async function bench(inOrder: boolean, args: readonly string[]) {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const exitCode = await bootOnce({ ...scenario("bench", "rekick"), inOrder }, share, args, {
      stdout: (bytes) => void out.push(bytes),
      stderr: (bytes) => void err.push(bytes),
      stdin: [],
    });
    return { exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
  }

  it.each([false, true])(
    "makes its requests between two lines, more of them than the queue has entries (in order: %s)",
    async (inOrder) => {
      const done = { exitCode: 0, stdout: "begin\nend\n", stderr: "" };
      expect(await bench(inOrder, ["getattr", "1000", "big.bin"])).toEqual(done);
      expect(await bench(inOrder, ["read", "300", "1048576", "big.bin"])).toEqual(done);
    },
  );

  it("says which path failed, and that a file is shorter than what is to be read", async () => {
    expect(await bench(true, ["getattr", "1", "none"])).toMatchObject({ exitCode: 1, stdout: "" });
    writeFileSync(join(share, "short"), "short");
    expect(await bench(true, ["read", "1", "6", "short"])).toMatchObject({ exitCode: 1, stdout: "begin\n" });
  });

  it.each([["getattr"], ["getattr", "0", "f"], ["read", "1", "1048577", "f"], ["write", "1", "f"]])(
    "%s: usage",
    async (...args) => {
      expect(await bench(true, args)).toMatchObject({ exitCode: 2, stdout: "" });
    },
  );
});

describe("the shell on real threads, before a host directory", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "vhostlab-test-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** One boot, with the input in pieces that come one after the other. */
  async function shell(backEnd: Scenario["backEnd"], args: readonly string[], input: readonly Uint8Array[] = []) {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const exitCode = await bootOnce(scenario("shell", backEnd), directory, args, {
      stdout: (bytes) => void out.push(bytes),
      stderr: (bytes) => void err.push(bytes),
      stdin: input,
    });
    return { exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
  }

  it.each(BACK_ENDS)("its commands do what they say (%s)", async (backEnd) => {
    const input = [..."mkdir d\nwrite d/f\nsome text\n"].map((letter) => Buffer.from(letter));
    expect(await shell(backEnd, [], input)).toEqual({ exitCode: 0, stdout: "", stderr: `${"share> ".repeat(3)}\n` });
    expect(readFileSync(join(directory, "d", "f"), "latin1")).toBe("some text\n");

    const lines = "cp d/f g\nmv g d/h\nls d\ncat d/h\nrm d/f\nrm d/h\nrm d\nls\n";
    const { exitCode, stdout } = await shell(backEnd, [], [Buffer.from(lines)]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "f\nh\nsome text\n" });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("copies megabytes in and within, byte for byte", async () => {
    expect((await shell("rekick", ["write", "in"], [big])).exitCode).toBe(0);
    expect((await shell("rekick", ["cp", "in", "copy"])).exitCode).toBe(0);
    for (const name of ["in", "copy"]) expect(sha(readFileSync(join(directory, name)))).toBe(sha(big));
    for (const name of ["in", "copy"]) rmSync(join(directory, name));
  });

  it("makes, renames, lists and removes 10,000 files, both queues at work, and counts interrupts", async () => {
    const { exitCode, stdout } = await shell("rekick", ["bulk", "10000"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^made 10000\nrenamed 10000\nlisted 10000\nremoved 10000\n/);
    const counted = /(\d+) \+ (\d+) kicks, (\d+) interrupts, (\d+) \+ (\d+) requests\n$/.exec(stdout)!;
    const [kicks, hiprioKicks, interrupts, requests, hiprio] = counted.slice(1).map(Number);
    // A file is CREATE, WRITE, FLUSH, RELEASE, RENAME, UNLINK, and a FORGET of what CREATE found and of what READDIRPLUS did.
    expect(requests).toBeGreaterThan(60_000);
    expect(hiprio).toBeGreaterThanOrEqual(20_000);
    expect(Math.min(kicks!, hiprioKicks!, interrupts!)).toBeGreaterThan(0);
    expect(interrupts).toBeLessThanOrEqual(requests! + hiprio!);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("waits for a person as long as it takes: no verdict, and no watchdog", async () => {
    // Longer than the machine is looked at between two verdicts many times over; the next piece comes when nothing moves.
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (const line of ["df\n", "ls\n"]) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        yield Buffer.from(line);
      }
    }
    const stdin = slowly();
    const quiet = { stdout() {}, stderr() {}, stdin };
    expect(await bootOnce(scenario("shell", "rekick"), directory, [], quiet)).toBe(0);
  });

  it("an input that fails ends the machine with a LabError that says so", async () => {
    // biome-ignore lint/correctness/useYield: it fails before its first piece
    async function* broken(): AsyncGenerator<Uint8Array> {
      throw new Error("EISDIR");
    }
    const quiet = { stdout() {}, stderr() {}, stdin: broken() };
    await expect(bootOnce(scenario("shell", "rekick"), directory, [], quiet)).rejects.toMatchObject({
      name: "LabError",
      message: "standard input: EISDIR",
    });
  });
});
