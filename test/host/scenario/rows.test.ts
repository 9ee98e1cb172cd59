import { describe, expect, it } from "vitest";
import { explore } from "../../../host/explore/explore.js";
import { ALL_ROWS, ROWS, SEED } from "../../../host/scenario/rows.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const row = (id: string) => ALL_ROWS.find((each) => each.id === id)!;

describe("the rows of hang", () => {
  it("have an id each, and claims that fit beside it into 80 columns", () => {
    expect(new Set(ALL_ROWS.map(({ id }) => id)).size).toBe(ALL_ROWS.length);
    const width = Math.max(...ALL_ROWS.map(({ id }) => id.length));
    for (const { claim } of ALL_ROWS) expect(width + 2 + claim.length).toBeLessThanOrEqual(80);
  });

  it("are all of the four, and more", () => {
    expect(ALL_ROWS.slice(0, ROWS.length)).toEqual(ROWS);
  });

  it("differ from seed in what they are about and in nothing else; masked or never where the mail says that nobody saw a hang", () => {
    const differing = ({ scenario }: (typeof ALL_ROWS)[number]): string[] =>
      Object.entries(scenario).flatMap(([key, value]) =>
        JSON.stringify(value) === JSON.stringify(SEED.scenario[key as keyof typeof scenario]) ? [] : [key],
      );
    expect(ALL_ROWS.map(({ id, expected, ...each }) => [id, expected, ...differing({ id, ...each })])).toEqual([
      ["seed", "hangs"],
      ["fix", "never", "frontEnd"],
      ["c", "never", "backEnd"],
      ["rekick", "never", "backEnd"],
      ["fence", "never", "frontEnd"],
      ["ioctl", "never", "frontEnd", "backEnd"],
      ["linux", "masked", "guest"],
      ["delay", "masked", "delays"],
      ["table", undefined, "memory"],
      ["cold", undefined],
      ["cold-table", undefined, "memory"],
      ["process", undefined],
    ]);
  });

  // The mail: "That huge delay is plenty for masking the race. But the race is there nonetheless."
  it("that are masked can hang: the explorer, which allows any delay, finds it", async () => {
    expect(await explore(nodePlatform, row("linux").scenario)).toMatchObject({
      verdict: "can",
      causes: ["kick-consumed-while-disabled"],
      complete: true,
    });
  });
});
