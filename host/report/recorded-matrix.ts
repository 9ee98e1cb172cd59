// matrix.json: the matrix as it was last recorded, a cell a line.

import { readFileSync, writeFileSync } from "node:fs";
import { packageRoot } from "../package.js";
import { type Cell, nameOf } from "./matrix.js";

const FILE = new URL("matrix.json", packageRoot);

export function readRecorded(): Cell[] {
  return JSON.parse(readFileSync(FILE, "utf8")).cells;
}

/** Puts `cells` in the place of those recorded by the same names; new ones come last. */
export function record(cells: readonly Cell[]): void {
  const all = new Map([...readRecorded(), ...cells].map((cell) => [nameOf(cell), cell]));
  const lines = [...all.values()].map((cell) => JSON.stringify(cell));
  writeFileSync(FILE, `{"cells": [\n${lines.join(",\n")}\n]}\n`);
}
