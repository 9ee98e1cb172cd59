// The figures of a phase's row in words, the same in every table of them.

import type { PhaseRow } from "./phase-row.js";
import { percent, ruleOfThree } from "./wilson.js";

export const NOTHING = "–";

export function rate(row: PhaseRow): string {
  return row.boots === 0 ? NOTHING : percent(row.rate);
}

/** Of the rate, 95 %. */
export function interval(row: PhaseRow): string {
  if (row.boots === 0) return NOTHING;
  if (row.hangs === 0) return `at most ${percent(ruleOfThree(row.boots))}`;
  return `${percent(row.ci95[0]).replace(" %", "")} to ${percent(row.ci95[1])}`;
}

/** Hangs by another cause than the published one, and boots without a verdict. */
export function others(row: PhaseRow): string {
  const causes = Object.entries(row.otherHangs).map(([cause, count]) => `${count} ${cause}`);
  if (row.undecided > 0) causes.push(`${row.undecided} undecided`);
  return causes.join(", ") || NOTHING;
}

/** What the table's figures mean. */
export function legend(rows: readonly PhaseRow[]): string[] {
  const clean = rows.find((row) => row.boots > 0 && row.hangs === 0);
  return [
    "hangs: kick consumed while the ring was disabled; 95 %: Wilson score, two-sided",
    ...(clean
      ? [`no hang in ${clean.boots}: at most ${percent(ruleOfThree(clean.boots))}, rule of three, one-sided`]
      : []),
  ];
}
