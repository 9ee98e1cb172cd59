// vhostlab bench: how fast is the ring by itself?

import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { FEATURES, type Feature, type RingOptions, refusedOptions, ringOptions } from "../bench/ring/options.js";
import type { RingCase } from "../bench/ring/measure.js";
import { UserError } from "../errors.js";
import { addOptions, jsonOption, parseCount } from "../options.js";
import type { Context } from "../program.js";
import { jsonDocument } from "../report/json.js";
import { describeMachine, machineInfo } from "../report/machine.js";
import { OutFile } from "../report/out-file.js";

const RINGS = [128, 256, 1024, 32768];
const WINDOW_SECONDS = 0.1;
const RUNS = 15;
const PATH_SECONDS = 0.5;
const PATH_RUNS = 7;

interface RingBenchOptions {
  readonly ring: readonly number[];
  readonly batch?: readonly number[];
  readonly outstanding?: number;
  readonly features: readonly Feature[];
  readonly chain: number;
  readonly payload: readonly number[];
  readonly notify: RingOptions["notify"];
  readonly queues: number;
  readonly against?: "native" | "js";
  readonly seconds: number;
  readonly runs: number;
  readonly svg?: string;
  readonly compare?: readonly string[];
  readonly json?: boolean;
}

interface PathBenchOptions {
  readonly seconds: number;
  readonly runs: number;
  readonly json?: boolean;
}

export function addBench(program: Command, context: Context): void {
  const bench = program.command("bench").description("Measures the lab itself.");
  const ring = bench
    .command("ring")
    .summary("ns a request through the ring, on two threads")
    .description(
      "Puts requests through virtqueues: driver.wasm on one core, the ring.wasm of every back-end on another, over guest " +
        "RAM. Where an option has several values, each combination is a case.",
    );
  addOptions(
    ring,
    new Option("--ring <n,...>", "entries of a queue").argParser(listOf(parseRing)).default([256], "256"),
    new Option("--batch <n,...>", "chains offered by one store of avail.idx").argParser(listOf(parseCount)),
    new Option("--outstanding <n>", "chains of a queue in flight at most").argParser(parseCount),
    new Option("--features <name,...>", `of ${FEATURES.join(", ")}`)
      .argParser(listOf(parseFeature))
      .default([], "none"),
    new Option("--chain <n>", "buffers of a request").argParser(parseCount).default(1),
    new Option("--payload <bytes,...>", "bytes that the driver copies in and the device out")
      .argParser(listOf(parseBytes))
      .default([0], "0"),
    new Option("--notify <how>", "both sides poll, or sleep on eventfds").choices(["poll", "eventfd"]).default("poll"),
    new Option("--queues <n>", "queues, served in turn by the same two threads").argParser(parseCount).default(1),
    new Option("--against <other>", "run the same algorithm in turn: in C, or in TypeScript").choices(["native", "js"]),
    new Option("--seconds <s>", "of a window").argParser(parseSeconds).default(WINDOW_SECONDS),
    new Option("--runs <n>", "clean windows wanted").argParser(parseCount).default(RUNS),
    new Option("--svg <file>", "charts against each option that has several values"),
    new Option("--compare <file...>", "no run: two documents of --json, case by case").conflicts("json"),
    jsonOption(),
  )
    .addHelpText("after", RING_HELP)
    .action(async (options: RingBenchOptions) =>
      context.finish(options.compare ? await compareRuns(options.compare, context) : await benchRing(options, context)),
    );

  const path = bench
    .command("path")
    .summary("the whole way of a FUSE request and back")
    .description(
      "A guest makes one request after the other: notify, kick, data plane, FUSE, used ring, call, guest. The file that it " +
        "reads lies in memory. Time by stage is of a run of its own, with tracing on.",
    );
  addOptions(
    path,
    new Option("--seconds <s>", "of a run").argParser(parseSeconds).default(PATH_SECONDS),
    new Option("--runs <n>", "runs that count").argParser(parseCount).default(PATH_RUNS),
    jsonOption(),
  ).action(async (options: PathBenchOptions) => context.finish(await benchPath(options, context)));
}

