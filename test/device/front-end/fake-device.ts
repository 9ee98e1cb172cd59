// A VirtioDevice that writes down what it is asked: the file system device's shape, without a back-end.

import { DeviceCfg } from "../../../device/front-end/device-cfg.js";
import type { Features, VirtioDevice, VirtioTransport } from "../../../device/front-end/virtio-device.js";
import { EventFd } from "../../../vm/sync/eventfd.js";
import type { Actor } from "../../../vm/sync/op.js";
import { SyncMemory, Word } from "../../../vm/sync/words.js";

export class FakeDevice implements VirtioDevice {
  readonly deviceId = 26;
  readonly queueSizes = [128, 128];
  /** 5.11.4: tag "myfs" in 36 bytes, num_request_queues 1. */
  readonly config = new DeviceCfg(
    Uint8Array.from([...new TextEncoder().encode("myfs"), ...new Uint8Array(32), 1, 0, 0, 0]),
  );
  readonly memory = SyncMemory.create();
  readonly kick = new EventFd(this.memory, "kick");
  /** One step that others see, in each call that may wait: a test sees by it that the trap waits. */
  readonly step = new Word(this.memory, "device");
  readonly log: string[] = [];
  /** INDIRECT_DESC 28, EVENT_IDX 29; VERSION_1 32. */
  offered: Features = [0x30000000, 0x00000001];
  pending = 0;
  /** Queues whose masked notifier has been signalled. */
  readonly calledMasked = new Set<number>();
  /** Called in the middle of setStatus. */
  onSetStatus: (next: number, transport: VirtioTransport) => Actor = function* () {};
  onReset: (transport: VirtioTransport) => void = () => {};

  offeredFeatures(): Features {
    return this.offered;
  }

  *setStatus(old: number, next: number, transport: VirtioTransport): Actor {
    yield* this.step.store(1);
    this.log.push(`setStatus ${old} -> ${next}`);
    yield* this.onSetStatus(next, transport);
  }

  *queueEnabled(queue: number, transport: VirtioTransport): Actor {
    yield* this.step.store(1);
    this.log.push(`queueEnabled ${queue}: ${JSON.stringify(transport.queues[queue])}`);
  }

  *reset(transport: VirtioTransport): Actor {
    yield* this.step.store(1);
    this.log.push(`reset at status ${transport.status}`);
    this.onReset(transport);
  }

  *queueNotify(queue: number): Actor {
    yield* this.step.store(1);
    this.log.push(`queueNotify ${queue}`);
  }

  *maskCall(queue: number, masked: boolean): Actor {
    yield* this.step.store(1);
    this.log.push(`maskCall ${queue} ${masked}`);
  }

  *callPending(queue: number): Actor<boolean> {
    yield* this.step.store(1);
    return this.calledMasked.delete(queue);
  }

  *pendingInterrupts(): Actor<number> {
    yield* this.step.store(1);
    const bits = this.pending;
    this.pending = 0;
    return bits;
  }
}
