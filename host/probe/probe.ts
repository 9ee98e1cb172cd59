// Plays the stories against a real back-end, each many times, each trial on a new connection.

import { prepareWasi } from "../../vm/guest-wasi.js";
import { Libc } from "../native/libc.js";
import { NativeRam } from "../native/ram.js";
import { wilson95 } from "../report/wilson.js";
import { nodePlatform } from "../threads/spawn.js";
import { type BackEnd, ListeningBackEnd, StartedBackEnd } from "./back-end.js";
import { checkRules, handshake } from "./conformance.js";
import type { SocketFrontEnd } from "./machine.js";
import { randomFrom } from "../random.js";
import type { ProbeResult, ScenarioResult, Traced } from "./result.js";
import { STORIES, type Story, type StoryName } from "./stories.js";
import { type Outcome, runTrial, type Stage, type Trial } from "./trial.js";

const RAM_BYTES = 16 * 1024 * 1024;
/** Then a row's rate is known well enough. */
const ENOUGH_LOST = 20;
/** A back-end that dies or hangs does so again, and that takes time: a row ends with this many. */
const ENOUGH_BROKEN = 2;

/** A path where a back-end listens, or a command that starts one. */
export type Target = { readonly socket: string } | { readonly command: readonly string[] };

export interface ProbeOptions {
  readonly stories: readonly StoryName[];
  readonly frontEnds: readonly SocketFrontEnd[];
  readonly trials: number;
  readonly seed: number;
  /** See Stage. */
  readonly otherQueue?: number;
  /** Are the rules tried as well? */
  readonly conformance: boolean;
  readonly onProgress?: (done: string) => void;
}

/** @throws UserError, LabError where there is no back-end to talk to */
export async function probe(target: Target, options: ProbeOptions): Promise<ProbeResult> {
  const libc = await Libc.load();
  await prepareWasi();
  const modules = await Promise.all(["ovmf", "shell", "bare", "driver"].map(nodePlatform.loadModule));
  const [ovmf, shell, bare, driver] = modules;
  const ram = new NativeRam(libc, RAM_BYTES);
  const backEnd =
    "socket" in target ? new ListeningBackEnd(libc, target.socket) : new StartedBackEnd(libc, target.command);
  const cleanUp = endAtSignals(backEnd);
  try {
    return await new Probe(
      {
        libc,
        ram,
        guests: { ovmf: ovmf!, shell: shell!, bare: bare! },
        driver: driver!,
        otherQueue: options.otherQueue,
      },
      backEnd,
      options,
    ).run();
  } finally {
    cleanUp();
    await backEnd.close();
    ram.close();
  }
}

class Probe {
  readonly #random: () => number;
  #traced: Traced | undefined;
  #lossTraced = false;

  constructor(
    readonly stage: Stage,
    readonly backEnd: BackEnd,
    readonly options: ProbeOptions,
  ) {
    this.#random = randomFrom(options.seed);
  }

  async run(): Promise<ProbeResult> {
    const { stories, frontEnds } = this.options;
    const unfit = await handshake(this.stage, this.backEnd);
    if (unfit) return { backEnd: this.backEnd.name, scenarios: [], conformance: [unfit] };
    const scenarios: ScenarioResult[] = [];
    for (const story of stories.filter((name) => this.#tells(name)))
      for (const frontEnd of frontEnds.filter((name) => (STORIES[story] as Story).frontEnds.includes(name)))
        scenarios.push(await this.#row(story, frontEnd));
    const conformance = this.options.conformance
      ? await checkRules(this.stage, this.backEnd, this.options.onProgress)
      : [];
    return { backEnd: this.backEnd.name, scenarios, conformance, ...(this.#traced && { traced: this.#traced }) };
  }

  async #row(name: StoryName, frontEnd: SocketFrontEnd): Promise<ScenarioResult> {
    const story: Story = STORIES[name];
    const id = `${name}/${frontEnd}`;
    const counts: Record<Outcome, number> = { answered: 0, slow: 0, lost: 0, wedged: 0, broken: 0 };
    const wanted = this.options.trials * (story.times ?? 1);
    let trials = 0;
    let first: Trial | undefined;
    let why: string | undefined;
    const enough = (): boolean =>
      counts.lost >= ENOUGH_LOST || counts.wedged + counts.broken >= ENOUGH_BROKEN || trials >= wanted;
    while (!enough()) {
      this.options.onProgress?.(`${id} ${trials} of ${wanted}`);
      const socket = await this.backEnd.connect();
      const trial = runTrial(this.stage, socket, story, frontEnd, story.order(this.#random));
      trials++;
      counts[trial.outcome]++;
      const lost = trial.outcome !== "answered" && trial.outcome !== "slow";
      this.#trace({ story: name, frontEnd, events: trial.events }, lost);
      if (!lost) continue;
      first ??= trial;
      if (trial.why) why ??= [trial.why, await this.backEnd.lastWords()].filter(Boolean).join("; ");
    }
    return {
      id,
      story: name,
      frontEnd,
      trials,
      ...counts,
      rate: counts.lost / trials,
      ci95: wilson95(counts.lost, trials),
      ...(first && { firstLoss: first.log }),
      ...(why && { why }),
    };
  }

  /** A guest that speaks FUSE only does so to a file system. */
  #tells(story: StoryName): boolean {
    return this.stage.otherQueue === undefined || (STORIES[story] as Story).guest === undefined;
  }

  #trace(traced: Traced, lost: boolean): void {
    if (this.#lossTraced) return;
    this.#traced = traced;
    this.#lossTraced = lost;
  }
}

/** A person's Ctrl-C ends what was started as well. @returns takes that back */
function endAtSignals(backEnd: BackEnd): () => void {
  const end = (signal: NodeJS.Signals): void => {
    void backEnd.close().finally(() => process.kill(process.pid, signal));
    process.off(signal, end);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}
