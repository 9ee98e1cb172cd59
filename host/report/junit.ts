// A probe's result as JUnit XML: a suite of scenarios and one of rules, a test case a row.

import junit, { type Builder } from "junit-report-builder";
import type { ProbeResult } from "../probe/result.js";

// Its types describe a default export; what Node imports as that is the whole CommonJS module.
const builder = junit as unknown as Builder;

export function junitXml({ backEnd, scenarios, conformance }: ProbeResult): string {
  const report = builder.newBuilder();
  const suite = (name: string) => report.testSuite().name(name).property("back-end", backEnd);
  const played = suite("scenarios");
  for (const { id, story, trials, lost, slow, wedged, broken, why, firstLoss = [] } of scenarios) {
    const test = played.testCase().className(story).name(id);
    if (lost + wedged + broken === 0) continue;
    test.failure(
      `${lost} lost, ${wedged} wedged, ${broken} broken of ${trials} (${slow} slow)${why ? `: ${why}` : ""}`,
    );
    test.standardOutput(firstLoss.join("\n"));
  }
  const rules = suite("conformance");
  for (const { id, section, rule, verdict, seen } of conformance) {
    const test = rules.testCase().className(section).name(id);
    if (verdict === "FAIL" || verdict === "WEDGED") test.failure(`${verdict}: ${seen}; vhost-user.rst: "${rule}"`);
  }
  return report.build();
}
