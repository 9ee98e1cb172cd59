// The head that every --json document carries.

import { version } from "../package.js";
import { type MachineInfo, machineInfo } from "./machine.js";

const SCHEMA_VERSION = 1;

export interface JsonHead {
  readonly schemaVersion: number;
  readonly version: string;
  readonly machine: MachineInfo;
}

/** One document on one line end, indented for people. */
export function jsonDocument(body: object): string {
  const head: JsonHead = { schemaVersion: SCHEMA_VERSION, version, machine: machineInfo() };
  return `${JSON.stringify({ ...head, ...body }, null, 2)}\n`;
}
