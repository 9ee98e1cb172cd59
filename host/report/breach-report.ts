// A broken rule in words: which, and what was done.

import type { Breach } from "../scenario/outcome.js";
import { type Fact, labelled } from "./labelled.js";

/** Lines, each ended. @param more what else is known of this breach */
export function breachReport({ rule, text, source, section, detail }: Breach, more: readonly Fact[] = []): string {
  const facts: Fact[] = [
    ["breach", rule],
    ["rule", `${text} (${source}, ${section})`],
    ["broken", detail],
  ];
  return labelled([...facts, ...more], "  ");
}
