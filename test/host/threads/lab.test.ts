import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROWS } from "../../../host/scenario/rows.js";
import { bootOnce } from "../../../host/threads/boot-once.js";
import type { Job } from "../../../host/threads/job.js";
import { Lab } from "../../../host/threads/lab.js";
import type { Platform } from "../../../host/threads/platform.js";
import { nodePlatform, spawnActor } from "../../../host/threads/spawn.js";

const scenario = ROWS.find(({ id }) => id === "rekick")!.scenario;
const FAULTY: Partial<Platform> = {
  spawnActor: (actor) => spawnActor(actor, new URL("./faulty.worker.mjs", import.meta.url)),
};
const MIB = 1024 * 1024;

let share: string;
const big = Buffer.alloc(5 * MIB + 123);
const longName = `${"ü".repeat(127)}x`; // 255 bytes

beforeAll(() => {
  share = mkdtempSync(join(tmpdir(), "vhostlab-test-"));
  for (let i = 0; i < big.length; i++) big[i] = (i * 2654435761) >>> 24;
  writeFileSync(join(share, "big.bin"), big);
  mkdirSync(join(share, "Verzeichnis ä"));
  writeFileSync(join(share, "Verzeichnis ä", longName), "long");
});
afterAll(() => rmSync(share, { recursive: true }));

async function boot(...args: string[]): Promise<{ exitCode: number; stdout: Buffer; stderr: string }> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const exitCode = await bootOnce(scenario, share, args, {
    stdout: (bytes) => void out.push(bytes),
    stderr: (bytes) => void err.push(bytes),
  });
  return { exitCode, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

const job = (overrides: Partial<Job> = {}): Job => ({
  scenario,
  share: { kind: "memory" },
  boots: 1,
  guestArgs: [],
  trace: false,
  schedule: [],
  ...overrides,
});

/** One life of a machine on a platform that is faulty, and what it printed. */
async function live(faults: Partial<Platform>, given: Job): Promise<{ exitCode: number; output: string }> {
  const lab = new Lab({ ...nodePlatform, ...faults }, "ovmf", 4 * MIB);
  let output = "";
  try {
    const { exitCode } = await lab.live(given, (_, bytes) => {
      output += Buffer.from(bytes).toString();
    });
    return { exitCode, output };
  } finally {
    await lab.close();
  }
}

describe("boot with a host directory", () => {
  it("cat gives a file of several reads byte for byte", async () => {
    const { exitCode, stdout } = await boot("cat", "big.bin");
    const sha = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
    expect({ exitCode, sha: sha(stdout) }).toEqual({ exitCode: 0, sha: sha(big) });
  });

  it("ls and cat take non-ASCII names and names of 255 bytes", async () => {
    expect((await boot("ls", "Verzeichnis ä")).stdout.toString()).toBe(`${longName}\n`);
    expect((await boot("cat", `Verzeichnis ä/${longName}`)).stdout.toString()).toBe("long");
  });

  it("a file that is not there is one line and exit code 1", async () => {
    expect(await boot("cat", "nothing")).toEqual({
      exitCode: 1,
      stdout: Buffer.alloc(0),
      stderr: "cat: nothing: ENOENT\n",
    });
  });

  it.each([
    ["missing", (): string => join(share, "missing"), /does not exist/],
    ["a file", (): string => join(share, "big.bin"), /not a directory/],
  ])("a share that is %s is a UserError in one line", async (_, path, line) => {
    const quiet = { stdout() {}, stderr() {} };
    await expect(bootOnce(scenario, path(), ["ls", "."], quiet)).rejects.toMatchObject({
      name: "UserError",
      message: expect.stringMatching(line),
    });
  });
});

describe("what goes wrong on an actor's thread", () => {
  it("a read error of the share reaches the guest as EIO: one line, exit code 1", async () => {
    const reads = job({ share: { kind: "host-dir", path: share }, guestArgs: ["cat", "big.bin"] });
    expect(await live(FAULTY, reads)).toEqual({ exitCode: 1, output: "cat: big.bin: EIO\n" });
  });

  it("a Worker that throws ends the machine with a LabError that names it", async () => {
    const burning = job({ share: { kind: "host-dir", path: "throw" } });
    await expect(live(FAULTY, burning)).rejects.toMatchObject({
      name: "LabError",
      message: "the data Worker failed: the share is on fire",
    });
  });

  it("a guest that traps ends the machine with a LabError", async () => {
    const { loadModule } = nodePlatform;
    const trapping: Partial<Platform> = {
      loadModule: async (name) => (name === "ovmf" ? new WebAssembly.Module(TRAPPING_GUEST) : loadModule(name)),
    };
    await expect(live(trapping, job())).rejects.toMatchObject({
      name: "LabError",
      message: expect.stringMatching(/^the guest trapped: .*unreachable/),
    });
  });

  it("the machine lives again after a life that failed", async () => {
    const lab = new Lab({ ...nodePlatform, ...FAULTY }, "ovmf", 4 * MIB);
    try {
      await expect(lab.live(job({ share: { kind: "host-dir", path: "throw" } }))).rejects.toThrow(/on fire/);
      expect(await lab.live(job({ boots: 3 }))).toMatchObject({ completed: 3, exitCode: 0, undecided: false });
    } finally {
      await lab.close();
    }
  });
});

const text = (name: string): number[] => [name.length, ...Buffer.from(name)];
const section = (id: number, bytes: number[]): number[] => [id, bytes.length, ...bytes];

// (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (import "env" "memory" (memory 1 65536 shared))
//   (export "memory" (memory 0)) (func (export "_start") unreachable))
const TRAPPING_GUEST = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...section(1, [2, 0x60, 0, 0, 0x60, 1, 0x7f, 0]), // types: () -> (), (i32) -> ()
  ...section(2, [
    ...[2, ...text("wasi_snapshot_preview1"), ...text("proc_exit"), 0x00, 1],
    ...[...text("env"), ...text("memory"), 0x02, 0x03, 1, 0x80, 0x80, 0x04],
  ]),
  ...section(3, [1, 0]), // one function, of type 0
  ...section(7, [2, ...text("memory"), 0x02, 0, ...text("_start"), 0x00, 1]),
  ...section(10, [1, 3, 0, 0x00, 0x0b]), // code: unreachable
]);
