// vhostlab boot: one boot with a host directory shared, and one file command in the guest.

import { Argument, type Command } from "commander";
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
    .summary("boot a guest that reads a shared host directory")
    .description(
      "Boots a guest with a host directory shared through virtiofs, and reads a file or lists a directory in it.",
    )
    .usage("--share <dir> [options] -- cat|ls <path>")
    .addArgument(new Argument("<command>", "what the guest does").choices(["cat", "ls"]))
    .addArgument(new Argument("<path>", "a path inside the share"))
    .requiredOption("--share <dir>", "the host directory that the guest sees");
  addOptions(command, ...seatOptions(), ...frontEndOptions(), traceOption("the boot"))
    .addHelpText(
      "after",
      `
The guest's output is written as it comes, byte for byte.
Exit code: 0, 1 when the guest failed, 2 for wrong usage.

A trace of a long boot has its end: each actor keeps its newest events.

Examples:
  $ vhostlab boot --share . -- cat README.md
  $ vhostlab boot --share . --trace boot.json -- ls .`,
    )
    .action(async (verb: string, path: string, options: BootOptions) =>
      context.finish(await boot([verb, path], options, context)),
    );
}

async function boot(guestArgs: readonly string[], options: BootOptions, { engines, output }: Context): Promise<number> {
  const { share, trace, ...chosen } = options;
  const scenario: Scenario = { ...chosen, delays: [], script: "first" };
  const file = openTraceFile(trace);
  const exitCode = await engines.bootOnce(
    scenario,
    share,
    guestArgs,
    { stdout: output.data, stderr: output.talk },
    file && ((recording) => file.write(recording, scenario, "µs")),
  );
  return exitCode === 0 ? 0 : 1;
}
