// One line of `vhostlab hang`: what one phase of one row gave, and whether that is what was expected of it.

import type { BootsResult, PhaseCount } from "../scenario/outcome.js";
import { ALL_ROWS, type Row, SEED } from "../scenario/rows.js";
import { type Expected, FRONT_END_DEFAULTS, type Phase, type Scenario } from "../scenario/scenario.js";
import { percent, wilson95 } from "./wilson.js";

/** A row to run: one of the catalog, one of it under other conditions than listed, or what somebody put together. */
export type PlannedRow = Omit<Row, "claim"> & Partial<Pick<Row, "claim">>;

/** Also the JSON of a row. */
export interface PhaseRow extends Omit<PlannedRow, "scenario">, Omit<Scenario, "script">, PhaseCount {
  readonly phase: Phase;
  /** Of hangs by the seed's cause. */
  readonly rate: number;
  /** Wilson, two-sided. */
  readonly ci95: readonly [number, number];
  readonly held: boolean;
  /** Why it did not hold, in a few words. */
  readonly broken?: string;
}

/**
 * What may be claimed of a scenario that is not in the catalog as it is. Whose front-end and back-end never lose a kick
 * do so before any guest and under any delay; that a pair does hang is claimed only as published.
 */
export function expectationOf(scenario: Scenario): Expected | undefined {
  const { guest, frontEnd, backEnd } = SEED.scenario;
  const pair = ALL_ROWS.filter(
    (row) => row.scenario.frontEnd === scenario.frontEnd && row.scenario.backEnd === scenario.backEnd,
  );
  if (pair.some(({ expected }) => expected === "never")) return "never";
  const asQemu = (Object.keys(FRONT_END_DEFAULTS) as (keyof typeof FRONT_END_DEFAULTS)[]).every(
    (option) => scenario[option] === FRONT_END_DEFAULTS[option],
  );
  const seated = scenario.guest === guest && scenario.frontEnd === frontEnd && scenario.backEnd === backEnd;
  return seated && asQemu && scenario.delays.length === 0 ? "hangs" : undefined;
}

/** @param unmasked what row `seed` of the same run gave: `masked` is held against it */
export function phaseRows(row: PlannedRow, result: BootsResult, unmasked?: BootsResult): PhaseRow[] {
  const phases: Phase[] = ["first", "reboot"];
  const { scenario, ...about } = row;
  const { script: _, ...conditions } = scenario; // not its script: the phases say what is done
  return phases.map((phase) => {
    const count = result.counts[phase];
    const reason = broken(row.expected, count, unmasked?.counts[phase]);
    return {
      ...about,
      ...conditions,
      phase,
      ...count,
      rate: count.boots === 0 ? 0 : count.hangs / count.boots,
      ci95: wilson95(count.hangs, count.boots),
      held: reason === undefined,
      ...(reason !== undefined && { broken: reason }),
    };
  });
}

/** Why a count is not what was expected, in a few words; undefined when it is. */
export function broken(expected: Expected | undefined, count: PhaseCount, unmasked?: PhaseCount): string | undefined {
  const { boots, hangs, undecided } = count;
  if (undecided > 0) return `${undecided} of ${boots} boots undecided`;
  if (boots === 0) return "not booted";
  if (expected === "hangs" && hangs === 0) return `expected to hang, and none of ${boots} boots did`;
  if (expected === "never" && hangs > 0) return `expected never to hang, and ${hangs} of ${boots} boots did`;
  if (expected === "masked") return unmasked ? notBelow(count, unmasked) : `row ${SEED.id} was not run beside it`;
  return undefined;
}

/** Masked: rarer than unmasked, and by so much that the intervals are disjoint. */
function notBelow(masked: PhaseCount, unmasked: PhaseCount): string | undefined {
  const most = wilson95(masked.hangs, masked.boots)[1];
  const least = wilson95(unmasked.hangs, unmasked.boots)[0];
  if (most < least) return undefined;
  return `expected to hang less often than ${SEED.id}: up to ${percent(most)}, where that is from ${percent(least)}`;
}
