// The threads engine: one Worker an actor, a machine's life after the other. The main thread never blocks; it looks at
// what the actors publish, decides hangs, and stops them by the shared word.

import { proxy } from "comlink";
import type { RingExports } from "../../device/virtqueue.js";
import { GuestMemory } from "../../vm/memory.js";
import type { TraceEvent } from "../../vm/sync/trace.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { LabError } from "../errors.js";
import type { HangReport } from "../scenario/outcome.js";
import { System } from "../scenario/system.js";
import { diagnose, stuck } from "../scenario/verdict.js";
import { ConsoleFlow } from "./flow.js";
import type { Job, VcpuResult } from "./job.js";
import { loadModule, type Spawned, spawnActor } from "./spawn.js";

/** Without a verdict and without anybody having moved for this long, the watchdog says "undecided". */
const WATCHDOG_MS = 10_000;
const LOOK_EVERY_MS = 1;

export interface Life {
  /** Boots that came to their end. */
  readonly completed: number;
  readonly exitCode: number;
  /** The boot after them hung. */
  readonly hang?: HangReport;
  /** The boot after them neither ended nor was found hung. */
  readonly undecided: boolean;
  readonly events: readonly TraceEvent[];
}

export type Print = (fd: 1 | 2, bytes: Uint8Array) => void | Promise<void>;

export class Lab {
  readonly #sync = SyncMemory.create();
  readonly #memory: WebAssembly.Memory;
  readonly #ring = loadModule("ring");
  readonly #guest: WebAssembly.Module;
  readonly #workers: Spawned[] = [];
  /** The main thread's own face of the shared memory, for verdicts. */
  readonly #ringExports: RingExports;

  /** @param ramBytes guest RAM, see GuestMemory.allocate */
  constructor(guest: string, ramBytes: number) {
    this.#guest = loadModule(guest);
    this.#memory = GuestMemory.allocate(ramBytes);
    this.#ringExports = new WebAssembly.Instance(this.#ring, { env: { memory: this.#memory } })
      .exports as unknown as RingExports;
  }

  /** One life of a machine: new RAM, new devices, new back-end. */
  async live(job: Job, print: Print = () => {}): Promise<Life> {
    GuestMemory.clear(this.#memory);
    const sync = new SyncMemory(this.#sync.buffer);
    sync.clear();
    const system = new System(sync, this.#memory, this.#ringExports, job.scenario, () => {
      throw new Error("the main thread serves nothing");
    });
    const flow = new ConsoleFlow(sync);
    const workers = await this.#actors(1 + system.loops.length);
    const [first, ...others] = workers as [Spawned, ...Spawned[]];
    const printed: Promise<void>[] = [];
    const guestConsole = proxy((fd: 1 | 2, bytes: Uint8Array) => {
      printed.push(Promise.resolve(print(fd, bytes)).finally(() => flow.printed(bytes.length)));
    });

    const loops = others.map(({ api, died }) => Promise.race([api.runLoop(job), died]));
    const vcpu = Promise.race([first.api.runVcpu(job, guestConsole) as Promise<VcpuResult>, first.died]);
    const failure = Promise.race([vcpu, ...loops]).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const verdict = await watch(system, vcpu, failure);
    const report = verdict && verdict !== "undecided" ? { stuck: verdict } : undefined;
    // Decided while nobody moved; the picture is taken before anybody is woken.
    const snapshot = report && diagnose(system, report.stuck, "first", 1);
    system.steering.stop();
    flow.release();
    const settled = await Promise.allSettled([vcpu, ...loops]);
    await Promise.all(printed);
    const failed = settled.find((each) => each.status === "rejected");
    if (failed) throw labError(failed.reason);
    const results = settled.map((each) => (each as PromiseFulfilledResult<VcpuResult>).value);
    const { completed, exitCode } = results[0]!;
    const phase = completed === 0 ? "first" : "reboot";
    return {
      completed,
      exitCode,
      ...(snapshot && { hang: { ...snapshot, phase, boot: Math.max(completed, 1) } }),
      undecided: verdict === "undecided",
      events: results.flatMap((result) => result.events).sort((a, b) => a.at - b.at),
    };
  }

  /** Ends the Workers. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.end()));
  }

  async #actors(count: number): Promise<Spawned[]> {
    while (this.#workers.length < count) {
      const worker = spawnActor();
      this.#workers.push(worker);
      const setup = { sync: this.#sync.buffer, memory: this.#memory, ring: this.#ring, guest: this.#guest };
      await Promise.race([worker.api.setup(setup, this.#workers.length - 1), worker.died]);
    }
    return this.#workers.slice(0, count);
  }
}

/** Looks until the guest's boots are over, somebody failed, a hang is decided, or nothing can be said. */
async function watch(
  system: System,
  vcpu: Promise<unknown>,
  failure: Promise<unknown>,
): Promise<ReturnType<typeof stuck> | "undecided"> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  vcpu.then(end, end);
  failure.then((failed) => failed && end());
  let moved = movement(system);
  let since = performance.now();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    if (over) return undefined;
    const positions = stuck(system);
    if (positions) return positions;
    const now = movement(system);
    if (now !== moved) {
      moved = now;
      since = performance.now();
    } else if (performance.now() - since > WATCHDOG_MS) return "undecided";
  }
}

/** Changes whenever an actor began or ended a wait. */
function movement(system: System): string {
  return [system.vcpu, ...system.loops.map((loop) => loop.record)].map((record) => record.read()?.version).join();
}

function labError(reason: unknown): Error {
  if (!(reason instanceof Error)) return new LabError(String(reason));
  if (reason.name === "RuntimeError" || reason.name === "GuestFault")
    return new LabError(`the guest trapped: ${reason.message}`);
  if (reason.name === "BackEndError") return new LabError(reason.message);
  return reason;
}
