// The matrix: its cells as data, how they differ from those recorded, and the table for people.

import type { Breach, Cause, Effect, ExploreResult } from "../scenario/outcome.js";
import type { FrontEndOptions, Scenario } from "../scenario/scenario.js";
import type { Colors } from "./output.js";
import { plainTable } from "./plain-table.js";

/** A scenario and what a search found, without what differs from machine to machine. */
export interface Cell
  extends Pick<Scenario, "guest" | "script" | "frontEnd" | "backEnd">,
    Omit<ExploreResult, "causes" | "hangs" | "breaches" | "ms"> {
  readonly options: FrontEndOptions;
  /** Each way in which it hangs, with a shortest schedule; shortest first. */
  readonly hangs: readonly { readonly cause: Cause; readonly effect: Effect; readonly schedule: string }[];
  /** Each rule that is broken, with a shortest schedule that does; absent: none. */
  readonly breaches?: readonly (Pick<Breach, "rule" | "detail"> & { readonly schedule: string })[];
}

export function cellOf(scenario: Scenario, result: ExploreResult): Cell {
  const { guest, script, frontEnd, backEnd, enableAt, memory, kickCount, eventIdx, inOrder } = scenario;
  const { causes: _causes, ms: _ms, hangs, breaches, ...found } = result;
  const broken = breaches.map(({ rule, detail, schedule }) => ({ rule, detail, schedule }));
  return {
    guest,
    script,
    frontEnd,
    backEnd,
    options: { enableAt, memory, kickCount, eventIdx, inOrder },
    ...found,
    hangs: hangs.map(({ schedule, report: { cause, effect } }) => ({ cause, effect, schedule })),
    ...(broken.length > 0 && { breaches: broken }),
  };
}

/** What tells it from other cells. */
export const nameOf = ({ guest, script, frontEnd, backEnd, options }: Cell): string =>
  [guest, script, frontEnd, backEnd, ...Object.values(options)].join(" ");

/** A line for each cell that is not as it is recorded, with what differs. */
export function differences(cells: readonly Cell[], recorded: readonly Cell[]): string[] {
  const known = new Map(recorded.map((cell) => [nameOf(cell), cell]));
  return cells.flatMap((cell) => {
    const before = known.get(nameOf(cell));
    if (!before) return [`${nameOf(cell)}: not recorded`];
    const fields = [...new Set([...Object.keys(before), ...Object.keys(cell)])] as (keyof Cell)[];
    const changed = fields.filter((field) => JSON.stringify(cell[field]) !== JSON.stringify(before[field]));
    if (changed.length === 0) return [];
    const changes = changed.map((field) => `${field} ${said(before, field)} -> ${said(cell, field)}`);
    return [`${nameOf(cell)}: ${changes.join("; ")}`];
  });
}

function said(cell: Partial<Cell>, field: keyof Cell): string {
  const { [field]: value, hangs = [], breaches = [] } = cell;
  if (field === "breaches")
    return breaches.map(({ rule, detail, schedule }) => `${rule} (${detail}) by ${schedule}`).join(", ") || "none";
  if (field !== "hangs") return String(value);
  return hangs.map(({ cause, effect, schedule }) => `${cause} (${effect}) by ${schedule}`).join(", ") || "none";
}

const LETTER: Readonly<Record<Cause, string>> = {
  "kick-consumed-while-disabled": "k",
  "worker-died": "w",
  "worker-spins": "s",
  "no-reply": "r",
  "request-skipped": "q",
  "driver-gave-up": "g",
  "back-end-aborted": "a",
  other: "o",
};

/** Pairs from top to bottom, guests and scripts from left to right. Lines, each ended. */
export function matrixTable(cells: readonly Cell[], colors: Colors): string {
  const columns = distinct(cells.map(({ guest, script }) => `${guest}\n${script.replaceAll("-", "-\n")}`));
  const columnOf = ({ guest, script }: Cell): string => `${guest}\n${script.replaceAll("-", "-\n")}`;
  const pairs = distinct(cells.map(({ frontEnd, backEnd }) => `${frontEnd} ${backEnd}`));
  const rows = pairs.map((pair) => {
    const row = cells.filter(({ frontEnd, backEnd }) => `${frontEnd} ${backEnd}` === pair);
    const found = columns.map((column) => row.filter((cell) => columnOf(cell) === column));
    return [...pair.split(" "), ...found.map((cells) => cells.map((cell) => verdict(cell, colors)).join(" "))];
  });
  return `${plainTable(["front-end", "back-end", ...columns], rows, { colors })}\n${colors.dim(legend(cells))}\n`;
}

function verdict({ verdict, hangs, breaches, complete }: Cell, colors: Colors): string {
  const letters = distinct(hangs.map(({ cause }) => LETTER[cause])).sort();
  const text = [verdict, letters.join("")].join(" ").trim() + (breaches ? "!" : "");
  if (!complete) return colors.yellow(`${text}?`);
  return verdict === "never" ? colors.green(text) : colors.red(text);
}

function legend(cells: readonly Cell[]): string {
  const causes = (Object.keys(LETTER) as Cause[]).filter((cause) =>
    cells.some(({ hangs }) => hangs.some((hang) => hang.cause === cause)),
  );
  const letters = causes.map((cause) => `${LETTER[cause]}: ${cause}`);
  const why = distinct(cells.flatMap(({ whyNot }) => whyNot ?? []));
  const incomplete = why.length > 0 ? [`?: the search is not complete, ${why.join(" or ")}`] : [];
  const rules = distinct(cells.flatMap(({ breaches = [] }) => breaches.map(({ rule }) => rule)));
  const broken = rules.length > 0 ? [`!: a schedule breaks a rule (${rules.join(", ")})`] : [];
  return ["never, can, always: of all schedules, how many hang", ...letters, ...broken, ...incomplete].join("; ");
}

const distinct = (values: readonly string[]): string[] => [...new Set(values)];
