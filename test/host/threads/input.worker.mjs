// The guest's side of input.test.ts: builds what the test builds, in the same order.

import { parentPort, workerData } from "node:worker_threads";
import { ConsoleInput } from "../../../dist/host/threads/input.js";
import { SyncMemory } from "../../../dist/vm/sync/words.js";

const sync = new SyncMemory(workerData.sync);
const input = new ConsoleInput(sync, workerData.buffer);
const stopping = sync.allocateNotes(1);

let bytes = 0;
let sum = 0;
for (;;) {
  const piece = input.take(workerData.most, () => sync.note(stopping) !== 0);
  if (piece.length === 0) break;
  for (const byte of piece) sum = (Math.imul(sum, 31) + byte) | 0;
  bytes += piece.length;
}
parentPort.postMessage({ bytes, sum });
