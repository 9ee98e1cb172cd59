import { describe, expect, it } from "vitest";
import { runWith } from "../fakes.js";

describe("vhostlab bench", () => {
  it.each<[readonly string[], RegExp]>([
    [["--ring", "100"], /Allowed sizes are 128, 256, 1024, 32768/],
    [["--features", "packed"], /Allowed features are event_idx, indirect, in_order/],
    [["--batch", "0"], /A whole number from 1/],
    [["--batch", "1,64", "--outstanding", "32"], /a batch of 64 is more than the 32/],
    [["--chain", "300"], /longer than the queue/],
    [["--seconds", "0"], /Seconds up to 10/],
    [["--against", "rust"], /native, js/],
    [["--svg", "chart.svg"], /--svg needs several values/],
    [["--batch", "1,32", "--svg", "no/such/folder/x.svg"], /the SVG file cannot be written: ENOENT/],
    [["--compare", "one.json"], /--compare takes two files/],
    [["--compare", "package.json", "package.json"], /package.json: schemaVersion undefined/],
    [["--compare", "none.json", "none.json"], /ENOENT/],
  ])("bench ring %j is wrong usage, and says why", async (options, why) => {
    const { exitCode, data, talk } = await runWith({}, ["bench", "ring", ...options]);
    expect([exitCode, data]).toEqual([2, ""]);
    expect(talk).toMatch(why);
  });
});
