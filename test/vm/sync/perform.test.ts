// ThreadPerformer and Steering on real threads. What would be a lost wake-up or a wait that ignores the stop word is
// here a test that does not end.

import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { System } from "../../../host/scenario/system.js";
import { type Position, stuck } from "../../../host/scenario/verdict.js";
import { Doorbell } from "../../../vm/sync/doorbell.js";
import { Lock } from "../../../vm/sync/lock.js";
import { ActorState, type PerformOptions, Steering, WaitRecord } from "../../../vm/sync/perform.js";
import { RamWords } from "../../../vm/sync/ram.js";
import { ByteStream } from "../../../vm/sync/socket.js";
import { SyncMemory, Word } from "../../../vm/sync/words.js";

const FILE = new URL("./performer.worker.mjs", import.meta.url);
type Script = readonly [name: string, ...numbers: number[]];

/** What the threads share, built as performer.worker.mjs builds it. */
class Shared {
  readonly memory = SyncMemory.create();
  readonly ram = new SharedArrayBuffer(64);
  readonly steering = new Steering(this.memory);
  readonly records = [0, 1, 2].map((i) => new WaitRecord(this.memory, `actor${i}`));
  readonly bells = [0, 1].map((i) => new Doorbell(this.memory, `bell${i}`));
  readonly kicks = this.bells.map((bell, i) => bell.slot(`kick${i}`).eventfd);
  readonly stream = new ByteStream(this.memory, "stream");
  readonly lock = new Lock(this.memory, "lock");
  readonly word = new Word(this.memory, "word");
  readonly words = new RamWords(this.memory, this.ram);
  readonly log = this.memory.allocateBlock(4096);
  readonly #workers: Worker[] = [];

  /** @returns what the actor comes to: "done", "stopped", or its error */
  start(index: number, script: Script, options: PerformOptions = {}): Promise<string> {
    const { buffer } = this.memory;
    const worker = new Worker(FILE, { workerData: { buffer, ram: this.ram, index, script, options } });
    this.#workers.push(worker);
    return once(worker, "message").then(([outcome]) => outcome as string);
  }

  async untilBlocked(index: number): Promise<void> {
    while (this.records[index]!.read()?.state !== ActorState.BLOCKED) await turn();
  }

  /** As far as a verdict looks at a system: these two actors, and what they can wait for. */
  get system(): System {
    const [vcpu, record] = this.records;
    return { sync: this.memory, vcpu, loops: [{ record }] } as unknown as System;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

let shared: Shared;
beforeEach(() => {
  shared = new Shared();
});
afterEach(() => shared.close());

describe("Steering.stop", () => {
  it.each<[string, Script, (() => void)?]>([
    ["a receiver", ["receive"]],
    ["a sender, the buffer full", ["send"], () => shared.stream.send(Uint8Array.of(1)).attempt()],
    ["a writer, the lock held", ["lock"], () => shared.lock.readLock().attempt()],
    ["a reader, the lock held", ["readLock"], () => shared.lock.lock().attempt()],
    ["a wait for a word", ["awaitChange"]],
    ["epoll_wait", ["epollWait"]],
    ["a polling guest", ["poll", 1024]],
  ])("ends %s", async (_, script, before) => {
    before?.();
    const outcome = shared.start(0, script);
    await shared.untilBlocked(0);
    shared.steering.stop();
    expect(await outcome).toBe("stopped");
    expect(shared.records[0]!.read()!.state).toBe(ActorState.IDLE);
  });

  it("ends an actor that waits for its turn", async () => {
    const outcome = shared.start(1, ["append", 1, 0], { schedule: [0] });
    await turn();
    shared.steering.stop();
    expect(await outcome).toBe("stopped");
    expect(shared.memory.peek(shared.log)).toBe(0);
  });

  it("ends an actor in which time passes, and which was RUNNING all the while: no verdict would take it for stuck", async () => {
    const HOUR = 3_600_000_000;
    const outcome = shared.start(0, ["sleep", HOUR, 5]);
    while (shared.word.peek() !== 5) await turn();
    expect(shared.records[0]!.read()!.state).not.toBe(ActorState.BLOCKED);
    shared.steering.stop();
    expect(await outcome).toBe("stopped");
    expect(shared.word.peek()).toBe(5);
  });

  it("ends an actor that never waits", async () => {
    const outcome = shared.start(0, ["busy"]);
    await turn();
    shared.steering.stop();
    expect(await outcome).toBe("stopped");
  });
});

describe("waits on threads", () => {
  it("time that passes ends by itself, and not before it has passed", async () => {
    const began = performance.now();
    expect(await shared.start(0, ["sleep", 20_000, 5])).toBe("done");
    expect(shared.word.peek()).toBe(10);
    expect(performance.now() - began).toBeGreaterThanOrEqual(20);
  });

  it("no wake-up is lost: 10,000 rounds over two eventfds and doorbells; and no verdict comes before the end", async () => {
    const rounds = 10_000;
    shared.start(0, ["ping", rounds]);
    shared.start(1, ["pong"]);
    let found: Position[] | undefined;
    while (!found) {
      for (let i = 0; i < 100 && !found; i++) found = stuck(shared.system);
      if (!found) await turn();
    }
    expect(shared.word.peek()).toBe(rounds);
    expect(found.map(({ actor, waits }) => [actor, waits?.on.name])).toEqual([
      ["actor0", "bell0"],
      ["actor1", "bell1"],
    ]);
  });

  it("no byte and no wake-up is lost over a stream that is full or empty most of the time", async () => {
    const total = 300_000;
    const ends = [shared.start(0, ["sender", total, 2500]), shared.start(1, ["receiver", total, 1500])];
    expect(await Promise.all(ends)).toEqual(["done", "done"]);
    expect(shared.stream.inFlight()).toBe(0);
  });

  it.each([0, 1, 2 ** 32 - 1])("a guest that stalls for %d us looks again though nobody wakes it", async (micros) => {
    const outcome = shared.start(0, ["poll", micros]);
    const sleepers = shared.words.queue.seq + 1;
    while (shared.memory.note(sleepers) === 0) await turn();
    for (let i = 0; i < 100; i++) await turn(); // it sleeps by now, if it ever sleeps without end
    shared.words.store16(0, 1).attempt();
    expect(await outcome).toBe("done");
  });
});

describe("a schedule", () => {
  it("orders the ops of all actors; after its end they run free", async () => {
    const [schedule] = fc.sample(fc.array(fc.nat(2), { minLength: 3000, maxLength: 3000 }), { seed: 9, numRuns: 1 });
    const ends = [0, 1, 2].map((index) =>
      shared.start(index, ["append", schedule!.filter((each) => each === index).length, 100], { schedule: schedule! }),
    );
    expect(await Promise.all(ends)).toEqual(["done", "done", "done"]);
    const log = Array.from({ length: shared.memory.peek(shared.log) }, (_, i) =>
      shared.memory.peek(shared.log + 1 + i),
    );
    expect(log).toEqual(schedule);
    expect(shared.steering.turn).toBe(3000);
  });
});
