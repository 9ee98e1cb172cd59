// vhostlab matrix: every cell decided, and held against the recorded matrix.

import { type Command, Option } from "commander";
import { MATRIX } from "../explore/matrix.js";
import { addOptions, jsonOption } from "../options.js";
import type { Context } from "../program.js";
import { jsonDocument } from "../report/json.js";
import { cellOf, differences, matrixTable } from "../report/matrix.js";
import { cellsProgress } from "../report/progress.js";
import { readRecorded, record } from "../report/recorded-matrix.js";
import { BACK_ENDS, FRONT_ENDS } from "../scenario/occupants.js";
import { type Scenario, SCRIPTS } from "../scenario/scenario.js";

interface MatrixOptions extends Partial<Pick<Scenario, "guest" | "script" | "frontEnd" | "backEnd">> {
  readonly json?: boolean;
  readonly record?: boolean;
}

export function addMatrix(program: Command, context: Context): void {
  const command = program
    .command("matrix")
    .summary("decide every combination, and say what changed")
    .description("Explores every script by every pair of front-end and back-end, on all cores.");
  addOptions(
    command,
    new Option("--guest <guest>", "only with this guest").choices([...new Set(MATRIX.map(({ guest }) => guest))]),
    new Option("--script <story>", "only this script").choices(SCRIPTS),
    new Option("--front-end <vmm>", "only behind this front-end").choices(FRONT_ENDS),
    new Option("--back-end <daemon>", "only before this back-end").choices(BACK_ENDS),
    new Option("--record", "write the result to matrix.json first"),
    jsonOption(),
  )
    .addHelpText(
      "after",
      `
Exit code: 0 when every search was complete and nothing differs from matrix.json; 1 when not; 2 for wrong usage.

Example:
  $ vhostlab matrix --guest ovmf --script reboot`,
    )
    .action(async (options: MatrixOptions) => context.finish(await matrix(options, context)));
}

async function matrix(
  { json, record: toRecord, ...only }: MatrixOptions,
  { engines, output }: Context,
): Promise<number> {
  const wanted = Object.entries(only) as [keyof Scenario, string][];
  const scenarios = MATRIX.filter((scenario) => wanted.every(([seat, name]) => scenario[seat] === name));
  const progress = cellsProgress(output, scenarios.length);
  const start = performance.now();
  const results = await engines.exploreAll(scenarios, progress.update).finally(() => progress.stop());
  const seconds = (performance.now() - start) / 1000;
  const cells = results.map((result, i) => cellOf(scenarios[i]!, result));
  if (toRecord) record(cells);
  const changed = differences(cells, readRecorded());
  if (json) {
    const timed = cells.map((cell, i) => {
      const [first] = cell.hangs;
      return { ...cell, ...(first && { effect: first.effect, schedule: first.schedule }), ms: results[i]!.ms };
    });
    output.data(jsonDocument({ cells: timed, changed, seconds }));
  } else {
    output.data(matrixTable(cells, output.colors));
    const longest = Math.max(...results.map(({ ms }) => ms)) / 1000;
    output.data(`\n${cells.length} cells in ${seconds.toFixed(1)} s, the longest in ${longest.toFixed(1)} s\n`);
    for (const line of changed) output.data(`changed: ${line}\n`);
  }
  return changed.length > 0 || cells.some(({ complete }) => !complete) ? 1 : 0;
}
