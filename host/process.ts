// This process's own streams and end.

import { once } from "node:events";
import pc from "picocolors";
import type { Output } from "./report/output.js";

/** Taken for the width of a file or a pipe. */
const NO_TERMINAL_COLUMNS = 120;

/** Colours and progress only on a terminal; picocolors knows NO_COLOR. */
export function processOutput(): Output {
  const { stdout, stderr } = process;
  // Who reads standard output may have seen enough (`| head`): that is no failure, and there is nobody left to tell.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  // One wait for all who wait: each of its own would be a listener more.
  let drained: Promise<void> | undefined;
  return {
    data(chunk) {
      if (stdout.write(chunk)) return;
      drained ??= once(stdout, "drain").then(() => {
        drained = undefined;
      });
      return drained;
    },
    talk: (chunk) => void stderr.write(chunk),
    columns: stdout.columns ?? NO_TERMINAL_COLUMNS,
    colors: pc.createColors(stdout.isTTY === true && pc.isColorSupported),
    progress: stderr.isTTY ? stderr : undefined,
  };
}

/** Ends the process once what was written is out. Whatever a failed engine left behind ends with it. */
export function exitWith(exitCode: number): void {
  process.stdout.write("", () => process.exit(exitCode));
}
