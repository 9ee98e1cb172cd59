// vhostlab compare: an occupant of the back-end's seat and the program that it stands for, side by side.

import { type Command, Option } from "commander";
import { POLICY_ABOUT } from "../explore/policies/names.js";
import { addOptions, jsonOption, parseCount } from "../options.js";
import { type Agreement, type Compared, COMPARED_STORIES, compare, type ModelVerdict } from "../probe/compare.js";
import type { Target } from "../probe/probe.js";
import { SOCKET_FRONT_ENDS } from "../probe/stories.js";
import type { Context } from "../program.js";
import { jsonDocument } from "../report/json.js";
import { plainTable } from "../report/plain-table.js";
import { lineProgress } from "../report/progress.js";
import { BACK_ENDS, type BackEndName } from "../scenario/occupants.js";
import { addTarget, targetOf } from "./back-end-target.js";

const TRIALS = 10;
const SEED = 1;

interface CompareOptions {
  readonly model: BackEndName;
  readonly socket?: string;
  readonly trials: number;
  readonly seed: number;
  readonly maxSchedules: number;
  readonly json?: boolean;
}

export function addCompare(program: Command, context: Context): void {
  const command = program
    .command("compare")
    .summary("hold an occupant against the real program")
    .description(
      "Explores all interleavings with an occupant of the back-end's seat, probes the real program with the same scripts " +
        "and front-ends, and sets the verdicts side by side.",
    );
  addTarget(command);
  addOptions(
    command,
    new Option("--model <daemon>", "the occupant that stands for it")
      .choices(BACK_ENDS.filter((name) => name !== "kernel"))
      .makeOptionMandatory(),
    new Option("--trials <n>", "so many connections a story").argParser(parseCount).default(TRIALS),
    new Option("--seed <n>", "of the random pauses").argParser(parseCount).default(SEED),
    new Option("--max-schedules <n>", "give a search up after so many")
      .argParser(parseCount)
      .default(POLICY_ABOUT.visited.maxSchedules),
    jsonOption(),
  )
    .addHelpText(
      "after",
      `
Exit code: 1 when the program did what the occupant never does; 0 otherwise, also when
the occupant can hang and the program was not seen to; 2 for wrong usage.

Example:
  $ vhostlab compare --model rust-0.13.1 -- virtiofsd --socket-path={socket} --shared-dir=/tmp --sandbox=none`,
    )
    .action(async (words: string[], options: CompareOptions) =>
      context.finish(await run(targetOf(words, options.socket), options, context)),
    );
}

async function run(target: Target, options: CompareOptions, { engines, output }: Context): Promise<number> {
  const { model, trials, seed, maxSchedules, json } = options;
  const progress = lineProgress(output);
  const probing = {
    stories: COMPARED_STORIES,
    frontEnds: SOCKET_FRONT_ENDS,
    trials,
    seed,
    conformance: false,
    onProgress: progress.update,
  };
  try {
    const { backEnd, scenarios } = await engines.probe(target, probing);
    const rows = await compare(model, scenarios, (scenario) => {
      progress.update(`exploring ${scenario.script}, ${scenario.frontEnd}`);
      return engines.explore(scenario, { maxSchedules });
    });
    output.data(json ? jsonDocument({ backEnd, model, rows }) : table(rows, output));
    return rows.length > 0 && rows.every(({ agreement }) => agreement !== "contradicts") ? 0 : 1;
  } finally {
    progress.stop();
  }
}

const MODEL_WORDS: Readonly<Record<ModelVerdict["verdict"], string>> = {
  never: "never hangs",
  can: "can hang",
  always: "always hangs",
};

function table(rows: readonly Compared[], { colors }: Context["output"]): string {
  const paint: Record<Agreement, (text: string) => string> = {
    agrees: colors.green,
    "not seen": colors.yellow,
    undecided: colors.yellow,
    contradicts: (text) => colors.red(colors.bold(text)),
  };
  return plainTable(
    ["script", "front-end", "model", "causes", "program", "verdicts"],
    rows.map(({ script, frontEnd, model, trials, failed, agreement }) => [
      script,
      frontEnd,
      MODEL_WORDS[model.verdict] + (model.complete ? "" : " so far"),
      model.causes.join(", ") || "–",
      failed === 0 ? `answers ${trials} of ${trials}` : `fails ${failed} of ${trials}`,
      paint[agreement](agreement),
    ]),
    { colors },
  );
}
