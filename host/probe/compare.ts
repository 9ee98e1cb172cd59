// What the explorer says of an occupant, beside what a probe has seen of the program that it stands for.

import type { ExploreResult } from "../scenario/outcome.js";
import type { BackEndName } from "../scenario/occupants.js";
import { FRONT_END_DEFAULTS, type Scenario, type ScriptName } from "../scenario/scenario.js";
import type { SocketFrontEnd } from "./machine.js";
import type { ScenarioResult } from "./result.js";
import { GUEST_DEFAULT, STORIES, STORY_NAMES, type Story, type StoryName } from "./stories.js";

/**
 * `contradicts`: the program did what the occupant never does. `not seen`: the occupant can hang and the program did not,
 * in the orders that were tried. `undecided`: the search was given up before it met a hang.
 */
export type Agreement = "agrees" | "not seen" | "undecided" | "contradicts";

export type ModelVerdict = Pick<ExploreResult, "verdict" | "causes" | "complete">;

export interface Compared {
  readonly script: ScriptName;
  readonly frontEnd: SocketFrontEnd;
  readonly model: ModelVerdict;
  /** Of all stories with this script. */
  readonly trials: number;
  /** Lost, wedged or broken. */
  readonly failed: number;
  readonly agreement: Agreement;
}

/** The stories that the explorer can tell too: those of the guest that it runs by default. */
export const COMPARED_STORIES: readonly StoryName[] = STORY_NAMES.filter(
  (name) => ((STORIES[name] as Story).guest ?? GUEST_DEFAULT) === GUEST_DEFAULT,
);

/** @param explore all interleavings of a scenario, or many */
export async function compare(
  backEnd: BackEndName,
  probed: readonly ScenarioResult[],
  explore: (scenario: Scenario) => Promise<ExploreResult>,
): Promise<Compared[]> {
  const rows = new Map<string, { script: ScriptName; frontEnd: SocketFrontEnd; trials: number; failed: number }>();
  for (const { story, frontEnd, trials, lost, wedged, broken } of probed) {
    const { script } = STORIES[story];
    const id = `${script}/${frontEnd}`;
    const row = rows.get(id) ?? { script, frontEnd, trials: 0, failed: 0 };
    rows.set(id, { ...row, trials: row.trials + trials, failed: row.failed + lost + wedged + broken });
  }
  const compared: Compared[] = [];
  for (const row of rows.values()) {
    const { script, frontEnd } = row;
    const scenario = { ...FRONT_END_DEFAULTS, guest: GUEST_DEFAULT, frontEnd, backEnd, delays: [], script };
    const { verdict, causes, complete } = await explore(scenario);
    const model = { verdict, causes, complete };
    compared.push({ ...row, model, agreement: agreement(model, row.failed > 0) });
  }
  return compared;
}

function agreement({ verdict, complete }: ModelVerdict, programFailed: boolean): Agreement {
  if (verdict === "never" && !complete) return "undecided";
  if ((verdict !== "never") === programFailed) return "agrees";
  return programFailed ? "contradicts" : "not seen";
}
