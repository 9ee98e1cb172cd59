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

/** What the hangs did to the machine. */
export function effects(row: PhaseRow): string {
  return Object.keys(row.effects).join(", ") || NOTHING;
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
  const masked = rows.some(({ expected }) => expected === "masked");
  return [
    "hangs: kick consumed while the ring was disabled; 95 %: Wilson score, two-sided",
    ...(clean
      ? [`no hang in ${clean.boots}: at most ${percent(ruleOfThree(clean.boots))}, rule of three, one-sided`]
      : []),
    ...(masked
      ? [
          "masked: less often than in row seed, with disjoint intervals",
          "masked is not safe: some schedules hang still, and explore finds them",
        ]
      : []),
  ];
}

/** Whether reboots hang more often than first boots, or less, as far as disjoint intervals show it. */
export function phasesCompared(first: PhaseRow, reboot: PhaseRow): string {
  if (first.ci95[1] < reboot.ci95[0]) return "reboots hang more often than first boots";
  if (reboot.ci95[1] < first.ci95[0]) return "reboots hang less often than first boots";
  return "no difference between first boots and reboots is shown";
}
