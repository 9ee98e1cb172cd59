// The matrix: every script in every guest that it is for, by every pair of front-end and back-end.

import type { ExploreResult } from "../scenario/outcome.js";
import type { GuestName } from "../scenario/occupants.js";
import { playable } from "../scenario/catalog/index.js";
import { FRONT_END_DEFAULTS, PAIRS, type Scenario, SCRIPTS, type ScriptName } from "../scenario/scenario.js";

/** A guest polls in its firmware whatever happens to it; what an operating system does differently is its start. */
const SCRIPTS_OF: readonly (readonly [GuestName, readonly ScriptName[]])[] = [
  ["ovmf", SCRIPTS],
  ["linux", ["first", "reboot", "two-queues"]],
  ["linux-probe", ["first", "reboot"]],
];

export const MATRIX: readonly Scenario[] = SCRIPTS_OF.flatMap(([guest, scripts]) =>
  scripts.flatMap((script) => PAIRS.map((pair) => ({ guest, script, ...pair, ...FRONT_END_DEFAULTS, delays: [] }))),
).filter(playable);

/** One search at a time. */
export interface Explorer {
  explore(scenario: Scenario): Promise<ExploreResult>;
}

/**
 * Explores all scenarios, each explorer taking the next when it has finished one.
 * @returns in the order of the scenarios
 */
export async function exploreAll(
  scenarios: readonly Scenario[],
  explorers: readonly Explorer[],
  onResult: (done: number) => void,
): Promise<ExploreResult[]> {
  const results: ExploreResult[] = [];
  // From the end: the largest searches are there, and a small one is to be the last.
  let next = scenarios.length;
  let done = 0;
  const work = async (explorer: Explorer): Promise<void> => {
    while (next > 0) {
      const at = --next;
      results[at] = await explorer.explore(scenarios[at]!);
      onResult(++done);
    }
  };
  await Promise.all(explorers.map(work));
  return results;
}
