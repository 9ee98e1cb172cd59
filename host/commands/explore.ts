// vhostlab explore: every interleaving of one first boot.

import { type Command, Option } from "commander";
import {
  addOptions,
  enableAtOption,
  jsonOption,
  parseCount,
  type Seats,
  scriptOption,
  scriptsHelp,
  seatOptions,
} from "../options.js";
import type { Context } from "../program.js";
import { big, verdictWords } from "../report/explore-words.js";
import { hangReport } from "../report/hang-report.js";
import { jsonDocument } from "../report/json.js";
import { type Fact, labelled } from "../report/labelled.js";
import { statesProgress } from "../report/progress.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import type { ExploreResult } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";

interface ExploreOptions extends Seats {
  readonly enableAt: Scenario["enableAt"];
  readonly script: Scenario["script"];
  readonly maxExecutions?: number;
  readonly json?: boolean;
}

export function addExplore(program: Command, context: Context): void {
  const command = program
    .command("explore")
    .summary("search all interleavings of a script")
    .description("Searches all interleavings of a script under a deterministic scheduler, in one thread.");
  const limit = new Option("--max-executions <n>", "give up, incomplete, after so many executions").argParser(
    parseCount,
  );
  addOptions(command, ...seatOptions(), enableAtOption(), scriptOption(), limit, jsonOption())
    .addHelpText(
      "after",
      `
Scripts:
${scriptsHelp()}

Exit code: 0 when the search was complete, whatever the verdict; 1 when it was not; 2 for wrong usage.

Example:
  $ vhostlab explore --guest ovmf --front-end qemu-8.1 --back-end rust-0.10`,
    )
    .action(async (options: ExploreOptions) => context.finish(await explore(options, context)));
}

async function explore(options: ExploreOptions, { engines, output }: Context): Promise<number> {
  const { maxExecutions, json, ...chosen } = options;
  const scenario: Scenario = { ...chosen, delays: [] };
  const progress = statesProgress(output);
  const result = await engines
    .explore(scenario, { maxExecutions, onProgress: progress.update })
    .finally(() => progress.stop());
  const hangs = result.hangs.map((hang) => ({ ...hang, replay: `vhostlab replay ${hang.schedule} --threads` }));
  if (json) {
    output.data(jsonDocument({ scenario, ...result, hangs }));
  } else {
    output.data(summary(scenario, result));
    for (const { schedule, report, replay } of hangs) {
      const found: Fact[] = [
        ["schedule", schedule],
        ["replay", output.colors.bold(replay)],
      ];
      output.data(`\n${hangReport(report, found)}`);
    }
  }
  return result.complete ? 0 : 1;
}

function summary(scenario: Scenario, result: ExploreResult): string {
  const facts: Fact[] = [
    ["scenario", `${scenario.guest}, ${scenario.frontEnd}, ${scenario.backEnd}, ring messages at ${scenario.enableAt}`],
    ["script", `${scenario.script}: ${SCRIPT[scenario.script].about}`],
    ["verdict", verdictWords(result)],
    ...result.causes.map((cause): Fact => ["cause", cause]),
    ["search", result.complete ? "complete" : "not complete: the limit of executions was reached"],
    ["schedules", big(result.paths)],
    ["states", String(result.states)],
    ["transitions", String(result.transitions)],
    ["executions", String(result.executions)],
    ["operations", String(result.operations)],
    ["time", `${(result.ms / 1000).toFixed(2)} s`],
  ];
  return labelled(facts);
}
