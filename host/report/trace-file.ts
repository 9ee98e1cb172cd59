// The file of --trace: checked before the work starts, written when it is done.

import { closeSync, openSync, writeFileSync } from "node:fs";
import { LabError, UserError } from "../errors.js";
import type { Recording } from "../scenario/outcome.js";
import type { TimeUnit } from "./causes.js";
import { jsonHead } from "./json.js";
import { perfettoTrace, type Traced } from "./perfetto.js";

/** @throws UserError where `path` cannot be written. @returns undefined when no trace is wanted */
export function openTraceFile(path: string | undefined): TraceFile | undefined {
  if (path === undefined) return undefined;
  try {
    closeSync(openSync(path, "a")); // what is in it stays until there is something better
  } catch (error) {
    throw new UserError(`the trace file cannot be written: ${(error as Error).message}`);
  }
  return new TraceFile(path);
}

export class TraceFile {
  constructor(readonly path: string) {}

  /** @param about what else the metadata is to say. @throws LabError when it cannot be written after all */
  write(recording: Recording, scenario: Traced, unit: TimeUnit, about: object = {}): void {
    const { traceEvents, ...rest } = perfettoTrace(recording, scenario, unit, { ...jsonHead(), ...about });
    const lines = traceEvents.map((event) => JSON.stringify(event)).join(",\n");
    const head = JSON.stringify(rest, null, 2).slice(0, -"\n}".length);
    try {
      writeFileSync(this.path, `${head},\n  "traceEvents": [\n${lines}\n]}\n`);
    } catch (error) {
      throw new LabError(`the trace file cannot be written: ${(error as Error).message}`);
    }
  }
}
