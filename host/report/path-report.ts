// What `vhostlab bench path` prints of a case.

import type { PathCase } from "../bench/path/path.js";
import { type Fact, labelled } from "./labelled.js";

/** Lines, each ended. */
export function pathReport({ name, bytes, requestsPerSecond, megabytesPerSecond, stages }: PathCase): string {
  const { min, median, max } = requestsPerSecond;
  const rate = `${median.toFixed(0)} requests/s [${min.toFixed(0)}..${max.toFixed(0)}]`;
  const data = bytes > 0 ? `, ${megabytesPerSecond.toFixed(0)} MB/s` : "";
  const facts = stages.map(({ stage, micros }): Fact => [stage, `${micros.toFixed(1).padStart(8)} us`]);
  return `${name}: ${rate}${data}\n${labelled(facts, "  ")}`;
}
