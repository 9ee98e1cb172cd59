// vhostlab explore: every interleaving of one script.

import { type Command, Option } from "commander";
import type { PolicyName } from "../explore/policies/names.js";
import { formatSchedule } from "../explore/schedule.js";
import {
  addOptions,
  frontEndOptions,
  jsonOption,
  parseCount,
  policiesHelp,
  policyOption,
  seedOption,
  type Seats,
  scriptOption,
  scriptsHelp,
  seatOptions,
  traceOption,
} from "../options.js";
import type { Context } from "../program.js";
import { big, verdictWords } from "../report/explore-words.js";
import { breachReport } from "../report/breach-report.js";
import { hangReport } from "../report/hang-report.js";
import { jsonDocument } from "../report/json.js";
import { type Fact, labelled } from "../report/labelled.js";
import { exploreProgress } from "../report/progress.js";
import { openTraceFile } from "../report/trace-file.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import type { ExploreResult } from "../scenario/outcome.js";
import type { FrontEndOptions, Scenario } from "../scenario/scenario.js";

interface ExploreOptions extends Seats, FrontEndOptions {
  readonly script: Scenario["script"];
  readonly policy: PolicyName;
  readonly maxSchedules?: number;
  readonly seed: number;
  readonly json?: boolean;
  readonly trace?: string;
}

export function addExplore(program: Command, context: Context): void {
  const command = program
    .command("explore")
    .summary("search all interleavings of a script")
    .description("Searches all interleavings of a script under a deterministic scheduler, in one thread.");
  const limit = new Option("--max-schedules <n>", "give up, incomplete, after so many; see below").argParser(
    parseCount,
  );
  addOptions(
    command,
    ...seatOptions(),
    ...frontEndOptions(),
    scriptOption(),
    policyOption(),
    limit,
    seedOption(),
    jsonOption(),
    traceOption("a hanging schedule, or any when none hangs,"),
  )
    .addHelpText(
      "after",
      `
Scripts:
${scriptsHelp()}

Policies, and how many schedules each tries at most:
${policiesHelp()}

Exit code: 0 when the search was complete, whatever the verdict; 1 when it was not; 2 for wrong usage.

Examples:
  $ vhostlab explore --guest ovmf --front-end qemu-8.1 --back-end rust-0.10
  $ vhostlab explore --back-end rust-0.10 --policy dpor
  $ vhostlab explore --back-end rust-0.10 --trace hang.json`,
    )
    .action(async (options: ExploreOptions) => context.finish(await explore(options, context)));
}

async function explore(options: ExploreOptions, { engines, output }: Context): Promise<number> {
  const { policy, maxSchedules, seed, json, trace, ...chosen } = options;
  const scenario: Scenario = { ...chosen, delays: [] };
  const file = openTraceFile(trace);
  const progress = exploreProgress(output, policy === "visited" ? "states" : "schedules");
  const result = await engines
    .explore(scenario, { policy, maxSchedules, seed, onProgress: progress.update })
    .finally(() => progress.stop());
  const hangs = result.hangs.map((hang) => ({ ...hang, replay: `vhostlab replay ${hang.schedule} --threads` }));
  const breaches = result.breaches.map((breach) => ({ ...breach, replay: `vhostlab replay ${breach.schedule}` }));
  if (json) {
    output.data(jsonDocument({ scenario, policy, seed, ...result, hangs, breaches }));
  } else {
    output.data(summary(scenario, policy, result));
    for (const { schedule, report, replay } of hangs) {
      const found: Fact[] = [
        ["schedule", schedule],
        ["replay", output.colors.bold(replay)],
      ];
      output.data(`\n${hangReport(report, found)}`);
    }
    for (const { schedule, replay, ...breach } of breaches) {
      const found: Fact[] = [
        ["schedule", schedule],
        ["replay", output.colors.bold(replay)],
      ];
      output.data(`\n${breachReport(breach, found)}`);
    }
  }
  if (file) {
    // The search records nothing: its schedule is run once more. No ops at all are a schedule too.
    const schedule = result.hangs[0]?.schedule ?? formatSchedule(scenario, []);
    const [replayed] = await engines.replay(schedule, { threads: false, times: 1 });
    file.write(replayed!, scenario, "step", { schedule });
  }
  return result.complete ? 0 : 1;
}

function summary(scenario: Scenario, policy: PolicyName, result: ExploreResult): string {
  const { guest, frontEnd, backEnd, enableAt, memory, kickCount, eventIdx, inOrder, script } = scenario;
  const facts: Fact[] = [
    ["scenario", `${guest}, ${frontEnd}, ${backEnd}, ring messages at ${enableAt}`],
    ["front-end", `memory ${memory}, kick eventfds born with ${kickCount}`],
    ["features", `EVENT_IDX ${eventIdx ? "" : "not "}offered, IN_ORDER ${inOrder ? "" : "not "}offered`],
    ["script", `${script}: ${SCRIPT[script].about}`],
    ["verdict", verdictWords(result)],
    ...result.hangs.map(({ report }): Fact => ["cause", `${report.cause}, effect ${report.effect}`]),
    ...result.breaches.map(({ rule }): Fact => ["breach", rule]),
    ["search", `${policy}, ${result.complete ? "complete" : "not complete"}`],
    ...graphFacts(result),
    ["executions", String(result.executions)],
    ["operations", String(result.operations)],
    ["time", `${(result.ms / 1000).toFixed(2)} s`],
  ];
  return labelled(facts);
}

function graphFacts({ paths, states, transitions }: ExploreResult): Fact[] {
  if (paths === undefined) return [];
  return [
    ["schedules", big(paths)],
    ["states", String(states)],
    ["transitions", String(transitions)],
  ];
}
