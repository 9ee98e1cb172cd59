// By what the two threads of a benchmark wake each other where they do not poll: the eventfds and the epoll of the
// lab's machine.

import { Doorbell } from "../../../vm/sync/doorbell.js";
import type { EventFd } from "../../../vm/sync/eventfd.js";
import type { Actor } from "../../../vm/sync/op.js";
import { Steering, ThreadPerformer, WaitRecord } from "../../../vm/sync/perform.js";
import type { SyncMemory } from "../../../vm/sync/words.js";

export type Side = "driver" | "device";

/** One side's: it rings the other side's eventfd and sleeps on its own. */
export class Bell {
  readonly #performer: ThreadPerformer;
  readonly #doorbell: Doorbell;
  readonly #slot: number;
  readonly #mine: EventFd;
  readonly #theirs: EventFd;

  constructor(sync: SyncMemory, side: Side) {
    const waker = (name: string) => {
      const doorbell = new Doorbell(sync, `${name}.epoll`);
      return { doorbell, ...doorbell.slot(name) };
    };
    const kick = waker("kick");
    const call = waker("call");
    const mine = side === "driver" ? call : kick;
    this.#doorbell = mine.doorbell;
    this.#slot = mine.slot;
    this.#mine = mine.eventfd;
    this.#theirs = side === "driver" ? kick.eventfd : call.eventfd;
    const actor = side === "driver" ? 0 : 1;
    this.#performer = new ThreadPerformer(new Steering(sync), new WaitRecord(sync, side), actor);
    this.#performer.run(this.#watch());
  }

  /** Wakes the other side. */
  ring(): void {
    this.#performer.run(this.#tell());
  }

  /** Sleeps until the other side has rung since the last sleep. */
  sleep(): void {
    this.#performer.run(this.#wait());
  }

  *#watch(): Actor {
    yield* this.#doorbell.add(this.#slot);
  }

  *#tell(): Actor {
    yield* this.#theirs.add(1);
  }

  *#wait(): Actor {
    yield* this.#doorbell.wait();
    yield* this.#mine.read();
  }
}
