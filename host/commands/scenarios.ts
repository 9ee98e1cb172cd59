// vhostlab scenarios: what can be run. A scenario's name is the head of a schedule.

import type { Command } from "commander";
import { OPTIONS } from "../explore/schedule.js";
import { jsonOption } from "../options.js";
import type { Context } from "../program.js";
import { jsonDocument } from "../report/json.js";
import { type Fact, labelled } from "../report/labelled.js";
import { SCRIPT } from "../scenario/catalog/index.js";
import { GUESTS } from "../scenario/occupants.js";
import { ENABLE_AT, PAIRS, SCRIPTS } from "../scenario/scenario.js";

const FORM = "GUEST:FRONT-END:BACK-END:ENABLE-AT:SCRIPT[:OPTION…]";

export function addScenarios(program: Command, context: Context): void {
  program
    .command("scenarios")
    .summary("list what a scenario is made of")
    .description(`Lists guests, pairs, scripts and options: one of each, and any options, are a scenario, ${FORM}.`)
    .addOption(jsonOption())
    .addHelpText("after", "\nExample:\n  $ vhostlab scenarios")
    .action(({ json }: { json?: boolean }) => {
      context.output.data(json ? jsonDocument(document()) : list(context));
    });
}

function document() {
  return {
    form: FORM,
    guests: GUESTS,
    pairs: PAIRS,
    enableAt: ENABLE_AT,
    scripts: SCRIPTS.map((name) => ({ name, about: SCRIPT[name].about, only: SCRIPT[name].only })),
    options: Object.entries(OPTIONS).map(([name, sets]) => ({ name, sets })),
  };
}

function list({ output: { colors } }: Context): string {
  const { form, guests, pairs, enableAt, scripts, options } = document();
  const section = (title: string, lines: string): string => `\n${colors.bold(title)}\n${lines}`;
  const frontEnds = [...new Set(pairs.map(({ frontEnd }) => frontEnd))];
  const behind = (name: string): string =>
    pairs
      .filter(({ frontEnd }) => frontEnd === name)
      .map(({ backEnd }) => backEnd)
      .join(", ");
  return [
    `${form}\n`,
    section("guest", `  ${guests.join(", ")}\n`),
    section(
      "front-end:back-end",
      labelled(
        frontEnds.map((name) => [name, behind(name)]),
        "  ",
      ),
    ),
    section("enable-at", `  ${enableAt.join(", ")}\n`),
    section(
      "script",
      labelled(
        scripts.flatMap(({ name, about, only }): Fact[] => [
          [name, about],
          ...(only ? [["", `for ${only.name} only`] as const] : []),
        ]),
        "  ",
      ),
    ),
    section(
      "option",
      labelled(
        options.map(({ name, sets }) => [name, settings(sets)]),
        "  ",
      ),
    ),
  ].join("");
}

/** As on the command line. */
function settings(sets: object): string {
  const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return Object.entries(sets)
    .map(([key, value]) => (value === false ? `--no-${kebab(key)}` : `--${kebab(key)} ${value}`))
    .join(" ");
}
