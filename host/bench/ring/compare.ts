// Two documents of `vhostlab bench ring --json`, case by case. What was not measured alike is not compared.

import type { MachineInfo } from "../../report/machine.js";
import { SCHEMA_VERSION } from "../../report/json.js";
import type { RingCase } from "./measure.js";

/** What of a document is looked at. */
export interface RingDocument {
  readonly schemaVersion: number;
  readonly machine: MachineInfo;
  readonly cases: readonly Pick<RingCase, "name" | "options" | "nsPerRequest">[];
}

export interface Compared {
  readonly name: string;
  readonly before: RingCase["nsPerRequest"];
  readonly after: RingCase["nsPerRequest"];
  /** The first's nanoseconds over the second's: above 1 the second is faster. Null where one was not measurable. */
  readonly ratio: number | null;
}

/** Of a machine; another Node.js may be what the comparison is about. */
const SAME_MACHINE = ["cpu", "cores", "os"] as const;

/** @returns the cases, or in a line why the documents are not alike */
export function compare(before: RingDocument, after: RingDocument): readonly Compared[] | { readonly unlike: string } {
  for (const field of SAME_MACHINE) {
    const [one, other] = [before.machine[field], after.machine[field]];
    if (one !== other) return { unlike: `${field}: ${one} and ${other}` };
  }
  if (before.cases.length !== after.cases.length) {
    return { unlike: `${before.cases.length} cases and ${after.cases.length}` };
  }
  const compared: Compared[] = [];
  for (const [i, { name, options, nsPerRequest }] of before.cases.entries()) {
    const other = after.cases[i]!;
    if (canonical(options) !== canonical(other.options)) return { unlike: `case ${i + 1}: ${name} and ${other.name}` };
    const [one, two] = [nsPerRequest, other.nsPerRequest];
    compared.push({ name, before: one, after: two, ratio: one && two && one.median / two.median });
  }
  return compared;
}

function canonical(options: object): string {
  return JSON.stringify(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @returns the document, or in a line why the text is none */
export function parseDocument(text: string): RingDocument | { readonly unlike: string } {
  let document: Partial<RingDocument> | null;
  try {
    document = JSON.parse(text);
  } catch {
    return { unlike: "no JSON" };
  }
  if (document?.schemaVersion !== SCHEMA_VERSION) return { unlike: `schemaVersion ${document?.schemaVersion}` };
  const { machine, cases } = document;
  const whole = machine && Array.isArray(cases) && cases.every((each) => each?.name && each.options);
  return whole ? (document as RingDocument) : { unlike: "not of bench ring" };
}
