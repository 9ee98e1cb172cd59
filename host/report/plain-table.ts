// A table of text without lines.

import Table from "cli-table3";
import type { Colors } from "./output.js";

const BORDERS = [
  "top",
  "top-mid",
  "top-left",
  "top-right",
  "bottom",
  "bottom-mid",
  "bottom-left",
  "bottom-right",
] as const;
const RULES = ["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"] as const;
const NO_LINES = Object.fromEntries([...BORDERS, ...RULES].map((name) => [name, ""]));

/**
 * Lines, each ended.
 * @param right columns that are set flush right
 */
export function plainTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { colors, right = [] }: { readonly colors: Colors; readonly right?: readonly number[] },
): string {
  const table = new Table({
    head: head.map(colors.bold),
    colAligns: head.map((_, column) => (right.includes(column) ? "right" : "left")),
    chars: NO_LINES,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}
