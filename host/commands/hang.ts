// vhostlab hang: how often do the rows hang on real threads, and what does such a hang look like?

import { type Command, Option } from "commander";
import type { Engines } from "../engines.js";
import { UserError } from "../errors.js";
import {
  addOptions,
  delayOption,
  delayPointsHelp,
  frontEndOptions,
  chosenFrontEnd,
  jsonOption,
  parseCount,
  type Seats,
  seatOptions,
  traceOption,
} from "../options.js";
import type { Context } from "../program.js";
import { hangReport } from "../report/hang-report.js";
import { hangTable } from "../report/hang-table.js";
import { jsonDocument } from "../report/json.js";
import { describeMachine, machineInfo } from "../report/machine.js";
import { expectationOf, type PlannedRow, phaseRows } from "../report/phase-row.js";
import { bootsProgress } from "../report/progress.js";
import { openTraceFile } from "../report/trace-file.js";
import { timeline } from "../report/timeline.js";
import type { BootsLimits, BootsResult, Cause } from "../scenario/outcome.js";
import { ROWS } from "../scenario/rows.js";
import type { Delay, FrontEndOptions, Scenario } from "../scenario/scenario.js";

// A phase of a row ends after this many boots, or with this many hangs: then its rate is known well enough.
const BOOTS = 500;
const ENOUGH_HANGS = 20;

const PUBLISHED_CAUSE: Cause = "kick-consumed-while-disabled";
const SEATS = ["guest", "frontEnd", "backEnd"] as const;

interface HangOptions extends Seats, FrontEndOptions {
  readonly boots: number;
  readonly row?: readonly string[];
  readonly delay: readonly Delay[];
  readonly json?: boolean;
  readonly trace?: string;
}

interface Measured {
  readonly row: PlannedRow;
  readonly result: BootsResult;
}

export function addHang(program: Command, context: Context): void {
  const rowIds = ROWS.map((row) => row.id);
  const command = program
    .command("hang")
    .summary("count hangs on real threads, and show one")
    .description(
      `Boots and reboots on real threads and counts the hangs, phase by phase: in the rows ${rowIds.join(", ")}, or, ` +
        "when a seat is named, in one row `custom`. Then shows one hang.",
    )
    .addOption(
      new Option("--boots <n>", `at most so many boots a phase; ${ENOUGH_HANGS} hangs end it earlier`)
        .argParser(parseCount)
        .default(BOOTS),
    )
    .addOption(new Option("--row <id...>", "only these rows").choices(rowIds));
  addOptions(command, ...seatOptions(), ...frontEndOptions(), delayOption(), jsonOption(), traceOption("one hang"))
    .addHelpText(
      "after",
      `
Points of --delay:
${delayPointsHelp()}

Exit code: 0 when every row held, 1 when one did not, 2 for wrong usage.
A row holds when no boot was undecided and each phase did what is expected:
"hangs" is at least one hang by the published cause (a request's kick consumed
while the ring was disabled), "never" is none. Hangs by other causes are counted
apart. Of a pair that is in none of the rows nothing is expected, nor that the
published pair hangs with --delay or another --enable-at, --memory or
--kick-count: its counts are shown.

A trace is of the hang that is shown, in a run of its own; when nothing hung, of a
boot of the last row.

Examples:
  $ vhostlab hang --row seed --boots 100
  $ vhostlab hang --row seed --trace hang.json`,
    )
    .action(async (options: HangOptions) => {
      const seatNamed = SEATS.some((seat) => command.getOptionValueSource(seat) === "cli");
      context.finish(await hang(planRows(options, seatNamed), options, context));
    });
}

