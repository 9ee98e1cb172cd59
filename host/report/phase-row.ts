// One line of `vhostlab hang`: what one phase of one row gave, and whether that is what was expected of it.

import type { BootsResult, PhaseCount } from "../scenario/outcome.js";
import type { Expected, Phase, Scenario } from "../scenario/scenario.js";
import { FRONT_END_DEFAULTS, ROWS } from "../scenario/scenario.js";
import { wilson95 } from "./wilson.js";

/** A row to run. Without `expected` the counts are reported and nothing is claimed. */
export interface PlannedRow {
  readonly id: string;
  readonly scenario: Scenario;
  readonly expected?: Expected;
}

/** Also the JSON of a row. */
export interface PhaseRow extends Omit<Scenario, "script">, PhaseCount {
  readonly id: string;
  readonly phase: Phase;
  /** Of hangs by the seed's cause. */
  readonly rate: number;
  /** Wilson, two-sided. */
  readonly ci95: readonly [number, number];
  readonly expected?: Expected;
  readonly held: boolean;
}

/**
 * What may be claimed of a scenario. Whose front-end and back-end never lose a kick do so under any delay; that a pair
 * does hang is claimed only as published: without delays, behind a front-end as QEMU is.
 */
export function expectationOf(scenario: Scenario): Expected | undefined {
  const known = ROWS.find(
    (row) => row.scenario.frontEnd === scenario.frontEnd && row.scenario.backEnd === scenario.backEnd,
  );
  const asQemu = (Object.keys(FRONT_END_DEFAULTS) as (keyof typeof FRONT_END_DEFAULTS)[]).every(
    (option) => scenario[option] === FRONT_END_DEFAULTS[option],
  );
  const published = scenario.delays.length === 0 && asQemu;
  return known?.expected === "never" || published ? known?.expected : undefined;
}

export function phaseRows(row: PlannedRow, result: BootsResult): PhaseRow[] {
  const phases: Phase[] = ["first", "reboot"];
  const { guest, frontEnd, backEnd, enableAt, memory, kickCount, eventIdx, delays } = row.scenario; // not its script: the phases say what is done
  return phases.map((phase) => {
    const count = result.counts[phase];
    return {
      id: row.id,
      guest,
      frontEnd,
      backEnd,
      enableAt,
      memory,
      kickCount,
      eventIdx,
      delays,
      phase,
      ...count,
      rate: count.boots === 0 ? 0 : count.hangs / count.boots,
      ci95: wilson95(count.hangs, count.boots),
      ...(row.expected && { expected: row.expected }),
      held: broken(row.expected, count) === undefined,
    };
  });
}

/** Why a count is not what was expected, in a few words; undefined when it is. */
export function broken(expected: Expected | undefined, count: PhaseCount): string | undefined {
  if (count.undecided > 0) return `${count.undecided} of ${count.boots} boots undecided`;
  if (count.boots === 0) return "not booted";
  if (expected === "hangs" && count.hangs === 0) return `expected to hang, and none of ${count.boots} boots did`;
  if (expected === "never" && count.hangs > 0)
    return `expected never to hang, and ${count.hangs} of ${count.boots} boots did`;
  // "masked" compares two rows: no count of one row can break it.
  return undefined;
}
