// vhostlab probe: our front-end against a real back-end.

import { type Command, Option } from "commander";
import { addOptions, jsonOption, parseCount, parseIndex, traceOption } from "../options.js";
import type { Target } from "../probe/probe.js";
import { type ProbeResult, stood } from "../probe/result.js";
import { SOCKET_FRONT_ENDS, STORIES, STORY_NAMES, type StoryName } from "../probe/stories.js";
import type { SocketFrontEnd } from "../probe/machine.js";
import type { Context } from "../program.js";
import { jsonDocument } from "../report/json.js";
import { junitXml } from "../report/junit.js";
import { brokenRules, conformanceTable, losses, scenarioTable } from "../report/probe-table.js";
import { lineProgress } from "../report/progress.js";
import { OutFile } from "../report/out-file.js";
import { openTraceFile } from "../report/trace-file.js";
import { FRONT_END_DEFAULTS } from "../scenario/scenario.js";
import { addTarget, targetOf } from "./back-end-target.js";

const TRIALS = 20;
const SEED = 1;

interface ProbeOptions {
  readonly socket?: string;
  readonly scenario: readonly StoryName[];
  readonly frontEnd: readonly SocketFrontEnd[];
  readonly queue?: number;
  readonly trials: number;
  readonly seed: number;
  readonly conformance: boolean;
  readonly json?: boolean;
  readonly junit?: string;
  readonly trace?: string;
}

export function addProbe(program: Command, context: Context): void {
  const command = program
    .command("probe")
    .summary("test a real back-end")
    .description(
      "Connects to a real vhost-user back-end for a file system as each front-end does, forces orders of messages and " +
        "kicks on it, and checks rules of vhost-user.rst.",
    );
  addTarget(command);
  addOptions(
    command,
    new Option("--scenario <id...>", "only these").choices(STORY_NAMES).default(STORY_NAMES, "all"),
    new Option("--front-end <vmm...>", "only as these").choices(SOCKET_FRONT_ENDS).default(SOCKET_FRONT_ENDS, "all"),
    new Option("--queue <n>", "a device of another type: requests that mean nothing go to this queue").argParser(
      parseIndex,
    ),
    new Option("--trials <n>", "so many connections a row; more where it waits for a coincidence")
      .argParser(parseCount)
      .default(TRIALS),
    new Option("--seed <n>", "of the random pauses").argParser(parseCount).default(SEED),
    new Option("--no-conformance", "leave the rules out"),
    jsonOption(),
    new Option("--junit <file>", "write the verdicts as JUnit XML"),
    traceOption("the first trial that was lost, or the last one,"),
  )
    .addHelpText(
      "after",
      `
Scenarios:
${STORY_NAMES.map((name) => `  ${name.padEnd(24)}  ${STORIES[name].about}`).join("\n")}

A request that is answered only after one more kick was lost; slow is an answer that
comes late by itself; wedged is none at all; broken is a back-end that dies, hangs up,
says nothing or nonsense. Linux only.

Exit code: 0 when nothing was lost, wedged or broken and no rule failed; 1 otherwise;
2 for wrong usage.

Examples:
  $ vhostlab probe -- virtiofsd --socket-path={socket} --shared-dir=/tmp --sandbox=none
  $ vhostlab probe --socket /run/my-back-end.sock --junit probe.xml`,
    )
    .action(async (words: string[], options: ProbeOptions) =>
      context.finish(await probe(targetOf(words, options.socket), options, context)),
    );
}

async function probe(target: Target, options: ProbeOptions, { engines, output }: Context): Promise<number> {
  const { scenario: stories, frontEnd: frontEnds, queue, trials, seed, conformance, json, junit, trace } = options;
  const file = openTraceFile(trace);
  const junitFile = OutFile.open(junit, "JUnit");
  const progress = lineProgress(output);
  const result = await engines
    .probe(target, {
      stories,
      frontEnds,
      trials,
      seed,
      conformance,
      ...(queue !== undefined && { otherQueue: queue }),
      onProgress: progress.update,
    })
    .finally(() => progress.stop());
  if (json) output.data(document(result));
  else output.data(text(result, output));
  junitFile?.write(junitXml(result));
  if (file && result.traced) {
    const { events, frontEnd, story } = result.traced;
    const { script } = STORIES[story];
    const seats = { guest: "ovmf", frontEnd, backEnd: result.backEnd } as const;
    file.write({ events }, { ...FRONT_END_DEFAULTS, ...seats, delays: [], script }, "µs", { story });
  }
  return stood(result) ? 0 : 1;
}

function document({ backEnd, scenarios, conformance }: ProbeResult): string {
  return jsonDocument({ backEnd, scenarios, conformance });
}

function text(result: ProbeResult, look: Context["output"]): string {
  const { scenarios, conformance } = result;
  const parts = [
    ...(scenarios.length > 0 ? [scenarioTable(scenarios, look), losses(scenarios, look)] : []),
    ...(conformance.length > 0 ? [conformanceTable(conformance, look), brokenRules(result)] : []),
  ];
  return parts.filter((part) => part !== "").join("\n");
}
