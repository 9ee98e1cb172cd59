// The table of `vhostlab hang`.

import type { Colors, Output } from "./output.js";
import { broken, type PhaseRow } from "./phase-row.js";
import { interval, legend, NOTHING, others, rate } from "./phase-words.js";
import { plainTable } from "./plain-table.js";

interface Column {
  readonly head: string;
  readonly align?: "right";
  /** Says which occupants a row has: left to a list above the table when the terminal is narrow. */
  readonly seat?: true;
  readonly cell: (row: PhaseRow, colors: Colors) => string;
}

/** Below this the seats do not fit beside the counts. */
const WIDE = 108;

const COLUMNS: readonly Column[] = [
  { head: "row", cell: (row) => row.id },
  { head: "guest", seat: true, cell: (row) => row.guest },
  { head: "front-end", seat: true, cell: (row) => row.frontEnd },
  { head: "back-end", seat: true, cell: (row) => row.backEnd },
  { head: "phase", cell: (row) => row.phase },
  { head: "boots", align: "right", cell: (row) => String(row.boots) },
  { head: "hangs", align: "right", cell: (row, colors) => (row.hangs > 0 ? colors.bold(row.hangs) : "0") },
  { head: "rate", align: "right", cell: rate },
  { head: "95 % interval", cell: interval },
  { head: "other hangs", cell: (row, colors) => colors.yellow(others(row)) },
  { head: "expected", cell: (row) => row.expected ?? NOTHING },
  { head: "held", cell: (row, colors) => (row.held ? colors.green("yes") : colors.bold(colors.red("no"))) },
];

/** Lines, each ended: the table, what its figures mean, and each row that did not hold with the reason. */
export function hangTable(rows: readonly PhaseRow[], { columns, colors }: Pick<Output, "columns" | "colors">): string {
  const wide = columns >= WIDE;
  const shown = COLUMNS.filter((column) => wide || !column.seat);
  const table = plainTable(
    shown.map((column) => column.head),
    rows.map((row) => shown.map((column) => column.cell(row, colors))),
    { colors, right: [...shown.keys()].filter((i) => shown[i]!.align === "right") },
  );
  const lines = ["", ...legend(rows).map(colors.dim)];
  for (const row of rows.filter((row) => !row.held)) {
    lines.push(colors.red(`not held: ${row.id}, ${row.phase}: ${broken(row.expected, row)}`));
  }
  const above = wide ? [] : [...seats(rows), ""];
  return above.map(ended).join("") + table + lines.map(ended).join("");
}

const ended = (line: string): string => `${line.trimEnd()}\n`;

function seats(rows: readonly PhaseRow[]): string[] {
  const ids = [...new Set(rows.map((row) => row.id))];
  const width = Math.max(...ids.map((id) => id.length));
  return ids.map((id) => {
    const { guest, frontEnd, backEnd } = rows.find((row) => row.id === id)!;
    return `${id.padEnd(width)}  ${guest}, ${frontEnd}, ${backEnd}`;
  });
}
