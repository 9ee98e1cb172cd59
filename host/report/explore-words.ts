// What a search found, in words.

import type { ExploreResult } from "../scenario/outcome.js";

const VERDICTS: Readonly<Record<ExploreResult["verdict"], string>> = {
  never: "no schedule hangs",
  can: "some schedules hang, others do not",
  always: "every schedule hangs",
};

export function verdictWords({ verdict, complete }: ExploreResult): string {
  return complete ? VERDICTS[verdict] : `so far ${VERDICTS[verdict]}`;
}

/** A decimal number of any length, short enough to read. */
export function big(decimal: string): string {
  return decimal.length <= 7 ? decimal : `about ${Number(decimal).toExponential(1).replace("e+", "e")}`;
}
