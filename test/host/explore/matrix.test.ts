import { describe, expect, it } from "vitest";
import { explore } from "../../../host/explore/explore.js";
import { type Explorer, exploreAll, MATRIX } from "../../../host/explore/matrix.js";
import { type Cell, cellOf, differences, nameOf } from "../../../host/report/matrix.js";
import { readRecorded } from "../../../host/report/recorded-matrix.js";
import { nodePlatform } from "../../../host/threads/spawn.js";
import { EXPLORED } from "../fakes.js";

describe("the matrix", () => {
  it("has every vhost-user front-end with every back-end and the kernel's pair, for each guest's scripts", () => {
    const scripts = [...new Set(MATRIX.map(({ guest, script }) => `${guest} ${script}`))];
    expect(scripts).toEqual(
      expect.arrayContaining(["ovmf reset-in-flight", "ovmf toggle", "linux first", "linux-probe reboot"]),
    );
    // A reconnect is cloud-hypervisor's alone.
    const reconnect = MATRIX.filter(({ script }) => script === "reconnect");
    expect(reconnect).toHaveLength(6);
    expect(MATRIX).toHaveLength((scripts.length - 1) * (5 * 6 + 1) + 6);
  });

  it("is recorded in matrix.json, each cell once and nothing else", () => {
    const names = MATRIX.map((scenario) => nameOf(cellOf(scenario, EXPLORED)));
    expect(readRecorded().map(nameOf).sort()).toEqual(names.sort());
  });

  it("is recorded as a search finds it, to the last count and schedule: ovmf's first boots", async () => {
    const first = MATRIX.filter(({ guest, script }) => guest === "ovmf" && script === "first");
    const cells: Cell[] = [];
    for (const scenario of first) cells.push(cellOf(scenario, await explore(nodePlatform, scenario)));
    expect(cells).toHaveLength(31);
    expect(differences(cells, readRecorded())).toEqual([]);
  });

  it("is explored by all explorers, each cell once, and told in the order of the cells", async () => {
    const busy = new Set<number>();
    const explorers: Explorer[] = [0, 1].map((explorer) => ({
      async explore({ backEnd }) {
        busy.add(explorer);
        return { ...EXPLORED, paths: backEnd };
      },
    }));
    const scenarios = MATRIX.slice(0, 5);
    const done: number[] = [];
    const results = await exploreAll(scenarios, explorers, (count) => done.push(count));
    expect(results.map(({ paths }) => paths)).toEqual(scenarios.map(({ backEnd }) => backEnd));
    expect([...busy]).toEqual([0, 1]);
    expect(done).toEqual([1, 2, 3, 4, 5]);
  });
});
