// The command line: which commands there are, and how each way of ending becomes an exit code.

import { Command, CommanderError } from "commander";
import { addBench } from "./commands/bench.js";
import { addBoot } from "./commands/boot.js";
import { addCompare } from "./commands/compare.js";
import { addExplore } from "./commands/explore.js";
import { addHang } from "./commands/hang.js";
import { addMatrix } from "./commands/matrix.js";
import { addOccupants } from "./commands/occupants.js";
import { addProbe } from "./commands/probe.js";
import { addReplay } from "./commands/replay.js";
import { addScenarios } from "./commands/scenarios.js";
import type { Engines } from "./engines.js";
import { LabError, UserError } from "./errors.js";
import { version } from "./package.js";
import type { Output } from "./report/output.js";
import type { Input } from "./threads/lab.js";

/** What a command gets. It answers with its exit code. */
export interface Context {
  readonly engines: Engines;
  readonly output: Output;
  /** Standard input. */
  readonly input: Input;
  finish(exitCode: number): void;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** A bug of ours: EX_SOFTWARE of sysexits.h. */
const EXIT_BUG = 70;

/** @param argv what follows the program's name. @returns the exit code */
export async function run(
  argv: readonly string[],
  engines: Engines,
  output: Output,
  input: Input = [],
): Promise<number> {
  let exitCode = 0;
  const context: Context = { engines, output, input, finish: (code) => (exitCode = code) };
  try {
    await createProgram(context).parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    return explain(error, output);
  }
}

function createProgram(context: Context): Command {
  const { output } = context;
  const program = new Command("vhostlab")
    .description("A laboratory for virtio and vhost-user devices.")
    .version(version)
    .exitOverride() // before the commands are added: they inherit these settings
    .showSuggestionAfterError(false)
    .configureOutput({
      writeOut: (text) => output.data(text),
      writeErr: (text) => output.talk(text),
      outputError: (text, write) => write(text.replace(/^error: /, "vhostlab: ")),
      getOutHelpWidth: () => output.columns,
    })
    .addHelpText("after", "\nExample:\n  $ vhostlab hang");
  addHang(program, context);
  addBoot(program, context);
  addExplore(program, context);
  addMatrix(program, context);
  addReplay(program, context);
  addProbe(program, context);
  addCompare(program, context);
  addOccupants(program, context);
  addScenarios(program, context);
  addBench(program, context);
  return program;
}

function explain(error: unknown, output: Output): number {
  // Commander has written its line, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof UserError || error instanceof LabError) {
    output.talk(`vhostlab: ${error.message.replace(/\s*\n\s*/g, " ")}\n`);
    return error instanceof UserError ? EXIT_USAGE : EXIT_FAILED;
  }
  output.talk(`vhostlab: a bug of vhostlab's own\n${error instanceof Error ? error.stack : String(error)}\n`);
  return EXIT_BUG;
}
