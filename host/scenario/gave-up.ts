// A machine that goes on without its device: the guest's driver has given it up because of what it did, or the back-end
// has broken off its connection and the front-end cannot go on. To the explorer the vCPU waits for something that nothing
// brings about.

import type { Actor } from "../../vm/sync/op.js";
import { Op, type Waitable } from "../../vm/sync/op.js";
import type { WaitQueue } from "../../vm/sync/words.js";

export class GaveUp implements Waitable {
  readonly id = -1; // no thread publishes this wait
  readonly name = "guest";

  constructor(
    readonly queue: WaitQueue,
    readonly cause: "driver-gave-up" | "back-end-aborted",
    readonly why: string,
  ) {}

  blocked(): boolean {
    return true;
  }

  describe(): string {
    return `nothing: ${this.why}`;
  }

  *wait(): Actor {
    const options = { blocks: { on: this, a: 0, b: 0 } };
    yield* new Op(this.cause, { reads: [], writes: [] }, () => undefined, options);
  }
}
