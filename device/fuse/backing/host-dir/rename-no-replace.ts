// renameat2(2) with RENAME_NOREPLACE, which is out of node's reach: a placeholder takes the new name, if it is free, and
// rename(2) replaces that. It holds against everything that the guest does. A process of the host can see the empty
// placeholder for a moment, and what it puts in its place just then is lost.

import fs from "node:fs";
import type { Failed } from "../../failed.js";
import { attempt, done } from "./call.js";

export function renameNoReplace(from: Buffer, to: Buffer): 0 | Failed {
  const stat = attempt(() => fs.lstatSync(from));
  if (typeof stat === "number") return stat;
  // rename(2) replaces like by like only.
  const isDirectory = stat.isDirectory();
  const taken = done(() => (isDirectory ? fs.mkdirSync(to) : fs.closeSync(fs.openSync(to, "wx"))));
  if (taken !== 0) return taken;
  const error = done(() => fs.renameSync(from, to));
  if (error !== 0) done(() => (isDirectory ? fs.rmdirSync(to) : fs.unlinkSync(to)));
  return error;
}
