// The head that every --json document carries.

import { version } from "../package.js";
import { type MachineInfo, machineInfo } from "./machine.js";

export const SCHEMA_VERSION = 1;

export interface JsonHead {
  readonly schemaVersion: number;
  readonly version: string;
  readonly machine: MachineInfo;
}

export function jsonHead(): JsonHead {
  return { schemaVersion: SCHEMA_VERSION, version, machine: machineInfo() };
}

/** One document on one line end, indented for people. */
export function jsonDocument(body: object): string {
  return `${JSON.stringify({ ...jsonHead(), ...body }, null, 2)}\n`;
}
