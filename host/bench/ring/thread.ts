// What the two threads of a benchmark do: a window is a number of requests put through the queues, by whichever
// implementation of the two sides.

import { VIRTQ_RUN_DONE, VIRTQ_RUN_IDLE, VIRTQ_RUN_NOTIFY } from "../../../device/spec/virtq.js";
import type { Bell } from "./bell.js";
import { coreWaitNs } from "./cores.js";
import type { DeviceSide, DriverSide, RunEnd, Sleeper } from "./sides.js";

/** Looks at an empty ring before a run of a thread that never sleeps ends, only to begin another. */
const LOOKS = 1 << 16;
/** Before a thread sleeps: some ten microseconds, as long as waking it would take. */
const LOOKS_BEFORE_SLEEP = 1 << 13;
/** Chains that one run of the device takes at most. */
const MOST = 0x8000;

export interface WindowJob {
  readonly requests: number;
  /** Requests before the clock starts: both threads are at it by then. */
  readonly lead: number;
  readonly patience: number;
  /** Sleep at once where there is nothing to do, instead of looking again first. */
  readonly drowsy?: boolean;
}

export interface Driven {
  readonly ns: number;
  /** For how long this thread had no core. */
  readonly waitNs: number;
  readonly kicks: number;
}

export interface Served {
  readonly waitNs: number;
  readonly calls: number;
  /** Of the numbers of all requests received, modulo 2^32. */
  readonly sum: number;
}

/** How a thread waits for the other one instead of polling. */
export interface Sleeping {
  readonly bell: Bell;
  readonly side: Sleeper;
}

/** One side at work on all queues in turn. */
abstract class Thread {
  notified = 0;

  constructor(
    readonly queues: number,
    readonly sleeping: Sleeping | undefined,
  ) {}

  looks({ drowsy }: WindowJob): number {
    if (this.queues > 1 || drowsy) return 0;
    return this.sleeping ? LOOKS_BEFORE_SLEEP : LOOKS;
  }

  /** @returns whether the run found nothing to do */
  judge(end: RunEnd): boolean {
    if (end === VIRTQ_RUN_NOTIFY) {
      this.notified++;
      this.sleeping?.bell.ring();
    } else if (end !== VIRTQ_RUN_DONE && end !== VIRTQ_RUN_IDLE)
      throw new Error(`a rule of the ring was broken: ${end}`);
    return end === VIRTQ_RUN_IDLE;
  }

  /** Sleeps, if this thread does, until there is something to do on one of those queues. */
  sleep(queues: readonly number[]): void {
    if (!this.sleeping) return;
    const { bell, side } = this.sleeping;
    if (queues.map((queue) => side.wantsTelling(queue)).every(Boolean)) bell.sleep();
    for (const queue of queues) side.polls(queue);
  }
}

export class DriverThread extends Thread {
  constructor(
    readonly driver: DriverSide,
    queues: number,
    sleeping?: Sleeping,
  ) {
    super(queues, sleeping);
  }

  window(job: WindowJob): Driven {
    this.#pass(job.lead, job);
    this.notified = 0;
    const waited = coreWaitNs();
    const start = process.hrtime.bigint();
    this.#pass(job.requests, job);
    const ns = Number(process.hrtime.bigint() - start);
    return { ns, waitNs: coreWaitNs() - waited, kicks: this.notified };
  }

  /** One request after the other, on a single queue. @returns the nanoseconds of each, the clock's among them */
  roundTrips(job: WindowJob): Float64Array {
    this.#pass(job.lead, job);
    return new Float64Array(job.requests).map(() => {
      const start = performance.now();
      this.#pass(1, job);
      return (performance.now() - start) * 1e6;
    });
  }

  /** Each queue its share, in turn. */
  #pass(requests: number, job: WindowJob): void {
    const { driver } = this;
    const looks = this.looks(job);
    const targets: number[] = [];
    for (let queue = 0; queue < this.queues; queue++) {
      targets.push((driver.returned(queue) + requests / this.queues) >>> 0);
    }
    for (let open = this.queues; open > 0; ) {
      open = 0;
      let idle = 0;
      for (let queue = 0; queue < this.queues; queue++) {
        const end = driver.run(queue, targets[queue]!, looks, job.patience);
        if (end !== VIRTQ_RUN_DONE) open++;
        if (this.judge(end)) idle++;
      }
      if (open > 0 && idle === open) this.sleep([...targets.keys()].filter((q) => driver.returned(q) !== targets[q]));
    }
  }
}

export class DeviceThread extends Thread {
  constructor(
    readonly device: DeviceSide,
    queues: number,
    sleeping?: Sleeping,
  ) {
    super(queues, sleeping);
  }

  window(job: WindowJob): Served {
    const { device } = this;
    const looks = this.looks(job);
    const all = Array.from({ length: this.queues }, (_, queue) => queue);
    const waited = coreWaitNs();
    this.notified = 0;
    let sum = 0;
    for (let left = job.lead + job.requests; left > 0; ) {
      let idle = 0;
      for (let queue = 0; queue < this.queues; queue++) {
        const end = device.run(queue, Math.min(left, MOST), looks, job.patience);
        left -= device.taken;
        sum = (sum + device.sum) >>> 0;
        if (this.judge(end)) idle++;
      }
      if (left > 0 && idle === this.queues) this.sleep(all);
    }
    return { waitNs: coreWaitNs() - waited, calls: this.notified, sum };
  }
}
