// vhostlab occupants: who can take which seat, and what stands behind each name.

import type { Command } from "commander";
import { jsonOption } from "../options.js";
import type { Context } from "../program.js";
import { jsonDocument } from "../report/json.js";
import { labelled } from "../report/labelled.js";
import { OCCUPANTS } from "../scenario/occupants.js";

export function addOccupants(program: Command, context: Context): void {
  program
    .command("occupants")
    .summary("list who can take which seat")
    .description("Lists the occupants of each seat: the released programs each stands for, and how that is known.")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Known by: "measured" on the real program, "read" in its source, or "inferred"
from its neighbours and its history.

Example:
  $ vhostlab occupants`,
    )
    .action(({ json }: { json?: boolean }) => {
      context.output.data(json ? jsonDocument({ occupants: OCCUPANTS }) : list(context));
    });
}

function list({ output: { colors } }: Context): string {
  const entries = OCCUPANTS.map(({ seat, name, standsFor, does, certainty, source }) => {
    const facts = labelled(
      [
        ["stands for", standsFor],
        ["does", does],
        ["known", `${certainty}: ${source}`],
      ],
      "  ",
    );
    return `${seat} ${colors.bold(name)}\n${facts}`;
  });
  return entries.join("\n");
}
