// A guest whose driver gives its device up, because of what the device did. Its machine goes on without: to the explorer
// the vCPU waits for something that nothing brings about.

import type { Actor } from "../../vm/sync/op.js";
import { Op, type Waitable } from "../../vm/sync/op.js";
import type { WaitQueue } from "../../vm/sync/words.js";

export class GaveUp implements Waitable {
  readonly id = -1; // no thread publishes this wait
  readonly name = "guest";

  constructor(
    readonly queue: WaitQueue,
    readonly exitCode: number,
  ) {}

  blocked(): boolean {
    return true;
  }

  describe(): string {
    return `nothing: its driver has given the device up (exit code ${this.exitCode})`;
  }

  *wait(): Actor {
    const options = { blocks: { on: this, a: 0, b: 0 } };
    yield* new Op("gave-up", { reads: [], writes: [] }, () => undefined, options);
  }
}
