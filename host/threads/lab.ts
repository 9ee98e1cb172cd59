// The threads engine: one Worker an actor, a machine's life after the other. The main thread never blocks; it looks at
// what the actors publish, decides hangs, and stops them by the shared word.

import { proxy } from "comlink";
import type { Backing } from "../../device/fuse/backing/backing.js";
import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import type { RingExports } from "../../device/virtqueue.js";
import { GuestMemory } from "../../vm/memory.js";
import type { Trace } from "../../vm/sync/trace.js";
import { SyncMemory } from "../../vm/sync/words.js";
import { LabError } from "../errors.js";
import type { HangReport } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { type LoopActor, System, VCPU } from "../scenario/system.js";
import { diagnose, stuck } from "../scenario/verdict.js";
import { ConsoleFlow } from "./flow.js";
import { ConsoleInput } from "./input.js";
import type { ActorResult, Job, VcpuResult } from "./job.js";
import type { Platform, Spawned } from "./platform.js";

/** Without a verdict and without anybody having moved for this long, the watchdog says "undecided". */
const WATCHDOG_MS = 10_000;
const LOOK_EVERY_MS = 1;

export interface Life extends Trace {
  /** Boots that came to their end. */
  readonly completed: number;
  readonly exitCode: number;
  /** The boot after them hung. */
  readonly hang?: HangReport;
  /** The boot after them neither ended nor was found hung. */
  readonly undecided: boolean;
}

/** What a guest reads from, in pieces; a guest that waits for the next one waits for a person. */
export type Input = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export type Print = (fd: 1 | 2, bytes: Uint8Array) => void | Promise<void>;

interface View {
  readonly sync: SyncMemory;
  readonly system: System;
  readonly flow: ConsoleFlow;
  readonly input: ConsoleInput;
}

interface Modules {
  readonly ring: WebAssembly.Module;
  readonly guest: WebAssembly.Module;
}

export class Lab {
  readonly #sync = new SharedArrayBuffer(SyncMemory.BYTES);
  readonly #input = new SharedArrayBuffer(ConsoleInput.BYTES);
  readonly #memory: WebAssembly.Memory;
  /** By actor number. */
  readonly #workers: (Spawned | undefined)[] = [];
  #modules: Modules | undefined;
  #seen: View | undefined;
  /** Where the guest of the life that is going on prints. */
  #print: Print = () => {};

  /** @param ramBytes guest RAM, see GuestMemory.allocate */
  constructor(
    readonly platform: Platform,
    readonly guest: string,
    ramBytes: number,
  ) {
    this.#memory = GuestMemory.allocate(ramBytes);
  }

  /**
   * One life of a machine: new RAM, new devices, new back-end.
   * @param stdin what the guest reads; when the guest has ended, nobody asks for more of it
   */
  async live(job: Job, print: Print = () => {}, stdin: Input = []): Promise<Life> {
    const modules = await this.#load();
    GuestMemory.clear(this.#memory);
    const { sync, system, flow, input } = this.#view(job.scenario, modules.ring);
    sync.clear();
    const workers = await this.#actors(1 + system.loops.length, modules);
    const [first, ...others] = workers as [Spawned, ...Spawned[]];
    const printer = new Printer(print, (bytes) => flow.printed(bytes));
    this.#print = printer.take;
    const loops = others.map(({ api, settle }) => settle(api.runLoop(job)));
    const vcpu = first.settle(first.api.runVcpu(job) as Promise<VcpuResult>);
    let over = false;
    let inputError: unknown;
    const fed = feed(input, stdin, () => over);
    fed.catch((error: unknown) => (inputError = error));
    const verdict = await watch(system, input, flow, vcpu, [vcpu, ...loops, fed]);
    over = true;
    system.steering.stop();
    flow.release();
    input.release();
    const settled = await Promise.allSettled([vcpu, ...loops]);
    const failed = settled.findIndex((each) => each.status === "rejected");
    if (failed >= 0) {
      const actor = failed === 0 ? VCPU : system.loops[failed - 1]!.name;
      throw labError(actor, (settled[failed] as PromiseRejectedResult).reason);
    }
    if (inputError !== undefined) throw new LabError(`standard input: ${(inputError as Error).message}`);
    const results = settled.map((each) => (each as PromiseFulfilledResult<VcpuResult>).value);
    const { completed, exitCode, printed } = results[0]!;
    await printer.out(printed);
    // Decided while nobody moved. Who is stopped in a wait ends there and changes nothing, so all is as it was.
    const stuckAt = verdict === "undecided" ? undefined : verdict;
    const phase = completed === 0 ? "first" : "reboot";
    const hang = stuckAt && diagnose(system, stuckAt, phase, Math.max(completed, 1));
    return {
      completed,
      exitCode,
      ...(hang && { hang }),
      undecided: verdict === "undecided",
      ...joined([VCPU, ...system.loops.map((loop) => loop.name)], results),
    };
  }

  /** Between two lives: the next one gets new Workers for these threads of the back-end. */
  async renew(planes: readonly LoopActor["plane"][]): Promise<void> {
    const ended = (this.#seen?.system.loops ?? []).map(async ({ plane }, i) => {
      if (!planes.includes(plane)) return;
      await this.#workers[i + 1]?.end();
      this.#workers[i + 1] = undefined;
    });
    await Promise.all(ended);
  }

