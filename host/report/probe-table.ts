// The tables of `vhostlab probe`.

import type { ProbeResult, RuleResult, RuleVerdict, ScenarioResult } from "../probe/result.js";
import type { Output } from "./output.js";
import { plainTable } from "./plain-table.js";
import { percent, ruleOfThree } from "./wilson.js";

type Look = Pick<Output, "colors">;

/** Lines, each ended: the scenarios, then the order of messages and kicks of each first loss. */
export function scenarioTable(scenarios: readonly ScenarioResult[], { colors }: Look): string {
  const count = (n: number, paint: (text: string) => string): string => (n > 0 ? paint(String(n)) : "0");
  const bad = (text: string): string => colors.bold(colors.red(text));
  const rows = scenarios.map((row) => [
    row.story,
    row.frontEnd,
    String(row.trials),
    String(row.answered),
    count(row.lost, bad),
    count(row.slow, colors.yellow),
    count(row.wedged, bad),
    count(row.broken, bad),
    percent(row.rate),
    interval(row),
  ]);
  return plainTable(
    ["scenario", "front-end", "trials", "answered", "lost", "slow", "wedged", "broken", "rate", "95 % interval"],
    rows,
    { colors, right: [2, 3, 4, 5, 6, 7, 8] },
  );
}

/** Of lost trials. */
function interval({ lost, trials, ci95 }: ScenarioResult): string {
  if (lost === 0) return `at most ${percent(ruleOfThree(trials))}`;
  return `${percent(ci95[0]).replace(" %", "")} to ${percent(ci95[1])}`;
}

/** Why a row is broken, and for each story the first order that lost a request. Lines, each ended. */
export function losses(scenarios: readonly ScenarioResult[], { colors }: Look): string {
  const told = new Set<string>();
  const lines = scenarios.filter(({ why }) => why).map(({ id, why }) => `${colors.red(id)}: ${why}\n`);
  for (const { id, story, firstLoss } of scenarios) {
    if (!firstLoss || told.has(story)) continue;
    told.add(story);
    if (lines.length > 0) lines.push("\n");
    lines.push(`${colors.bold(`The first loss of ${id}`)}, in the order in which it came to the back-end\n`);
    const start = Math.max(
      0,
      firstLoss.findLastIndex((line) => line.startsWith("SET_FEATURES")),
    );
    if (start > 0) lines.push(colors.dim(`  ⋮ ${start} before\n`));
    lines.push(...firstLoss.slice(start).map((line) => `  ${line}\n`));
  }
  return lines.join("");
}

export function conformanceTable(rules: readonly RuleResult[], { colors }: Look): string {
  const paint: Record<RuleVerdict, (text: string) => string> = {
    PASS: colors.green,
    REJECT: colors.green,
    FAIL: (text) => colors.bold(colors.red(text)),
    WEDGED: (text) => colors.bold(colors.red(text)),
  };
  const rows = rules.map(({ id, section, verdict, seen }) => [id, section, paint[verdict](verdict), seen]);
  return plainTable(["rule", "section of vhost-user.rst", "verdict", "seen"], rows, { colors });
}

/** The rules that were broken, as the document has them. Lines, each ended. */
export function brokenRules({ conformance }: Pick<ProbeResult, "conformance">): string {
  return conformance
    .filter(({ verdict }) => verdict === "FAIL" || verdict === "WEDGED")
    .map(({ id, section, rule, verdict, seen }) => `${verdict} ${id}: ${seen}\n  ${section}: "${rule}"\n`)
    .join("");
}
