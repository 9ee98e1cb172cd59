// `vhostlab bench path`: the whole way of a request and back. Guest `bench` makes one after the other: notify, kick, data
// plane, FUSE, used ring, call, guest; what it asks for lies in memory.

import { LabError } from "../../errors.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../scenario/scenario.js";
import type { Job } from "../../threads/job.js";
import { type Life, Lab } from "../../threads/lab.js";
import type { Platform } from "../../threads/platform.js";
import { type Spread, spread } from "../ring/windows.js";
import { type Stage, stagesOf } from "./stages.js";

const RAM_BYTES = 16 << 20;
const FILE = "file";
const FILE_BYTES = 1 << 20;
/** Before it is known how long a request takes. */
const FIRST_REQUESTS = 200;
const TRACED_REQUESTS = 200;

const SCENARIO: Scenario = {
  ...FRONT_END_DEFAULTS,
  guest: "bench",
  frontEnd: "qemu-8.2",
  backEnd: "rekick",
  inOrder: true,
  delays: [],
  script: "first",
};

/** What is asked for, as guest `bench` is told it, and the bytes that an answer brings. */
export const PATH_CASES = [
  { name: "GETATTR", bytes: 0, args: (requests: number) => ["getattr", String(requests), FILE] },
  { name: "READ 4 KiB", bytes: 4096, args: (requests: number) => ["read", String(requests), "4096", FILE] },
  {
    name: "READ 1 MiB",
    bytes: FILE_BYTES,
    args: (requests: number) => ["read", String(requests), String(FILE_BYTES), FILE],
  },
] as const;

export interface PathCase {
  readonly name: string;
  readonly bytes: number;
  readonly requestsPerSecond: Spread;
  /** MB/s; of a request that brings no data, 0. */
  readonly megabytesPerSecond: number;
  readonly stages: readonly Stage[];
}

/** @param seconds of a run  @param runs how many of them count */
export async function measurePath(
  platform: Platform,
  { name, bytes, args }: (typeof PATH_CASES)[number],
  { seconds, runs }: { readonly seconds: number; readonly runs: number },
): Promise<PathCase> {
  const lab = new Lab(platform, SCENARIO.guest, RAM_BYTES);
  try {
    let requests = FIRST_REQUESTS;
    const rates: number[] = [];
    // The first run is where the engine compiles, and says how long a request takes.
    for (let run = 0; run <= runs; run++) {
      const { took } = await live(lab, args(requests), false);
      const rate = requests / took;
      if (run > 0) rates.push(rate);
      requests = Math.max(FIRST_REQUESTS, Math.ceil(rate * seconds));
    }
    const { life } = await live(lab, args(TRACED_REQUESTS), true);
    const requestsPerSecond = spread(rates)!;
    const megabytesPerSecond = (requestsPerSecond.median * bytes) / 1e6;
    return { name, bytes, requestsPerSecond, megabytesPerSecond, stages: stagesOf(life.events) };
  } finally {
    await lab.close();
  }
}

/** @returns the seconds between the guest's two lines */
async function live(lab: Lab, guestArgs: readonly string[], trace: boolean): Promise<{ took: number; life: Life }> {
  const tree = { [FILE]: new Uint8Array(FILE_BYTES) };
  const job: Job = { scenario: SCENARIO, share: { kind: "memory", tree }, boots: 1, guestArgs, trace, schedule: [] };
  const printed: number[] = [];
  let said = "";
  const life = await lab.live(job, (_, bytes) => {
    printed.push(performance.now());
    said += Buffer.from(bytes).toString();
  });
  const [begin, end] = printed;
  if (life.exitCode !== 0 || begin === undefined || end === undefined) {
    throw new LabError(`guest bench failed: ${said.trim() || `exit code ${life.exitCode}`}`);
  }
  return { took: (end - begin) / 1000, life };
}
