// What `npm start` shows after the build: the hang in its rows, then a guest that reads this repository.

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { engines } from "./engines.js";
import { packageRoot } from "./package.js";
import { exitWith, processOutput } from "./process.js";
import { run } from "./program.js";
import type { Output } from "./report/output.js";

const README_LINES = 12;

const output = processOutput();
const share = relative(process.cwd(), fileURLToPath(packageRoot)) || ".";

async function show(title: string, argv: readonly string[], to: Output = output): Promise<number> {
  output.data(`${output.colors.bold(title)}\n${output.colors.dim(`$ vhostlab ${argv.join(" ")}`)}\n\n`);
  const exitCode = await run(argv, engines, to);
  output.data("\n");
  return exitCode;
}

/** An output that lets the first lines of the data through. */
function head(lines: number): Output {
  let left = lines;
  return {
    ...output,
    data(chunk) {
      const bytes = Buffer.from(chunk);
      let end = 0;
      while (left > 0 && end < bytes.length) if (bytes[end++] === "\n".charCodeAt(0)) left--;
      return output.data(bytes.subarray(0, end));
    },
  };
}

const exitCodes = [
  await show("1. The published hang, and what prevents it", ["hang"]),
  await show("2. A guest lists this directory through virtiofs", ["boot", "--share", share, "--", "ls", "."]),
  await show(
    `3. A guest reads a file of it (the first ${README_LINES} lines)`,
    ["boot", "--share", share, "--", "cat", "README.md"],
    head(README_LINES),
  ),
];
exitWith(Math.max(...exitCodes));
