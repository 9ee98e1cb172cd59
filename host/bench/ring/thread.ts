// What the two threads of a benchmark do with a window: a number of requests put through the queues, by whichever
// implementation of the two sides.

import { VIRTQ_RUN_DONE, VIRTQ_RUN_IDLE, VIRTQ_RUN_NOTIFY } from "../../../device/spec/virtq.js";
import { coreWaitNs } from "./cores.js";
import type { DeviceSide, DriverSide, RunEnd } from "./sides.js";

/** Looks at an empty ring before a run ends; the loops begin another, so it only bounds a run. */
const LOOKS = 1 << 16;
/** Chains that one run of the device takes at most. */
const MOST = 0x8000;

/** Of the requests of a window, and those before its clock starts: both threads are at it by then. */
export interface WindowJob {
  readonly requests: number;
  readonly lead: number;
  readonly patience: number;
}

export interface Driven {
  readonly ns: number;
  /** For which the thread had no core. */
  readonly waitNs: number;
  readonly kicks: number;
}

export interface Served {
  readonly waitNs: number;
  readonly calls: number;
  /** Of the numbers of all requests that were received, modulo 2^32. */
  readonly sum: number;
}

/** How a thread tells the other one and waits for it; absent where both poll. */
export interface Bell {
  /** Tells the other side. */
  ring(): void;
  /** Sleeps until told; `needed` is asked last, after who is to tell has been asked to. */
  sleep(needed: () => boolean): void;
}

function broken(end: RunEnd): never {
  throw new Error(`a rule of the ring was broken: ${end}`);
}

/** All queues in turn until each has had its share. */
export function drive(driver: DriverSide, queues: number, job: WindowJob): Driven {
  let kicks = 0;
  const pass = (requests: number): void => {
    const looks = queues === 1 ? LOOKS : 0;
    const share = requests / queues;
    const targets = Array.from({ length: queues }, (_, queue) => (driver.returned(queue) + share) >>> 0);
    for (let open = true; open; ) {
      open = false;
      for (let queue = 0; queue < queues; queue++) {
        const end = driver.run(queue, targets[queue]!, looks, job.patience);
        if (end === VIRTQ_RUN_DONE) continue;
        open = true;
        if (end === VIRTQ_RUN_NOTIFY) kicks++;
        else if (end !== VIRTQ_RUN_IDLE) broken(end);
      }
    }
  };
  pass(job.lead);
  kicks = 0;
  const waited = coreWaitNs();
  const start = process.hrtime.bigint();
  pass(job.requests);
  const ns = Number(process.hrtime.bigint() - start);
  return { ns, waitNs: coreWaitNs() - waited, kicks };
}

export function serve(device: DeviceSide, queues: number, job: WindowJob): Served {
  const looks = queues === 1 ? LOOKS : 0;
  const waited = coreWaitNs();
  let calls = 0;
  let sum = 0;
  for (let left = job.lead + job.requests; left > 0; ) {
    for (let queue = 0; queue < queues; queue++) {
      const end = device.run(queue, Math.min(left, MOST), looks, job.patience);
      left -= device.taken;
      sum = (sum + device.sum) >>> 0;
      if (end === VIRTQ_RUN_NOTIFY) calls++;
      else if (end !== VIRTQ_RUN_DONE && end !== VIRTQ_RUN_IDLE) broken(end);
    }
  }
  return { waitNs: coreWaitNs() - waited, calls, sum };
}