const RING_HELP = `
Only windows in which both threads had their cores count; with --against, only pairs
of such windows. "not measurable now" is an answer: something else is running. Each
contender runs at its own best back-off, of a sweep that is printed. With --notify
eventfd, --against native is a ping-pong of two threads of C on a futex.

Exit code: 0, 1 when a case was not measurable or another is missing, 2 for wrong usage.

Examples:
  $ vhostlab bench ring --batch 1,32,64 --against native
  $ vhostlab bench ring --payload 64,1024,65536 --against native --svg payload.svg
  $ vhostlab bench ring --batch 1 --outstanding 1 --notify eventfd --against native`;

async function compareRuns(files: readonly string[], { output }: Context): Promise<number> {
  const { compare, parseDocument } = await import("../bench/ring/compare.js");
  const { comparisonReport } = await import("../report/ring-report.js");
  const [before, after] = files;
  if (files.length !== 2) throw new UserError("--compare takes two files");
  const [one, two] = [before!, after!].map((file) => {
    const document = parseDocument(textOf(file));
    if ("unlike" in document) throw new UserError(`${file}: ${document.unlike}`);
    return document;
  });
  const compared = compare(one!, two!);
  if ("unlike" in compared) throw new UserError(`these were not measured alike: ${compared.unlike}`);
  output.data(comparisonReport(compared));
  return 0;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

async function benchPath(options: PathBenchOptions, { output }: Context): Promise<number> {
  const { measurePath, PATH_CASES } = await import("../bench/path/path.js");
  const { nodePlatform } = await import("../threads/spawn.js");
  const { pathReport } = await import("../report/path-report.js");
  const cases = [];
  for (const one of PATH_CASES) {
    const measured = await measurePath(nodePlatform, one, options);
    cases.push(measured);
    if (!options.json) output.data(pathReport(measured));
  }
  if (options.json) output.data(jsonDocument({ cases }));
  else output.data(`${output.colors.dim(describeMachine(machineInfo()))}\n`);
  return 0;
}

async function benchRing(options: RingBenchOptions, { output }: Context): Promise<number> {
  const chosen = casesOf(options);
  const { runCase } = await import("../bench/ring/run.js");
  const { nodePlatform } = await import("../threads/spawn.js");
  const { ringReport } = await import("../report/ring-report.js");
  const { axesOf, ringCharts } = await import("../report/ring-chart.js");
  const axes = axesOf(chosen.map((options) => ({ options })));
  if (options.svg && axes.length === 0)
    throw new UserError("--svg needs several values of --batch, --payload or --ring");
  const svg = OutFile.open(options.svg, "SVG");
  const cases: RingCase[] = [];
  for (const one of chosen) {
    const measured = await runCase(nodePlatform, one, options.against, options);
    cases.push(measured);
    if (!options.json) output.data(ringReport(measured));
  }
  if (options.json) output.data(jsonDocument({ cases }));
  else output.data(`${output.colors.dim(describeMachine(machineInfo()))}\n`);
  svg?.write(ringCharts(cases, axes));
  return cases.every(({ nsPerRequest }) => nsPerRequest) ? 0 : 1;
}

/** Each combination, checked. */
function casesOf({ ring, batch = [], payload, ...same }: RingBenchOptions): RingOptions[] {
  const { outstanding, features, chain, notify, queues } = same;
  const batches = batch.length > 0 ? batch : [undefined];
  const cases = ring.flatMap((ring) =>
    batches.flatMap((batch) =>
      payload.map((payload) =>
        ringOptions({
          ring,
          payload,
          features,
          chain,
          notify,
          queues,
          ...(batch !== undefined && { batch }),
          ...(outstanding !== undefined && { outstanding }),
        }),
      ),
    ),
  );
  for (const one of cases) {
    const refused = refusedOptions(one);
    if (refused) throw new UserError(refused);
  }
  return cases;
}

function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(",").map(parse);
}

function parseRing(text: string): number {
  const size = Number(text);
  if (!RINGS.includes(size)) throw new InvalidArgumentError(`Allowed sizes are ${RINGS.join(", ")}.`);
  return size;
}

function parseFeature(text: string): Feature {
  const feature = FEATURES.find((name) => name === text);
  if (!feature) throw new InvalidArgumentError(`Allowed features are ${FEATURES.join(", ")}.`);
  return feature;
}

function parseBytes(text: string): number {
  const bytes = Number(text);
  if (!/^\d+$/.test(text) || bytes > 1 << 30)
    throw new InvalidArgumentError("A number of bytes up to 1 GiB is wanted.");
  return bytes;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 10)) throw new InvalidArgumentError("Seconds up to 10 are wanted, for example 0.1.");
  return seconds;
}
