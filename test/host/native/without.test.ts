// Where real back-ends cannot be reached: one line says why, and nothing else happens.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const CLI = fileURLToPath(new URL("../../../dist/host/cli.js", import.meta.url));

/** Before the program starts: another system's name; or a loader that finds no koffi. */
const ELSEWHERE = `Object.defineProperty(process, "platform", { value: "darwin" });`;
const LOADER = `export const resolve = (name, context, next) => {
  if (name === "koffi") throw Object.assign(new Error("Cannot find package 'koffi'"), { code: "ERR_MODULE_NOT_FOUND" });
  return next(name, context);
};`;
const module = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`;
const NO_KOFFI = `import { register } from "node:module"; register(${JSON.stringify(module(LOADER))});`;

it.each([
  ["another system than Linux", ELSEWHERE, "real back-ends can be reached on Linux only"],
  [
    "koffi not installed",
    NO_KOFFI,
    "real back-ends are reached by the optional package koffi: Cannot find package 'koffi'",
  ],
])("%s: exit code 2 and a line that says so, for probe and compare", (_where, first, line) => {
  for (const command of [["probe"], ["compare", "--model", "c"]]) {
    const argv = ["--import", module(first), CLI, ...command, "--", "true", "{socket}"];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: "", stderr: `vhostlab: ${line}\n` });
  }
});
