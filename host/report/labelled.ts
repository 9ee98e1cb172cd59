// Facts under one another, each behind its label.

export type Fact = readonly [label: string, text: string];

/** Lines, each ended; the texts begin in one column. */
export function labelled(facts: readonly Fact[], indent = ""): string {
  const width = Math.max(...facts.map(([label]) => label.length));
  return facts.map(([label, text]) => `${indent}${label.padEnd(width)}  ${text}\n`).join("");
}