async function hang(planned: readonly PlannedRow[], options: HangOptions, context: Context): Promise<number> {
  const limits: BootsLimits = { boots: options.boots, enough: ENOUGH_HANGS };
  const file = openTraceFile(options.trace);
  const measured: Measured[] = [];
  for (const row of planned) measured.push({ row, result: await boots(row, limits, {}, context) });
  const rows = measured.flatMap(({ row, result }) => phaseRows(row, result));
  if (options.json) {
    context.output.data(jsonDocument({ rows }));
  } else {
    context.output.data(hangTable(rows, context.output));
    context.output.data(`${context.output.colors.dim(footer(measured))}\n`);
  }
  const published = measured.find(({ result }) => publishedHang(result));
  const shown = options.json ? undefined : published;
  const traced = file ? (published ?? otherHang(measured) ?? measured.at(-1)) : shown;
  if (traced) {
    const again = await bootsTraced(traced, limits, context);
    if (shown) showHang(shown, publishedHang(again), context);
    const recording = publishedHang(again) ?? again.hangs[0] ?? again.last;
    if (recording) file?.write(recording, traced.row.scenario, "µs", { row: traced.row.id });
  }
  if (!options.json) showOtherHangs(measured, context);
  return rows.every((row) => row.held) ? 0 : 1;
}

function publishedHang({ hangs }: BootsResult): BootsResult["hangs"][number] | undefined {
  return hangs.find(({ report }) => report.cause === PUBLISHED_CAUSE);
}

function otherHang(measured: readonly Measured[]): Measured | undefined {
  return measured.find(({ result }) => result.hangs.length > 0);
}

function planRows(options: HangOptions, seatNamed: boolean): PlannedRow[] {
  const { row, guest, frontEnd, backEnd, delay } = options;
  if (seatNamed && row) {
    throw new UserError("--row names occupants already: leave out --guest, --front-end and --back-end");
  }
  const rows: { id: string; scenario: Seats }[] = seatNamed
    ? [{ id: "custom", scenario: { guest, frontEnd, backEnd } }]
    : ROWS.filter(({ id }) => row?.includes(id) ?? true);
  return rows.map(({ id, scenario: seats }) => {
    const scenario: Scenario = { ...seats, ...chosenFrontEnd(options), delays: delay, script: "first" };
    return { id, scenario, expected: expectationOf(scenario) };
  });
}

async function boots(
  row: PlannedRow,
  limits: BootsLimits,
  options: Omit<Parameters<Engines["runBoots"]>[2], "onProgress">,
  { engines, output }: Context,
): Promise<BootsResult> {
  const progress = bootsProgress(output, row.id, limits);
  try {
    return await engines.runBoots(row.scenario, limits, { ...options, onProgress: progress.update });
  } finally {
    progress.stop();
  }
}

function footer(measured: readonly Measured[]): string {
  const seconds = measured.reduce((sum, { result }) => sum + result.seconds, 0);
  return `${seconds.toFixed(1)} s on ${describeMachine(machineInfo())}`;
}

/**
 * The counted runs were not traced, since tracing moves the rate: the row is run again, up to its first hang. What did
 * not hang is traced for one machine's life.
 */
async function bootsTraced({ row, result }: Measured, limits: BootsLimits, context: Context): Promise<BootsResult> {
  const most = result.hangs.length > 0 ? limits : { ...limits, boots: 1 };
  return boots(row, most, { trace: true, stopAtHang: true }, context);
}

/** One hang by the published cause, with its timeline where the traced run met one. */
function showHang({ row, result }: Measured, traced: ReturnType<typeof publishedHang>, { output }: Context): void {
  const { data, colors, columns } = output;
  data(`\n${colors.bold(`One hang of row ${row.id}`)}, in a run with tracing on\n`);
  if (traced) data(timeline(traced.events, { columns, colors, unit: "µs" }));
  else data("None was met: this one is of the counted run and has no timeline.\n");
  data(`\n${hangReport((traced ?? publishedHang(result)!).report)}`);
}

/** The first hang of each other cause: those are findings. */
function showOtherHangs(measured: readonly Measured[], { output }: Context): void {
  const { data, colors } = output;
  for (const { row, result } of measured) {
    for (const { report } of result.hangs.filter(({ report }) => report.cause !== PUBLISHED_CAUSE)) {
      data(`\n${colors.bold(`A hang by another cause, in row ${row.id}`)}\n${hangReport(report)}`);
    }
  }
}
