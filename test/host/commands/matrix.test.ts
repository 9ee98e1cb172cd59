import { describe, expect, it } from "vitest";
import type { Engines } from "../../../host/engines.js";
import { asRecorded, runWith } from "../fakes.js";

describe("vhostlab matrix", () => {
  const CELLS = ["matrix", "--guest", "ovmf", "--script", "reboot"];

  it("shows every pair's verdict with its causes, and is content with what is recorded", async () => {
    const { exitCode, data } = await runWith({ exploreAll: asRecorded }, CELLS);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^qemu-8\.1 +rust-0\.10 +can kw$/m);
    expect(data).toMatch(/^ioctl +kernel +never$/m);
    expect(data).toContain("31 cells in");
    expect(data).not.toContain("changed");
  });

  it("names what differs from what is recorded, and a search that was not complete: exit code 1", async () => {
    const exploreAll: Engines["exploreAll"] = async (scenarios, onResult) => {
      const results = await asRecorded(scenarios);
      onResult(results.length);
      return results.map((result, i) => (i === 0 ? { ...result, complete: false, states: 7 } : result));
    };
    const { exitCode, data } = await runWith({ exploreAll }, CELLS);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^qemu-7\.1 +rekick +never\?$/m);
    expect(data).toMatch(/^changed: ovmf reboot qemu-7\.1 rekick .*: complete true -> false; states \d+ -> 7$/m);
    expect(data.match(/^changed/gm)).toHaveLength(1);
  });

  it("marks a cell in which a rule is broken, and names it where that is not recorded", async () => {
    const breach = { rule: "a rule", text: "do not", source: "virtio 1.4", section: "2.7.8", detail: "q1 does it" };
    const exploreAll: Engines["exploreAll"] = async (scenarios) => {
      const results = await asRecorded(scenarios);
      return results.map((result, i) =>
        i === 0 ? { ...result, breaches: [{ ...breach, schedule: "s/v1" }] } : result,
      );
    };
    const { exitCode, data } = await runWith({ exploreAll }, CELLS);
    expect(exitCode).toBe(1);
    expect(data).toMatch(/^qemu-7\.1 +rekick +never!$/m);
    expect(data).toContain("!: a schedule breaks a rule (a rule)");
    expect(data).toMatch(
      /^changed: ovmf reboot qemu-7\.1 rekick .*: breaches none -> a rule \(q1 does it\) by s\/v1$/m,
    );
  });

  it("gives one object a cell with --json", async () => {
    const { data } = await runWith({ exploreAll: asRecorded }, [...CELLS, "--back-end", "rust-0.10", "--json"]);
    const { schemaVersion, cells, changed } = JSON.parse(data);
    expect([schemaVersion, cells.length, changed]).toEqual([1, 5, []]);
    expect(cells[1]).toMatchObject({ guest: "ovmf", script: "reboot", frontEnd: "qemu-8.1", backEnd: "rust-0.10" });
    expect(cells[1]).toMatchObject({ verdict: "can", complete: true, ms: 1, paths: expect.stringMatching(/^\d+$/) });
    expect(cells[1].schedule).toMatch(/^ovmf:qemu-8\.1:rust-0\.10:driver-ok:reboot\//);
  });
});
