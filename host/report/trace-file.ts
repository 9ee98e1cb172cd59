// The file of --trace.

import type { Recording } from "../scenario/outcome.js";
import type { TimeUnit } from "./causes.js";
import { jsonHead } from "./json.js";
import { OutFile } from "./out-file.js";
import { perfettoTrace, type Traced } from "./perfetto.js";

/** @throws UserError where `path` cannot be written. @returns undefined when no trace is wanted */
export function openTraceFile(path: string | undefined): TraceFile | undefined {
  const file = OutFile.open(path, "trace");
  return file && new TraceFile(file);
}

export class TraceFile {
  constructor(readonly file: OutFile) {}

  /** @param about what else the metadata is to say. @throws LabError when it cannot be written after all */
  write(recording: Recording, scenario: Traced, unit: TimeUnit, about: object = {}): void {
    const { traceEvents, ...rest } = perfettoTrace(recording, scenario, unit, { ...jsonHead(), ...about });
    const lines = traceEvents.map((event) => JSON.stringify(event)).join(",\n");
    const head = JSON.stringify(rest, null, 2).slice(0, -"\n}".length);
    this.file.write(`${head},\n  "traceEvents": [\n${lines}\n]}\n`);
  }
}
