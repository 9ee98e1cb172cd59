import { describe, expect, it } from "vitest";
import { dependent } from "../../../vm/sync/op.js";
import { SyncMemory, WaitQueue, Word } from "../../../vm/sync/words.js";

const word = (guard?: { assertHeld(word: string): void }): Word => new Word(SyncMemory.create(), "thread", guard);

describe("Word", () => {
  it("load, store and exchange one 32-bit value", () => {
    const one = word();
    expect(one.load().attempt()).toBe(0);
    expect(one.store(5).attempt()).toBe(0);
    expect(one.exchange(-6).attempt()).toBe(5);
    expect([one.load().attempt(), one.peek()]).toEqual([-6, -6]);
  });

  it("awaitChange blocks while the word equals the value, and gives what it then is", () => {
    const one = word();
    const wait = one.awaitChange(0);
    expect([wait.enabled(), wait.attempt()]).toEqual([false, undefined]);
    one.store(3).attempt();
    expect([wait.enabled(), wait.attempt()]).toEqual([true, 3]);
    expect(one.awaitChange(3).enabled()).toBe(false);
  });

  it("awaitChange sees values, not changes: 0, 1, 0 is no change", () => {
    const one = word();
    one.store(1).attempt();
    one.store(0).attempt();
    expect(one.awaitChange(0).enabled()).toBe(false);
  });

  it("a guarded word is eager, and throws when it is touched without its lock", () => {
    const guard = {
      assertHeld: (name: string): void => {
        throw new Error(`${name} touched`);
      },
    };
    const one = word(guard);
    for (const op of [one.load(), one.store(1), one.exchange(1)]) {
      expect(op.eager).toBe(true);
      expect(() => op.attempt()).toThrow("thread touched");
    }
    expect(word().load().eager).toBe(false);
  });

  it("waiting for it depends on storing it", () => {
    const one = word();
    expect(dependent(one.awaitChange(0).footprint, one.store(1).footprint)).toBe(true);
    expect(dependent(one.awaitChange(0).footprint, one.load().footprint)).toBe(false);
  });
});

describe("SyncMemory", () => {
  it("gives every thread the same cells when it builds the same objects", () => {
    const memory = SyncMemory.create();
    const build = (of: SyncMemory): Word[] => ["a", "b"].map((name) => new Word(of, name));
    const [, here] = build(memory);
    const [, there] = build(new SyncMemory(memory.buffer));
    here!.store(9).attempt();
    expect(there!.load().attempt()).toBe(9);
    expect(there!.id).toBe(here!.id);
  });

  it("clear makes a new machine of it: words and notes are 0", () => {
    const memory = SyncMemory.create();
    const one = new Word(memory, "a");
    const note = memory.allocateNotes(1);
    one.store(1).attempt();
    memory.setNote(note, 1);
    memory.clear();
    expect([one.peek(), memory.note(note)]).toEqual([0, 0]);
  });

  it("refuses a buffer of another size, and more words than there are", () => {
    expect(() => new SyncMemory(new SharedArrayBuffer(16))).toThrow("sync memory of 16 bytes");
    expect(() => SyncMemory.create().allocate(32 * 1024 + 1)).toThrow("out of sync words");
    expect(() => SyncMemory.create().allocateNotes(4 * 1024 + 1)).toThrow("out of sync notes");
  });

  it("tells the observer of each access, words of a block by its first", () => {
    const memory = SyncMemory.create();
    const alone = memory.allocate(1);
    const block = memory.allocateBlock(3);
    const seen: [number, boolean][] = [];
    memory.observer = (cell, write) => seen.push([cell, write]);
    memory.load(alone);
    memory.store(block, 1);
    memory.add(block + 1, 1);
    memory.exchange(block + 2, 1);
    memory.compareExchange(alone, 1, 2);
    memory.peek(block);
    expect(seen).toEqual([
      [alone, false],
      [block, true],
      [block, true],
      [block, true],
      [alone, true],
    ]);
  });

  it("folds every object in the order of its making", () => {
    const memory = SyncMemory.create();
    const words = ["a", "b", "c"].map((name) => new Word(memory, name));
    for (const [i, each] of words.entries()) each.store(10 + i).attempt();
    const key: number[] = [];
    memory.foldAll(key);
    expect(key).toEqual([10, 11, 12]);
  });
});

/** Where a faulty queue would sleep for ever: longer than a test may take, so that the test fails. */
const TOO_LONG_MS = 10_000;

describe("WaitQueue", () => {
  it("costs nothing while nobody sleeps, and does not sleep once it is ready", () => {
    const memory = SyncMemory.create();
    const queue = new WaitQueue(memory);
    queue.wake();
    expect(memory.note(queue.seq)).toBe(0);
    let asked = 0;
    queue.sleep(() => ++asked > 0, TOO_LONG_MS);
    expect(asked).toBe(1);
  });

  it("a wake-up between the look and the sleep is not lost: the sleep ends at once", () => {
    const memory = SyncMemory.create();
    const queue = new WaitQueue(memory);
    queue.sleep(() => {
      queue.wake(); // as another thread does it, after its change
      return false; // this look came before the change
    }, TOO_LONG_MS);
    expect(memory.note(queue.seq)).toBe(1);
  });
});
