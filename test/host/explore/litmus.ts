// Small systems for the policies: a few actors over words, eventfds, an epoll, a lock and a stream.

import fc from "fast-check";
import type { Explorable, Run } from "../../../host/explore/policies/policy.js";
import { Doorbell } from "../../../vm/sync/doorbell.js";
import { Lock } from "../../../vm/sync/lock.js";
import type { Actor, Op, Result } from "../../../vm/sync/op.js";
import { ByteStream } from "../../../vm/sync/socket.js";
import { SyncMemory, Word } from "../../../vm/sync/words.js";

/** @param make the actors of a new system */
export function litmus(make: (memory: SyncMemory) => Actor<unknown>[], { eager = true } = {}): Explorable {
  const memory = SyncMemory.create();
  return {
    start() {
      const own = new SyncMemory(memory.buffer);
      new BigUint64Array(memory.buffer).fill(0n); // many times as fast as by words
      return new LitmusRun(own, make(own), eager);
    },
  };
}

class LitmusRun implements Run {
  readonly #pending: (Op | undefined)[];
  /** By actor, all that it has learned. */
  readonly #learned: string[][];

  constructor(
    readonly memory: SyncMemory,
    readonly all: Actor<unknown>[],
    readonly runsEager: boolean,
  ) {
    this.#pending = all.map((actor) => this.#advance(actor, undefined));
    this.#learned = all.map(() => []);
  }

  get actors(): number {
    return this.all.length;
  }

  get answered(): boolean {
    return this.#pending.every((op) => op === undefined);
  }

  enabled(): number[] {
    return [...this.#pending.keys()].filter((actor) => this.#pending[actor]?.enabled() ?? false);
  }

  eager(): number | undefined {
    return this.runsEager ? this.enabled().find((actor) => this.#pending[actor]!.eager) : undefined;
  }

  next(actor: number): Op | undefined {
    return this.#pending[actor];
  }

  step(actor: number): void {
    const result = this.#pending[actor]!.attempt()!;
    this.#learned[actor]!.push(typeof result === "number" ? `${result}` : result.key);
    this.#pending[actor] = this.#advance(this.all[actor]!, result);
  }

  key(): string {
    const words: number[] = [];
    this.memory.foldAll(words);
    return `${this.#learned.map((results) => results.join()).join(" | ")} | ${words}`;
  }

  #advance(actor: Actor<unknown>, result: Result | undefined): Op | undefined {
    const step = actor.next(result);
    return step.done ? undefined : step.value;
  }
}

const VERBS = [
  "load",
  "store",
  "await",
  "add",
  "read",
  "watch",
  "unwatch",
  "wait",
  "locked load",
  "locked store",
  "send",
  "receive",
] as const;
type Step = readonly [verb: (typeof VERBS)[number], which: number];

/** Programs of three actors. The first alone sends, the last alone receives. */
export const programs = fc.array(
  fc.array(fc.tuple(fc.constantFrom(...VERBS), fc.nat(1)), { minLength: 1, maxLength: 3 }),
  { minLength: 3, maxLength: 3 },
);

export function programSystem(program: readonly (readonly Step[])[]): (memory: SyncMemory) => Actor<unknown>[] {
  return (memory) => {
    const lock = new Lock(memory, "lock");
    const words = [new Word(memory, "x"), new Word(memory, "y")];
    const owned = new Word(memory, "owned", lock);
    const epoll = new Doorbell(memory, "epoll");
    const eventfds = [epoll.slot("a"), epoll.slot("b")];
    const stream = new ByteStream(memory, "stream");
    const perform = function* ([verb, which]: Step, actor: number): Actor<unknown> {
      const word = words[which]!;
      const { slot, eventfd } = eventfds[which]!;
      switch (verb) {
        case "load":
          return yield* word.load();
        case "store":
          return yield* word.store(actor + 1);
        case "await":
          return yield* word.awaitChange(0);
        case "add":
          return yield* eventfd.add(1);
        case "read":
          return yield* eventfd.read();
        case "watch":
          return yield* epoll.add(slot);
        case "unwatch":
          return yield* epoll.del(slot);
        case "wait":
          return yield* epoll.wait();
        case "locked load":
          return yield* lock.holding(() => owned.load()[Symbol.iterator]());
        case "locked store":
          return yield* lock.holding(() => owned.store(actor + 1)[Symbol.iterator]());
        case "send":
          return actor === 0 ? yield* stream.send(new Uint8Array([which])) : undefined;
        case "receive":
          return actor === 2 ? yield* stream.receive(1 + which) : undefined;
      }
    };
    return program.map(function* (steps, actor) {
      for (const step of steps) yield* perform(step, actor);
    });
  };
}
