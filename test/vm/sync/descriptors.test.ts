import { describe, expect, it } from "vitest";
import { Descriptors } from "../../../vm/sync/descriptors.js";

describe("Descriptors", () => {
  it("numbers start after the three standard ones; a number means the same object to everybody", () => {
    const table = new Descriptors();
    expect([table.add({ kind: "memory" }), table.add({ kind: "socket" })]).toEqual([3, 4]);
    expect([table.get(3), table.get(4)]).toEqual([{ kind: "memory" }, { kind: "socket" }]);
  });

  it.each([0, 1, 2, 4, -1, 3.5, 2 ** 32, Number.NaN])("%d is no descriptor", (fd) => {
    const table = new Descriptors();
    table.add({ kind: "memory" });
    expect(table.get(fd)).toBeUndefined();
  });
});
