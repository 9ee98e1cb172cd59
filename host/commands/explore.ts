// vhostlab explore: every interleaving of one first boot.

import { type Command, Option } from "commander";
import { addOptions, frontEndOptions, jsonOption, parseCount, type Seats, seatOptions } from "../options.js";
import type { Context } from "../program.js";
import { hangReport } from "../report/hang-report.js";
import { jsonDocument } from "../report/json.js";
import { type Fact, labelled } from "../report/labelled.js";
import { statesProgress } from "../report/progress.js";
import type { ExploreResult } from "../scenario/outcome.js";
import type { FrontEndOptions, Scenario } from "../scenario/scenario.js";

interface ExploreOptions extends Seats, FrontEndOptions {
  readonly maxExecutions?: number;
  readonly json?: boolean;
}

const VERDICTS: Readonly<Record<ExploreResult["verdict"], string>> = {
  never: "no schedule hangs",
  can: "some schedules hang, others do not",
  always: "every schedule hangs",
};

export function addExplore(program: Command, context: Context): void {
  const command = program
    .command("explore")
    .summary("search all interleavings of a first boot")
    .description("Searches all interleavings of a first boot under a deterministic scheduler, in one thread.");
  const limit = new Option("--max-executions <n>", "give up, incomplete, after so many executions").argParser(
    parseCount,
  );
  addOptions(command, ...seatOptions(), ...frontEndOptions(), limit, jsonOption())
    .addHelpText(
      "after",
      `
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
  const { guest, frontEnd, backEnd, enableAt, memory, kickCount } = scenario;
  const facts: Fact[] = [
    ["scenario", `${guest}, ${frontEnd}, ${backEnd}, ring messages at ${enableAt}`],
    ["front-end", `memory ${memory}, kick eventfds born with ${kickCount}`],
    ["verdict", result.complete ? VERDICTS[result.verdict] : `so far ${VERDICTS[result.verdict]}`],
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

/** A decimal number of any length, short enough to read. */
function big(decimal: string): string {
  return decimal.length <= 7 ? decimal : `about ${Number(decimal).toExponential(1).replace("e+", "e")}`;
}
