import { describe, expect, it } from "vitest";
import { dependent, isRamCell, ramCell, ramOffset } from "../../../vm/sync/op.js";
import { RamWords } from "../../../vm/sync/ram.js";
import { SyncMemory } from "../../../vm/sync/words.js";

function ram() {
  const buffer = new SharedArrayBuffer(64);
  return { bytes: new Uint8Array(buffer), words: new RamWords(SyncMemory.create(), buffer) };
}

describe("RamWords", () => {
  it("loads and stores 16 bits, little-endian (virtio 1.4, 1.4: le16)", () => {
    const { bytes, words } = ram();
    words.store16(10, 0xbeef).attempt();
    expect([...bytes.subarray(9, 13)]).toEqual([0, 0xef, 0xbe, 0]);
    expect(words.load16(10).attempt()).toBe(0xbeef);
  });

  it("poll blocks while the word is what was seen", () => {
    const { words } = ram();
    const poll = words.poll(4, 0, 1);
    expect([poll.enabled(), poll.attempt()]).toEqual([false, undefined]);
    words.store16(4, 1).attempt();
    expect([poll.enabled(), poll.attempt()]).toEqual([true, 0]);
  });

  it("ops depend on one another exactly when they meet in a word and one writes", () => {
    const { words } = ram();
    const store = words.store16(4, 1).footprint;
    for (const op of [words.load16(4), words.poll(4, 0, 1), words.store16(4, 2)])
      expect(dependent(store, op.footprint), op.name).toBe(true);
    for (const op of [words.load16(2), words.store16(6, 1)])
      expect(dependent(store, op.footprint), op.name).toBe(false);
    expect(dependent(words.load16(4).footprint, words.poll(4, 0, 1).footprint)).toBe(false);
  });

  it("names words by what the front-end calls them", () => {
    const { words } = ram();
    words.label("q1", [[4, "q1.used.idx"]]);
    expect([words.load16(4).name, words.poll(6, 0, 1).name]).toEqual(["q1.used.idx.load", "ram[0x6].poll"]);
    expect(words.describe(4, 7)).toBe("q1.used.idx to change from 7, polling");
  });

  it("cells of RAM are apart from sync words, for all of guest RAM's 2 GiB", () => {
    for (const offset of [0, 2, 0x7fff_fffe]) {
      expect(isRamCell(ramCell(offset))).toBe(true);
      expect(ramOffset(ramCell(offset))).toBe(offset);
      expect(ramCell(offset + 1)).toBe(ramCell(offset));
    }
    expect(isRamCell(32 * 1024)).toBe(false);
  });
});
