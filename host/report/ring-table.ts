// The README's table of the ring.

import type { RingCase } from "../bench/ring/measure.js";
import { nanos, times } from "./ring-report.js";

/** In Markdown, each line ended. */
export function ringTable(cases: readonly RingCase[]): string {
  const head = ["case", "a request", "C twin", "speed of ours", "clean windows"];
  const rows = cases.map(({ name, nsPerRequest, against, windows }) => [
    name,
    nsPerRequest ? nanos(nsPerRequest) : "not measurable",
    against?.nsPerRequest ? nanos(against.nsPerRequest) : "",
    against?.ratio ? `${times(against.ratio)}, ${against.pairs} pairs` : "",
    `${windows.clean} of ${windows.total}`,
  ]);
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}