  /** Ends the Workers. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker?.end()));
  }

  async #load(): Promise<Modules> {
    if (!this.#modules) {
      const { loadModule } = this.platform;
      const [ring, guest] = await Promise.all([loadModule("ring"), loadModule(this.guest)]);
      this.#modules = { ring, guest };
    }
    return this.#modules;
  }

  /** The main thread's own face of the shared memory. It has no state of its own, so it serves many lives. */
  #view(scenario: Scenario, module: WebAssembly.Module): View {
    if (this.#seen?.system.scenario !== scenario) {
      const sync = new SyncMemory(this.#sync);
      const ring = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports;
      // What this thread serves is the request of a hung machine that is kicked once more: that it is answered counts.
      const backing = (): Backing => new MemoryBacking({});
      const system = new System(sync, this.#memory, ring as unknown as RingExports, scenario, backing);
      this.#seen = { sync, system, flow: new ConsoleFlow(sync), input: new ConsoleInput(sync, this.#input) };
    }
    return this.#seen;
  }

  async #actors(count: number, modules: Modules): Promise<Spawned[]> {
    const workers: Spawned[] = [];
    const starting: Promise<void>[] = [];
    for (let actor = 0; actor < count; actor++) {
      let worker = this.#workers[actor];
      if (!worker) {
        worker = this.platform.spawnActor(actor);
        this.#workers[actor] = worker;
        const setup = { sync: this.#sync, memory: this.#memory, input: this.#input, ...modules };
        const guestConsole = proxy((fd: 1 | 2, bytes: Uint8Array) => this.#print(fd, bytes));
        starting.push(worker.settle(worker.api.setup(setup, actor, guestConsole) as Promise<void>));
      }
      workers.push(worker);
    }
    await Promise.all(starting);
    return workers;
  }
}

/**
 * Passes the guest's output on. It comes over a channel of its own, which keeps its order but may fall behind the
 * vCPU's result.
 */
class Printer {
  #taken = 0;
  readonly #pending: Promise<void>[] = [];
  #more: () => void = () => {};

  constructor(
    readonly print: Print,
    readonly done: (bytes: number) => void,
  ) {}

  readonly take: Print = (fd, bytes) => {
    this.#taken += bytes.length;
    this.#pending.push(Promise.resolve(this.print(fd, bytes)).finally(() => this.done(bytes.length)));
    this.#more();
  };

  /** Resolves once all `bytes` that the guest wrote are out. */
  async out(bytes: number): Promise<void> {
    while (this.#taken < bytes) await new Promise<void>((resolve) => (this.#more = resolve));
    await Promise.all(this.#pending);
  }
}

/** Hands a life's input over, as fast as the guest takes it. */
async function feed(input: ConsoleInput, pieces: Input, over: () => boolean): Promise<void> {
  for await (const piece of pieces) {
    for (let rest = piece; rest.length > 0; ) {
      if (over()) return;
      rest = rest.subarray(input.put(rest));
      if (rest.length > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
  if (!over()) input.end();
}

/** What the actors recorded, from where all of them have a record: what one gave and another took are both in it. */
function joined(actors: readonly string[], results: readonly ActorResult[]): Trace {
  const begins = results.map(({ events, dropped }) => (dropped > 0 ? events[0]!.at : Number.NEGATIVE_INFINITY));
  const start = Math.max(...begins);
  const kept = results.map(({ events }) => events.filter(({ at }) => at >= start));
  const missing = results.map(({ events, dropped }, i) => dropped + events.length - kept[i]!.length);
  const dropped = actors.map((actor, i) => [actor, missing[i]!] as const).filter(([, count]) => count > 0);
  return {
    events: kept.flat().sort((a, b) => a.at - b.at),
    ...(dropped.length > 0 && { dropped: Object.fromEntries(dropped) }),
  };
}

/** Looks until the guest's boots are over, an actor failed, a hang is decided, or nothing can be said. */
async function watch(
  system: System,
  input: ConsoleInput,
  flow: ConsoleFlow,
  vcpu: Promise<unknown>,
  actors: readonly Promise<unknown>[],
): Promise<ReturnType<typeof stuck> | "undecided"> {
  let over = false;
  let wake = (): void => {};
  const end = (): void => {
    over = true;
    wake();
  };
  vcpu.then(end, end);
  for (const actor of actors) actor.catch(end);
  let moved = movement(system);
  let since = performance.now();
  for (;;) {
    // Also woken by the end: a browser stretches the timers of a tab that nobody sees.
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, LOOK_EVERY_MS);
    });
    if (over) return undefined;
    const positions = stuck(system);
    if (positions) return positions;
    const now = movement(system);
    // A guest that waits for a person to type, or for whoever prints, is no matter for the watchdog.
    if (now !== moved || input.waiting || flow.full) {
      moved = now;
      since = performance.now();
    } else if (performance.now() - since > WATCHDOG_MS) return "undecided";
  }
}

/** Changes whenever an actor began or ended a wait. */
function movement(system: System): string {
  return [system.vcpu, ...system.loops.map((loop) => loop.record)].map((record) => record.read()?.version).join();
}

/** What goes wrong on an actor's thread, in a line. Errors lose their class on the way, not their name. */
function labError(actor: string, reason: unknown): LabError {
  const { name, message } = reason instanceof Error ? reason : new Error(String(reason));
  return new LabError(
    name === "GuestFault" ? `the guest trapped: ${message}` : `the ${actor} Worker failed: ${message}`,
  );
}
