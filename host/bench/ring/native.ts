// The C twin of the ring, built on the spot and measured in a process of its own.

import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LabError } from "../../errors.js";
import { packageRoot } from "../../package.js";
import type { Contender, Shot, Window } from "./contender.js";
import { twoCores } from "./cores.js";
import type { RingOptions } from "./options.js";

const SOURCE = new URL("host/bench/ring/twin.c", packageRoot);
export const CC = ["cc", "-O3", "-march=native", "-pthread"] as const;

export class NativeContender implements Contender {
  readonly name = "native";
  readonly #lines: AsyncIterator<string>;

  private constructor(
    readonly process: ChildProcessWithoutNullStreams,
    readonly directory: string,
    readonly queues: number,
  ) {
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  }

  /** @throws LabError where there is no C compiler */
  static async start(options: RingOptions): Promise<NativeContender> {
    const directory = await mkdtemp(`${tmpdir()}/vhostlab-`);
    const program = `${directory}/twin`;
    const [cc, ...flags] = CC;
    try {
      await promisify(execFile)(cc, [...flags, "-o", program, fileURLToPath(SOURCE)]);
    } catch (error) {
      await rm(directory, { recursive: true });
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      throw new LabError(missing ? `no C compiler (${cc}), which --against native needs` : String(error));
    }
    const { ring, batch, outstanding, chain, payload, queues, features } = options;
    const flag = (feature: (typeof features)[number]): number => Number(features.includes(feature));
    const cores = twoCores() ?? [-1, -1];
    const numbers = [
      ring,
      batch,
      outstanding,
      chain,
      payload,
      queues,
      flag("event_idx"),
      flag("indirect"),
      flag("in_order"),
    ];
    return new NativeContender(spawn(program, [...numbers, ...cores].map(String)), directory, queues);
  }

  async window({ requests, patience }: Shot): Promise<Window> {
    const whole = Math.ceil(requests / this.queues) * this.queues;
    const [ns = 0, driverWait = 0, deviceWait = 0] = await this.#ask(`window ${whole} ${patience}`);
    return { requests: whole, ns, waited: Math.max(driverWait, deviceWait) / ns, kicks: 0, calls: 0 };
  }

  async roundTrips({ requests, patience }: Shot): Promise<ArrayLike<number>> {
    return this.#ask(`latency ${requests} ${patience}`);
  }

  /** @returns nanoseconds of a round trip between two threads that sleep on a futex for each turn */
  async futex(rounds: number): Promise<number> {
    return (await this.#ask(`futex ${rounds} 0`))[0]!;
  }

  async close(): Promise<void> {
    this.process.kill();
    await rm(this.directory, { recursive: true });
  }

  async #ask(question: string): Promise<number[]> {
    this.process.stdin.write(`${question}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new LabError("the C twin found a broken rule or a damaged request");
    return value.trim().split(" ").map(Number);
  }
}
