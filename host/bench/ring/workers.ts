// A ring measured on two Workers of this process, a core each.

import { Worker } from "node:worker_threads";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { LabError } from "../../errors.js";
import { type ModuleLoader, type Thread, threadOf } from "../../threads/platform.js";
import { BUILD } from "../../threads/spawn.js";
import { SyncMemory } from "../../../vm/sync/words.js";
import type { Side } from "./bell.js";
import type { Contender, Shot, Window } from "./contender.js";
import { twoCores } from "./cores.js";
import { type DriverBytes, holdsPattern, type Layout, layOut } from "./layout.js";
import type { RingOptions } from "./options.js";
import type { RingWorker } from "./ring.worker.js";
import type { Served, WindowJob } from "./thread.js";
import { driverBytes } from "./wasm-sides.js";

/** Requests before a window's clock starts: rounds of all that may be in flight. */
const LEAD_ROUNDS = 4;
/** A payload begins with its request's number. */
const WORD = 4;

export class WorkersContender implements Contender {
  /** Of each queue, so far. */
  #requests = 0;

  private constructor(
    readonly name: string,
    readonly options: RingOptions,
    readonly layout: Layout,
    readonly driver: Thread<RingWorker>,
    readonly device: Thread<RingWorker>,
  ) {}

  /** The lab's own: driver.wasm and ring.wasm as the build made them. */
  static async wasm(loader: ModuleLoader, options: RingOptions): Promise<Contender> {
    const modules = { driver: await loader.loadModule("driver"), device: await loader.loadModule("ring") };
    return WorkersContender.#start("wasm", options, driverBytes(modules.driver, options.ring), modules);
  }

  static async js(options: RingOptions): Promise<Contender> {
    return WorkersContender.#start("js", options, { queue: 0, stream: 0 }, {});
  }

  static async #start(
    name: string,
    options: RingOptions,
    bytes: DriverBytes,
    modules: Partial<Record<Side, WebAssembly.Module>>,
  ): Promise<Contender> {
    const cores = twoCores();
    const sync = options.notify === "eventfd" ? SyncMemory.create().buffer : undefined;
    const layout = layOut(options, bytes);
    const start = async (side: Side, core: number | undefined): Promise<Thread<RingWorker>> => {
      const thread = spawnRingWorker();
      await thread.settle(thread.api.setup({ side, options, layout, module: modules[side], core, sync }));
      return thread;
    };
    const driver = await start("driver", cores?.[0]);
    return new WorkersContender(name, options, layout, driver, await start("device", cores?.[1]));
  }

  async window(shot: Shot): Promise<Window> {
    const { queues, outstanding } = this.options;
    const requests = Math.ceil(shot.requests / queues) * queues;
    const job = { ...shot, requests, lead: LEAD_ROUNDS * outstanding * queues };
    const [served, driven] = await this.#both(job, this.driver.api.drive(job));
    const waited = Math.max(served.waitNs, driven.waitNs) / driven.ns;
    return { requests, ns: driven.ns, waited, kicks: driven.kicks, calls: served.calls };
  }

  async roundTrips(shot: Shot): Promise<ArrayLike<number>> {
    const job = { ...shot, lead: LEAD_ROUNDS };
    const [, trips] = await this.#both(job, this.driver.api.roundTrips(job));
    return trips;
  }

  async close(): Promise<void> {
    await Promise.all([this.driver.end(), this.device.end()]);
  }

  async #both<T>(job: WindowJob, driving: Promise<T>): Promise<[Served, T]> {
    const serving = this.device.settle(this.device.api.serve(job));
    const both = await Promise.all([serving, this.driver.settle(driving)]);
    this.#check(both[0], (job.lead + job.requests) / this.options.queues);
    return both;
  }

  /** Every request of every queue has come through, and the last one unharmed. */
  #check({ sum }: Served, requests: number): void {
    const { payload, queues } = this.options;
    const last = BigInt(this.#requests + requests);
    const first = BigInt(this.#requests);
    const numbers = ((last * (last - 1n) - first * (first - 1n)) / 2n) * BigInt(queues);
    this.#requests += requests;
    if (payload < WORD) return;
    const intact = this.layout.queues.every((queue) => holdsPattern(this.layout.memory, queue.sink, payload));
    if (BigInt(sum) !== BigInt.asUintN(32, numbers) || !intact)
      throw new LabError(`${this.name}: a request was damaged`);
  }
}

function spawnRingWorker(): Thread<RingWorker> {
  const worker = new Worker(new URL("host/bench/ring/ring.worker.js", BUILD));
  return threadOf(
    nodeEndpoint(worker),
    (died) => void worker.once("error", died),
    async () => void (await worker.terminate()),
  );
}
