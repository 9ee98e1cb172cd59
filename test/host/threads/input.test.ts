// ConsoleInput between two threads: what would be a lost wake-up is here a test that does not end.

import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConsoleInput } from "../../../host/threads/input.js";
import { SyncMemory } from "../../../vm/sync/words.js";

const FILE = new URL("./input.worker.mjs", import.meta.url);

let sync: SyncMemory;
let input: ConsoleInput;
let stopping: number;
let buffer: SharedArrayBuffer;
const workers: Worker[] = [];

beforeEach(() => {
  sync = SyncMemory.create();
  buffer = new SharedArrayBuffer(ConsoleInput.BYTES);
  input = new ConsoleInput(sync, buffer);
  stopping = sync.allocateNotes(1);
});
afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.terminate())));

/** A reader that takes up to `most` bytes at a time until there are none. @returns their number and checksum */
function reader(most: number): Promise<{ bytes: number; sum: number }> {
  const worker = new Worker(FILE, { workerData: { sync: sync.buffer, buffer, most } });
  workers.push(worker);
  return once(worker, "message").then(([result]) => result);
}

async function untilWaiting(): Promise<void> {
  while (!input.waiting) await turn();
}

describe("ConsoleInput", () => {
  it.each([1000, 70_000])(
    "hands over every byte, in order, also when both sides wait for the other (%i a read)",
    async (most) => {
      const result = reader(most);
      const total = 2_000_003;
      let sum = 0;
      for (let sent = 0; sent < total; ) {
        const piece = Uint8Array.from({ length: Math.min(99_991, total - sent) }, (_, i) => (sent + i) * 31);
        for (const byte of piece) sum = (Math.imul(sum, 31) + byte) | 0;
        for (let rest = piece; rest.length > 0; ) {
          rest = rest.subarray(input.put(rest));
          await turn();
        }
        sent += piece.length;
      }
      input.end();
      expect(await result).toEqual({ bytes: total, sum });
    },
  );

  it("takes no more than there is room for", () => {
    expect(input.put(new Uint8Array(ConsoleInput.BYTES + 5))).toBe(ConsoleInput.BYTES);
    expect(input.put(Uint8Array.of(1))).toBe(0);
    expect(input.take(7, () => false)).toHaveLength(7);
    expect(input.put(new Uint8Array(9))).toBe(7);
  });

  it("says that a guest waits, while it does", async () => {
    expect(input.waiting).toBe(false);
    const result = reader(10);
    await untilWaiting();
    input.put(Uint8Array.of(1));
    input.end();
    expect((await result).bytes).toBe(1);
    expect(input.waiting).toBe(false);
  });

  it("a guest that waits ends when its machine is stopped", async () => {
    const result = reader(10);
    await untilWaiting();
    sync.setNote(stopping, 1);
    input.release();
    expect((await result).bytes).toBe(0);
  });
});
