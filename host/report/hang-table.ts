// The table of `vhostlab hang`.

import { stripVTControlCharacters } from "node:util";
import type { Colors, Output } from "./output.js";
import { FRONT_END_DEFAULTS } from "../scenario/scenario.js";
import { type Fact, labelled } from "./labelled.js";
import type { PhaseRow } from "./phase-row.js";
import { effects, interval, legend, NOTHING, others, phasesCompared, rate } from "./phase-words.js";
import { plainTable } from "./plain-table.js";

interface Column {
  readonly head: string;
  readonly align?: "right";
  /** Where the terminal is too narrow: seats go into a list above the table, other hangs into one below it. */
  readonly apart?: "seat" | "others";
  readonly cell: (row: PhaseRow, colors: Colors) => string;
}

const COLUMNS: readonly Column[] = [
  { head: "row", cell: (row) => row.id },
  { head: "guest", apart: "seat", cell: (row) => row.guest },
  { head: "front-end", apart: "seat", cell: (row) => row.frontEnd },
  { head: "back-end", apart: "seat", cell: (row) => row.backEnd },
  { head: "phase", cell: (row) => row.phase },
  { head: "boots", align: "right", cell: (row) => String(row.boots) },
  { head: "hangs", align: "right", cell: (row, colors) => (row.hangs > 0 ? colors.bold(row.hangs) : "0") },
  { head: "rate", align: "right", cell: rate },
  { head: "95 % interval", cell: interval },
  { head: "effect", cell: effects },
  { head: "other hangs", apart: "others", cell: (row, colors) => colors.yellow(others(row)) },
  { head: "expected", cell: (row) => row.expected ?? NOTHING },
  { head: "held", cell: (row, colors) => (row.held ? colors.green("yes") : colors.bold(colors.red("no"))) },
];

/** What stands apart from the table: the first layout that fits is taken. */
const LAYOUTS: readonly (readonly Column["apart"][])[] = [[], ["seat"], ["seat", "others"]];

/** Lines, each ended: the table, what each row shows, what its figures mean, and each row that did not hold. */
export function hangTable(rows: readonly PhaseRow[], { columns, colors }: Pick<Output, "columns" | "colors">): string {
  const layouts = LAYOUTS.map((apart) => ({ apart, lines: tableOf(rows, apart, colors) }));
  const fitting = layouts.find(({ lines }) => lines.every((line) => stripVTControlCharacters(line).length <= columns));
  const { apart, lines } = fitting ?? layouts.at(-1)!;
  const phases = [...new Set(rows.map(({ id }) => id))].map((id) => rows.filter((row) => row.id === id));
  const notHeld = rows.flatMap(({ id, phase, broken }) => (broken ? [`not held: ${id}, ${phase}: ${broken}`] : []));
  const blocks = [
    apart.includes("seat") ? factLines(phases.map(seats)) : [],
    lines,
    apart.includes("others") ? factLines(rows.flatMap(otherHangs)) : [],
    factLines(phases.flatMap(shown)),
    [...legend(rows).map(colors.dim), ...notHeld.map(colors.red)],
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.map((line) => `${line}\n`).join(""))
    .join("\n");
}

function tableOf(rows: readonly PhaseRow[], apart: readonly Column["apart"][], colors: Colors): string[] {
  const columns = COLUMNS.filter((column) => !column.apart || !apart.includes(column.apart));
  const table = plainTable(
    columns.map((column) => column.head),
    rows.map((row) => columns.map((column) => column.cell(row, colors))),
    { colors, right: [...columns.keys()].filter((i) => columns[i]!.align === "right") },
  );
  return table.split("\n").slice(0, -1);
}

function factLines(facts: readonly Fact[]): string[] {
  return labelled(facts).split("\n").slice(0, -1);
}

/** Who sits where, and what is not as it is by default. */
function seats([row]: readonly PhaseRow[]): Fact {
  const { id, guest, frontEnd, backEnd, enableAt, memory, kickCount, eventIdx, inOrder, delays, cold = [] } = row!;
  const changes = [
    enableAt !== FRONT_END_DEFAULTS.enableAt && `messages at ${enableAt}`,
    memory !== FRONT_END_DEFAULTS.memory && `memory ${memory}`,
    kickCount !== FRONT_END_DEFAULTS.kickCount && `kick count ${kickCount}`,
    eventIdx !== FRONT_END_DEFAULTS.eventIdx && "EVENT_IDX not offered",
    inOrder !== FRONT_END_DEFAULTS.inOrder && "IN_ORDER offered",
    ...delays.map(({ point, micros }) => `${point}=${micros}us`),
    cold.length > 0 && `new ${cold.join(" and ")} plane`,
  ];
  return [id, [guest, frontEnd, backEnd, ...changes.filter((change) => change !== false)].join(", ")];
}

function otherHangs(row: PhaseRow): Fact[] {
  const found = others(row);
  return found === NOTHING ? [] : [[`${row.id}, ${row.phase}`, `other hangs: ${found}`]];
}

/** The claim of a row, and how its two phases compare where nothing masks them. */
function shown([first, reboot]: readonly PhaseRow[]): Fact[] {
  const { id, claim, expected } = first!;
  const compared = expected === "masked" || first!.hangs + reboot!.hangs === 0 ? [] : [phasesCompared(first!, reboot!)];
  return [...(claim ? [claim] : []), ...compared].map((text, i): Fact => [i === 0 ? id : "", text]);
}
