// vhostlab boot: one boot with a host directory shared, and what the guest is told to do with it.

import type { Command } from "commander";
import { addOptions, frontEndOptions, type Seats, seatOptions, traceOption } from "../options.js";
import type { Context } from "../program.js";
import { openTraceFile } from "../report/trace-file.js";
import type { FrontEndOptions, Scenario } from "../scenario/scenario.js";

interface BootOptions extends Seats, FrontEndOptions {
  readonly share: string;
  readonly trace?: string;
}

export function addBoot(program: Command, context: Context): void {
  const command = program
    .command("boot")
    .summary("boot a guest that uses a shared host directory")
    .description(
      "Boots a guest with a host directory shared through virtiofs. Its shell does one command, or asks for them.",
    )
    .usage("--share <dir> [options] [-- <command>...]")
    .argument("[command...]", "what the guest does")
    .requiredOption("--share <dir>", "the host directory that the guest sees");
  addOptions(command, ...seatOptions("shell"), ...frontEndOptions(), traceOption("the boot"))
    .addHelpText(
      "after",
      `
Commands:
  shell:  ls [PATH], cat PATH, stat PATH, write PATH (from standard input), cp FROM TO, mv FROM TO,
          mkdir PATH, rm PATH, df, bulk N (makes, renames, lists and removes N small files; counts interrupts)
  ovmf:   ls PATH, cat PATH
  linux:  [--mount-delay-us N] [reads N PATH] (with up to N reads in flight), or [forget PATH] (uses both queues)
The guest's output is written as it comes, byte for byte.
Exit code: 0, 1 when the guest failed, 2 for wrong usage.

A trace of a long boot has its end: each actor keeps its newest events.

Examples:
  $ vhostlab boot --share . -- cat README.md
  $ vhostlab boot --share . --trace boot.json -- ls .`,
    )
    .action(async (words: readonly string[], options: BootOptions) =>
      context.finish(await boot(words, options, context)),
    );
}

/** The guests' own exit code for a command line that they do not know. */
const GUEST_USAGE = 2;

async function boot(guestArgs: readonly string[], options: BootOptions, context: Context): Promise<number> {
  const { engines, input, output } = context;
  const { share, trace, ...chosen } = options;
  const scenario: Scenario = { ...chosen, delays: [], script: "first" };
  const file = openTraceFile(trace);
  const exitCode = await engines.bootOnce(
    scenario,
    share,
    guestArgs,
    { stdout: output.data, stderr: output.talk, stdin: input },
    file && ((recording) => file.write(recording, scenario, "µs")),
  );
  return exitCode === 0 || exitCode === GUEST_USAGE ? exitCode : 1;
}
