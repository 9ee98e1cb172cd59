// The notification structure (virtio 1.4, 4.1.4.4 and 4.1.5.2): one address a queue. A queue that has a host notifier
// does not come here by the bus (the ioeventfd is signalled without a trap), only through the PCI cfg window; then its
// eventfd is signalled all the same, as virtio_queue_notify does. The value written is not looked at, as in QEMU.

import type { MmioRegion } from "../../vm/bus.js";
import type { EventCounter } from "../../vm/sync/eventfd.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { DRIVER_BUGS, noteDriverBug } from "./driver-bug.js";

/** notify_off_multiplier; queue_notify_off is the queue's number. */
export const NOTIFY_OFF_MULTIPLIER = 4;

export interface NotifyTarget {
  readonly queueCount: number;
  notifier(queue: number): EventCounter | undefined;
  /** A notification of a queue without notifier. */
  queueNotify(queue: number): Actor;
}

export class NotifyCfg implements MmioRegion {
  readonly name = "notify";

  constructor(
    readonly size: number,
    readonly target: NotifyTarget,
    readonly note: Note | undefined,
  ) {}

  // biome-ignore lint/correctness/useYield: a trap without steps
  *read(): Actor<number> {
    return 0;
  }

  *write(offset: number): Actor {
    const queue = offset / NOTIFY_OFF_MULTIPLIER;
    if (!Number.isInteger(queue) || queue >= this.target.queueCount)
      return noteDriverBug(this.note, DRIVER_BUGS.NOTIFY_ADDRESS);
    this.note?.("write[notify]", `q${queue}`);
    const eventfd = this.target.notifier(queue);
    if (eventfd) yield* eventfd.add(1);
    else yield* this.target.queueNotify(queue);
  }
}
