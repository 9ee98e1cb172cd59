// The page: the published hang and its fix on the tab's own Workers, and the explorer's verdicts. `?auto` in the address
// runs both at once.

import { big, verdictWords } from "../report/explore-words.js";
import { hangFacts } from "../report/hang-report.js";
import { type PhaseRow, phaseRows } from "../report/phase-row.js";
import { interval, legend, NOTHING, others, rate } from "../report/phase-words.js";
import type { BootsLimits, ExploreResult, HangReport } from "../scenario/outcome.js";
import { ROWS, type Row } from "../scenario/rows.js";
import type { Phase } from "../scenario/scenario.js";
import { webEngines } from "./engines.js";
import { type Column, element, list, table } from "./table.js";

const LIMITS: BootsLimits = { boots: 500, enough: 20 };
const HANG_ROWS = ["seed", "fix"];

type Explored = Row & ExploreResult;

/** The JSON of the page. */
interface Results {
  hang?: { readonly rows: readonly PhaseRow[]; readonly hangs: readonly HangReport[] };
  explore?: readonly Explored[];
  failure?: string;
}

const HANG_COLUMNS: readonly Column<PhaseRow>[] = [
  { head: "row", cell: ({ id }) => id },
  { head: "front-end", cell: ({ frontEnd }) => frontEnd },
  { head: "back-end", cell: ({ backEnd }) => backEnd },
  { head: "phase", cell: ({ phase }) => phase },
  { head: "boots", number: true, cell: ({ boots }) => `${boots}` },
  { head: "hangs", number: true, cell: ({ hangs }) => `${hangs}` },
  { head: "rate", number: true, cell: rate },
  { head: "95 % interval", cell: interval },
  { head: "other hangs", cell: others },
  { head: "expected", cell: ({ expected }) => expected ?? NOTHING },
  { head: "held", cell: (row) => (row.held ? "yes" : `no: ${row.broken}`) },
];

const EXPLORE_COLUMNS: readonly Column<Explored>[] = [
  { head: "row", cell: ({ id }) => id },
  { head: "front-end", cell: ({ scenario }) => scenario.frontEnd },
  { head: "back-end", cell: ({ scenario }) => scenario.backEnd },
  { head: "verdict", cell: verdictWords },
  { head: "states", number: true, cell: ({ states }) => `${states}` },
  { head: "transitions", number: true, cell: ({ transitions }) => `${transitions}` },
  { head: "paths", number: true, cell: ({ paths = NOTHING }) => big(paths) },
  { head: "time", number: true, cell: ({ ms }) => `${(ms / 1000).toFixed(2)} s` },
];

const results: Results = {};

function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}

async function countHangs(): Promise<void> {
  const status = byId("hang-status");
  const rows: PhaseRow[] = [];
  const hangs: HangReport[] = [];
  let seconds = 0;
  for (const row of ROWS.filter(({ id }) => HANG_ROWS.includes(id))) {
    status.textContent = `row ${row.id} …`;
    const reached = new Map<Phase, string>();
    const result = await webEngines.runBoots(row.scenario, LIMITS, {
      onProgress: ({ phase, boots, hangs }) => {
        reached.set(phase, `${phase} ${hangs} of ${boots}`);
        status.textContent = `row ${row.id}, hangs: ${[...reached.values()].join(", ")} …`;
      },
    });
    rows.push(...phaseRows(row, result));
    hangs.push(...result.hangs.map(({ report }) => report));
    seconds += result.seconds;
  }
  results.hang = { rows, hangs };
  status.textContent = `${seconds.toFixed(1)} s on ${navigator.hardwareConcurrency} cores`;
  byId("hang-found").replaceChildren(
    table("Boots on real threads", HANG_COLUMNS, rows),
    ...legend(rows).map((line) => element("small", line)),
    ...hangs.flatMap((report) => [element("h3", `One hang: ${report.cause}`), list(hangFacts(report))]),
  );
}

async function exploreAll(): Promise<void> {
  const status = byId("explore-status");
  const found: Explored[] = [];
  for (const row of ROWS) {
    status.textContent = `row ${row.id} …`;
    const onProgress = (states: number): void => {
      status.textContent = `row ${row.id}: ${states} states …`;
    };
    found.push({ ...row, ...(await webEngines.explore(row.scenario, { onProgress })) });
  }
  results.explore = found;
  status.textContent = "";
  byId("explore-found").replaceChildren(table("First boot, ring messages at driver-ok", EXPLORE_COLUMNS, found));
}

/** One at a time: what runs beside it moves a hang rate. */
async function run(...tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const shown = byId("results");
  shown.dataset.state = "running";
  delete results.failure;
  byId("trouble").hidden = true;
  for (const button of buttons.keys()) button.disabled = true;
  try {
    for (const task of tasks) await task();
    shown.dataset.state = "done";
  } catch (error) {
    results.failure = String(error);
    complain(results.failure);
    shown.dataset.state = "failed";
  } finally {
    for (const button of buttons.keys()) button.disabled = false;
    shown.textContent = JSON.stringify(results, null, 2);
  }
}

function complain(line: string): void {
  const trouble = byId("trouble");
  trouble.textContent = line;
  trouble.hidden = false;
}

const buttons = new Map([
  [byId("hang-run") as HTMLButtonElement, countHangs],
  [byId("explore-run") as HTMLButtonElement, exploreAll],
]);

if (crossOriginIsolated) {
  for (const [button, task] of buttons) button.addEventListener("click", () => run(task));
  if (new URLSearchParams(location.search).has("auto")) void run(countHangs, exploreAll);
} else {
  for (const button of buttons.keys()) button.disabled = true;
  complain(
    "This page needs shared memory, which a browser gives to cross-origin isolated pages only: its server must send " +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.",
  );
}
