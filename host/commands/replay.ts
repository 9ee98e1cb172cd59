// vhostlab replay: one schedule again, under the scheduler or on real threads held to it.

import { type Command, Option } from "commander";
import { parseSchedule } from "../explore/schedule.js";
import { jsonOption, parseCount, traceOption } from "../options.js";
import type { Context } from "../program.js";
import { breachReport } from "../report/breach-report.js";
import { hangReport } from "../report/hang-report.js";
import { jsonDocument } from "../report/json.js";
import { openTraceFile } from "../report/trace-file.js";
import { timeline } from "../report/timeline.js";
import type { ReplayResult } from "../scenario/outcome.js";

interface ReplayOptions {
  readonly threads?: boolean;
  readonly times: number;
  readonly json?: boolean;
  readonly trace?: string;
}

type Outcome = ReplayResult["outcome"];

export function addReplay(program: Command, context: Context): void {
  program
    .command("replay")
    .summary("run one schedule again")
    .description("Runs one schedule, as `vhostlab explore` prints it, and shows what it leads to.")
    .argument("<schedule>", "the schedule string; it names its scenario")
    .option("--threads", "on real threads held to the schedule, instead of under the scheduler")
    .addOption(new Option("--times <n>", "run it so many times").argParser(parseCount).default(1))
    .addOption(jsonOption())
    .addOption(traceOption("the first run"))
    .addHelpText(
      "after",
      `
Exit code: 0 when every run came to the same outcome, a hang too; 1 when they differ
or one is undecided; 2 for wrong usage.

Examples (SCHEDULE from vhostlab explore):
  $ vhostlab replay SCHEDULE --threads --times 20
  $ vhostlab replay SCHEDULE --trace run.json`,
    )
    .action(async (schedule: string, options: ReplayOptions) =>
      context.finish(await replay(schedule, options, context)),
    );
}

async function replay(schedule: string, options: ReplayOptions, { engines, output }: Context): Promise<number> {
  const threads = options.threads ?? false;
  const unit = threads ? "µs" : "step";
  const file = openTraceFile(options.trace);
  const results = await engines.replay(schedule, { threads, times: options.times });
  const first = results[0]!;
  const outcomes: Record<Outcome, number> = { answered: 0, hang: 0, "gave-up": 0, undecided: 0 };
  for (const { outcome } of results) outcomes[outcome]++;
  if (options.json) {
    output.data(jsonDocument({ schedule, threads, times: options.times, outcomes, ...first }));
  } else {
    const { columns, colors } = output;
    const counts = Object.entries(outcomes).filter(([, count]) => count > 0);
    output.data(`${counts.map(([outcome, count]) => `${outcome} ${count} of ${options.times}`).join(", ")}\n\n`);
    output.data(timeline(first.events, { columns, colors, unit }));
    if (first.report) output.data(`\n${hangReport(first.report)}`);
    for (const { step, ...breach } of first.breaches ?? [])
      output.data(`\n${breachReport(breach, [["step", String(step)]])}`);
  }
  file?.write(first, parseSchedule(schedule).scenario, unit, { schedule });
  return outcomes[first.outcome] === options.times && first.outcome !== "undecided" ? 0 : 1;
}
