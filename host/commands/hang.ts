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
import { labelled } from "../report/labelled.js";
import { describeMachine, machineInfo } from "../report/machine.js";
import { expectationOf, type PlannedRow, phaseRows } from "../report/phase-row.js";
import { bootsProgress } from "../report/progress.js";
import { openTraceFile } from "../report/trace-file.js";
import { timeline } from "../report/timeline.js";
import type { BootsLimits, BootsResult, Cause } from "../scenario/outcome.js";
import { ALL_ROWS, ROWS, type Row, SEED } from "../scenario/rows.js";
import type { Delay, FrontEndOptions } from "../scenario/scenario.js";

// A phase of a row ends after this many boots, or with this many hangs: then its rate is known well enough.
const BOOTS = 500;
const ENOUGH_HANGS = 20;

const PUBLISHED_CAUSE: Cause = "kick-consumed-while-disabled";
const SEATS = ["guest", "frontEnd", "backEnd"] as const;

interface HangOptions extends Seats, FrontEndOptions {
  readonly boots: number;
  readonly all?: boolean;
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
  const command = program
    .command("hang")
    .summary("count hangs on real threads, and show one")
    .description(
      `Boots and reboots on real threads and counts the hangs, phase by phase: in the rows ${idsOf(ROWS).join(", ")}, ` +
        "with --all in a row for each claim, or, when a seat is named, in one row `custom`. Then shows one hang.",
    )
    .addOption(
      new Option("--boots <n>", `at most so many boots a phase; ${ENOUGH_HANGS} hangs end it earlier`)
        .argParser(parseCount)
        .default(BOOTS),
    )
    .addOption(new Option("--all", "a row for each claim"))
    .addOption(new Option("--row <id...>", "only these rows").choices(idsOf(ALL_ROWS)).conflicts("all"));
  addOptions(command, ...seatOptions(), ...frontEndOptions(), delayOption(), jsonOption(), traceOption("one hang"))
    .addHelpText(
      "after",
      `
Rows:
${labelled(
  ALL_ROWS.map(({ id, claim }) => [id, claim]),
  "  ",
)}
Points of --delay:
${delayPointsHelp()}

Exit code: 0 when every row held, 1 when one did not, 2 for wrong usage.
A row holds when no boot was undecided and each phase did what is expected:
"hangs" is at least one hang by the published cause (a request's kick consumed
while the ring was disabled), "never" is none, "masked" is a lower rate than row
seed's in the same run, with disjoint intervals (row seed is run beside it). Hangs
by other causes are counted apart. Of a pair that is in none of the rows nothing is
expected, nor that the published pair hangs with --delay, --no-event-idx or another
--guest, --enable-at, --memory or --kick-count: its counts are shown.

A trace is of the hang that is shown, in a run of its own; when nothing hung, of a
boot of the last row.

Examples:
  $ vhostlab hang --row seed --boots 100
  $ vhostlab hang --all
  $ vhostlab hang --row seed --trace hang.json`,
    )
    .action(async (options: HangOptions) => {
      const given = (option: string): boolean => command.getOptionValueSource(option) === "cli";
      context.finish(await hang(planRows(options, given), options, context));
    });
}

async function hang(planned: readonly PlannedRow[], options: HangOptions, context: Context): Promise<number> {
  const limits: BootsLimits = { boots: options.boots, enough: ENOUGH_HANGS };
  const file = openTraceFile(options.trace);
  const measured: Measured[] = [];
  for (const [i, row] of planned.entries()) {
    const title = `${i + 1}/${planned.length} ${row.id}`;
    measured.push({ row, result: await boots(title, row, limits, {}, context) });
  }
  const unmasked = measured.find(({ row }) => row.id === SEED.id)?.result;
  const rows = measured.flatMap(({ row, result }) => phaseRows(row, result, unmasked));
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

function idsOf(rows: readonly { readonly id: string }[]): string[] {
  return rows.map(({ id }) => id);
}

/** @param given whether an option stands on the command line */
function planRows(options: HangOptions, given: (option: string) => boolean): PlannedRow[] {
  const { all, row: wanted, guest, frontEnd, backEnd, delay } = options;
  const seatNamed = SEATS.some(given);
  if (seatNamed && (wanted || all)) {
    throw new UserError(
      `${all ? "--all" : "--row"} names occupants already: leave out --guest, --front-end and --back-end`,
    );
  }
  const changes = Object.fromEntries(Object.entries(chosenFrontEnd(options)).filter(([option]) => given(option)));
  if (seatNamed) {
    const seats = { guest, frontEnd, backEnd };
    return [changed({ id: "custom", scenario: { ...SEED.scenario, ...seats } }, changes, delay)];
  }
  const rows = wanted ? withUnmasked(ALL_ROWS.filter(({ id }) => wanted.includes(id))) : all ? ALL_ROWS : ROWS;
  const asListed = Object.keys(changes).length === 0 && delay.length === 0;
  return asListed ? [...rows] : rows.map((row) => changed(row, changes, delay));
}

/** What is masked is held against row seed. */
function withUnmasked(rows: readonly Row[]): readonly Row[] {
  const needed = rows.some(({ expected }) => expected === "masked") && !rows.includes(SEED);
  return needed ? [SEED, ...rows] : rows;
}

/** Under other conditions a row is no claim of the mail any more. */
function changed(
  { claim: _, expected: __, ...row }: PlannedRow,
  options: Partial<FrontEndOptions>,
  delays: readonly Delay[],
): PlannedRow {
  const scenario = { ...row.scenario, ...options, delays: [...row.scenario.delays, ...delays] };
  const expected = expectationOf(scenario);
  return { ...row, scenario, ...(expected && { expected }) };
}

async function boots(
  title: string,
  row: PlannedRow,
  limits: BootsLimits,
  options: Pick<Parameters<Engines["runBoots"]>[2], "trace" | "stopAtHang">,
  { engines, output }: Context,
): Promise<BootsResult> {
  const progress = bootsProgress(output, title, limits);
  const { cold = [] } = row;
  try {
    return await engines.runBoots(row.scenario, limits, { ...options, cold, onProgress: progress.update });
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
  return boots(`${row.id}, traced`, row, most, { trace: true, stopAtHang: true }, context);
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
