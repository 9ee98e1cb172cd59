import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { BACK_END_VARIANTS } from "../../../device/back-end/variants.js";
import { FRONT_END_VARIANTS } from "../../../device/front-end/variants.js";
import { BACK_ENDS, FRONT_ENDS, OCCUPANTS } from "../../../host/scenario/occupants.js";

it("has a record for every front-end and back-end that there is, and no other", () => {
  expect([...FRONT_ENDS].sort()).toEqual(Object.keys(FRONT_END_VARIANTS).sort());
  expect([...BACK_ENDS].sort()).toEqual(Object.keys(BACK_END_VARIANTS).sort());
});

it("names each once", () => {
  expect(new Set(OCCUPANTS.map(({ name }) => name)).size).toBe(OCCUPANTS.length);
});

it("is the README's table", () => {
  const rows = OCCUPANTS.map(({ seat, name, standsFor, does }, i) => {
    const first = OCCUPANTS[i - 1]?.seat !== seat;
    return `| ${first ? `${seat} ` : ""}| \`${name}\` | ${standsFor}: ${does} |`;
  });
  const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const table = readme.split("\n").slice(readme.split("\n").indexOf("| seat | name | stands for |"));
  expect(table.slice(2, table.indexOf(""))).toEqual(rows);
});
