// The README's table of agreement: node test/host/native/agreement.mjs FOLDER, with what back-ends.sh has put into FOLDER
// and a build that is there. `vhostlab compare` for each occupant that stands for one of these programs, side by side.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../dist/host/cli.js", import.meta.url));
const PROGRAMS = { c: "virtiofsd-c", "rust-0.13.1": "virtiofsd-rust-trixie", "rust-0.22": "virtiofsd-rust-sid" };
const MODELS = Object.keys(PROGRAMS);
const folder = process.argv[2];

/** Rows of the model's comparison. */
function compared(model, share) {
  const argv = [CLI, "compare", "--model", model, "--json", "--", join(folder, PROGRAMS[model]), "{socket}", share];
  const { stdout } = spawnSync(process.execPath, argv, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(stdout).rows;
}

/** What the occupant does, and of how many trials the program failed in how many. */
function cell({ model: { verdict, complete }, trials, failed, agreement }) {
  const open = complete ? "" : ", so far";
  return `${verdict}${open}; ${failed} of ${trials}${agreement === "contradicts" ? " CONTRADICTS" : ""}`;
}

const share = mkdtempSync(join(tmpdir(), "vhostlab-share-"));
const table = new Map();
try {
  for (const model of MODELS)
    for (const row of compared(model, share)) {
      const id = `${row.script} ${row.frontEnd}`;
      table.set(id, { ...table.get(id), script: row.script, "front-end": row.frontEnd, [model]: cell(row) });
    }
} finally {
  rmSync(share, { recursive: true });
}

const columns = ["script", "front-end", ...MODELS];
const rows = [Object.fromEntries(columns.map((name) => [name, name])), ...table.values()];
const width = (column) => Math.max(...rows.map((row) => row[column].length));
for (const row of rows)
  console.log(
    columns
      .map((column) => row[column].padEnd(width(column)))
      .join("  ")
      .trimEnd(),
  );
