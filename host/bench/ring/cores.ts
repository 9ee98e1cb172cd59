// A core for each of two threads, and whether they had them: on Linux, by taskset(1) and /proc/thread-self.

import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** The first two cores that this process may use, or undefined where there are fewer, or it cannot be known. */
export function twoCores(): readonly [number, number] | undefined {
  const status = readProc("self/status");
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "";
  const cores = list.split(",").flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return list !== "" && cores.length >= 2 ? [cores[0]!, cores[1]!] : undefined;
}

/** Binds the calling thread to a core. @returns whether that worked */
export function pinThread(core: number): boolean {
  try {
    const thread = readlinkSync("/proc/thread-self").split("/").at(-1)!;
    return spawnSync("taskset", ["-pc", String(core), thread]).status === 0;
  } catch {
    return false;
  }
}

/**
 * Nanoseconds for which the calling thread could have run and had no core, since it began: the second figure of
 * schedstat. A thread that polls wants its core all the time.
 */
export function coreWaitNs(): number {
  return Number(readProc("thread-self/schedstat").split(" ")[1] ?? Number.NaN);
}

function readProc(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, "utf8");
  } catch {
    return "";
  }
}
