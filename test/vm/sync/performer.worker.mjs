// An actor on a thread of its own, for perform.test.ts: builds what the test builds, in the same order, and runs one of
// the scripts below.

import { parentPort, workerData } from "node:worker_threads";
import { Doorbell } from "../../../dist/vm/sync/doorbell.js";
import { Lock } from "../../../dist/vm/sync/lock.js";
import { Op, passTime } from "../../../dist/vm/sync/op.js";
import { Steering, ThreadPerformer, WaitRecord } from "../../../dist/vm/sync/perform.js";
import { RamWords } from "../../../dist/vm/sync/ram.js";
import { ByteStream } from "../../../dist/vm/sync/socket.js";
import { SyncMemory, Word } from "../../../dist/vm/sync/words.js";

const { buffer, ram, index, script, options } = workerData;

const memory = new SyncMemory(buffer);
const steering = new Steering(memory);
const records = [0, 1, 2].map((i) => new WaitRecord(memory, `actor${i}`));
const bells = [0, 1].map((i) => new Doorbell(memory, `bell${i}`));
const kicks = bells.map((bell, i) => bell.slot(`kick${i}`).eventfd);
const stream = new ByteStream(memory, "stream");
const lock = new Lock(memory, "lock");
const word = new Word(memory, "word");
const words = new RamWords(memory, ram);
const log = memory.allocateBlock(4096);

/** Pseudo-random numbers from 1 to `most`, the same on both sides. */
function* sizes(most) {
  for (let x = 1; ; x = (Math.imul(x, 1664525) + 1013904223) >>> 0) yield 1 + ((x >>> 8) % most);
}

/** Not atomic: two that overlap spoil the log. */
const append = () =>
  new Op("append", { reads: [log], writes: [log] }, () => {
    const at = memory.load(log) + 1;
    memory.store(log + at, index);
    memory.store(log, at);
    return 0;
  });

const SCRIPTS = {
  *receive() {
    yield* stream.receive(1);
  },
  *send() {
    yield* stream.send(new Uint8Array(4096));
  },
  *lock() {
    yield* lock.lock();
  },
  *readLock() {
    yield* lock.readLock();
  },
  *awaitChange() {
    yield* word.awaitChange(0);
  },
  *epollWait() {
    yield* bells[0].wait();
  },
  *sleep(micros, value) {
    yield* word.store(value);
    yield* passTime(micros);
    yield* word.store(2 * value);
  },
  *poll(micros) {
    yield* words.poll(0, 0, micros);
  },
  *append(times, loads) {
    for (let i = 0; i < times; i++) yield* append();
    for (let i = 0; i < loads; i++) yield* word.load();
  },
  *busy() {
    for (;;) yield* word.load();
  },

  // Two threads of which one can move at any time; after `rounds` neither.
  *ping(rounds) {
    yield* bells[0].add(0);
    for (let round = 1; round <= rounds; round++) {
      yield* kicks[1].add(1);
      yield* bells[0].wait();
      yield* kicks[0].read();
      yield* word.store(round);
    }
    yield* bells[0].wait();
  },
  *pong() {
    yield* bells[1].add(0);
    for (;;) {
      yield* bells[1].wait();
      yield* kicks[1].read();
      yield* kicks[0].add(1);
    }
  },

  // A stream that is full or empty most of the time.
  *sender(total, most) {
    const lengths = sizes(most);
    for (let sent = 0; sent < total; ) {
      const length = Math.min(lengths.next().value, total - sent);
      yield* stream.send(
        Uint8Array.from({ length }, (_, i) => (sent + i) * 31),
        [sent],
      );
      sent += length;
    }
    yield* stream.close();
  },
  *receiver(total, most) {
    const lengths = sizes(most);
    for (let received = 0; ; ) {
      const { bytes, fds } = yield* stream.receive(lengths.next().value);
      if (bytes.length === 0 && received === total) return;
      bytes.forEach((byte, i) => {
        if (byte !== (((received + i) * 31) & 0xff)) throw new Error(`byte ${received + i} is ${byte}`);
      });
      if (fds.some((fd) => fd < received || fd >= received + bytes.length)) throw new Error(`descriptors ${fds}`);
      received += bytes.length;
    }
  },
};

const performer = new ThreadPerformer(steering, records[index], index, options);
const [name, ...args] = script;
try {
  performer.run(SCRIPTS[name](...args));
  parentPort.postMessage("done");
} catch (error) {
  parentPort.postMessage(error.name === "Stopped" ? "stopped" : String(error));
}
