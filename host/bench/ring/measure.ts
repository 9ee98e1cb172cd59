// Measures one case: each contender at its own best back-off, then window against window.

import type { Contender, Window } from "./contender.js";
import { caseName, type RingOptions } from "./options.js";
import {
  isClean,
  nsPerRequest,
  type Pair,
  type Percentiles,
  percentiles,
  ratios,
  type Spread,
  spread,
} from "./windows.js";

/** Turns of the pause for each chain of a burst: what a contender may choose from. */
const PATIENCES = [0, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384];
/** Windows of the sweep: so many clean ones, or so many at all. */
const SWEEP_CLEAN = 3;
const SWEEP_MOST = 9;
/** Rounds are given up after so many times those wanted. */
const ROUNDS_MOST = 5;
const ROUND_TRIPS = 50_000;
const SLEEPING_ROUND_TRIPS = 2_000;
const FIRST_REQUESTS = 20_000;

export interface Measuring {
  /** Of a window. */
  readonly seconds: number;
  /** Clean windows wanted; of pairs, where there is another contender. */
  readonly runs: number;
}

/** What one back-off gave: the median of the clean windows, or null when there were too few. */
export interface Swept {
  readonly patience: number;
  readonly ns: number | null;
}

export interface Against {
  readonly name: string;
  /** The other's nanoseconds over ours: above 1 we are faster. */
  readonly ratio: Spread | null;
  /** Clean ones. */
  readonly pairs: number;
  readonly nsPerRequest: Spread | null;
  readonly sweep: readonly Swept[];
  readonly roundTripNs: Percentiles | null;
}

/** Of a case; null is "not measurable now". */
export interface RingCase {
  readonly name: string;
  readonly options: RingOptions;
  readonly nsPerRequest: Spread | null;
  readonly requestsPerSecond: number | null;
  readonly kicksPerRequest: number | null;
  readonly callsPerRequest: number | null;
  readonly windows: { readonly clean: number; readonly total: number };
  readonly sweep: readonly Swept[];
  /** One outstanding; of a single queue only. */
  readonly roundTripNs: Percentiles | null;
  /** The same with threads that sleep at once instead of looking a while first, where they sleep at all. */
  readonly asleepNs: Percentiles | null;
  /** A round trip of two threads of the C twin that sleep on a futex, where ours sleep. */
  readonly futexNs: number | null;
  readonly against: Against | null;
}

interface Tuned {
  readonly contender: Contender;
  readonly sweep: readonly Swept[];
  readonly patience: number;
  /** A window of `seconds`, about. */
  readonly requests: number;
}

/**
 * @param other measured in turn with ours, on the same machine in the same minutes
 * @param futex measured between ours and the other, where both sides of ours sleep
 */
export async function measureCase(
  options: RingOptions,
  ours: Contender,
  other: Contender | undefined,
  measuring: Measuring,
  futex?: () => Promise<number>,
): Promise<RingCase> {
  const us = await tune(ours, measuring.seconds);
  const them = other && (await tune(other, measuring.seconds));
  const windows: Window[] = [];
  const pairs: Pair[] = [];
  const enough = (): boolean => (them ? ratios(pairs).length : windows.filter(isClean).length) >= measuring.runs;
  for (let round = 0; round < measuring.runs * ROUNDS_MOST && !enough(); round++) {
    const window = await shoot(us);
    windows.push(window);
    if (them) pairs.push({ ours: window, theirs: await shoot(them) });
  }
  const clean = windows.filter(isClean);
  const ns = spread(clean.map(nsPerRequest)) ?? null;
  const each = (count: (window: Window) => number): number | null =>
    ns &&
    clean.reduce((sum, window) => sum + count(window), 0) / clean.reduce((sum, { requests }) => sum + requests, 0);
  return {
    name: caseName(options),
    options,
    nsPerRequest: ns,
    requestsPerSecond: ns && 1e9 / ns.median,
    kicksPerRequest: each(({ kicks }) => kicks),
    callsPerRequest: each(({ calls }) => calls),
    windows: { clean: clean.length, total: windows.length },
    sweep: us.sweep,
    roundTripNs: options.queues === 1 ? await roundTrips(ours) : null,
    asleepNs: options.queues === 1 && options.notify === "eventfd" ? await roundTrips(ours, true) : null,
    futexNs: (await futex?.()) ?? null,
    against: them ? await comparison(them, pairs, options) : null,
  };
}

async function comparison(them: Tuned, pairs: readonly Pair[], options: RingOptions): Promise<Against> {
  const clean = ratios(pairs);
  const windows = pairs.map(({ theirs }) => theirs).filter(isClean);
  return {
    name: them.contender.name,
    ratio: spread(clean) ?? null,
    pairs: clean.length,
    nsPerRequest: spread(windows.map(nsPerRequest)) ?? null,
    sweep: them.sweep,
    roundTripNs: options.queues === 1 ? await roundTrips(them.contender) : null,
  };
}

async function roundTrips(contender: Contender, drowsy = false): Promise<Percentiles> {
  const requests = drowsy ? SLEEPING_ROUND_TRIPS : ROUND_TRIPS;
  return percentiles(await contender.roundTrips({ requests, patience: 0, drowsy }));
}

function shoot({ contender, requests, patience }: Tuned): Promise<Window> {
  return contender.window({ requests, patience });
}

async function tune(contender: Contender, seconds: number): Promise<Tuned> {
  // The first windows are where the engine compiles.
  let requests = FIRST_REQUESTS;
  for (let spent = 0; spent < seconds * 1e9; ) {
    const window = await contender.window({ requests, patience: 0 });
    spent += window.ns;
    requests = Math.ceil((requests * seconds * 1e9) / window.ns);
  }
  const sweep: Swept[] = [];
  for (const patience of PATIENCES) {
    const clean: number[] = [];
    for (let tries = 0; clean.length < SWEEP_CLEAN && tries < SWEEP_MOST; tries++) {
      const window = await contender.window({ requests, patience });
      requests = Math.ceil((window.requests * seconds * 1e9) / window.ns);
      if (isClean(window)) clean.push(nsPerRequest(window));
    }
    sweep.push({ patience, ns: spread(clean)?.median ?? null });
  }
  const measured = sweep.filter((swept): swept is Swept & { ns: number } => swept.ns !== null);
  const best = measured.reduce<(typeof measured)[number] | undefined>(
    (least, swept) => (least && least.ns <= swept.ns ? least : swept),
    undefined,
  );
  const patience = best?.patience ?? 0;
  return { contender, sweep, patience, requests: best ? Math.ceil((seconds * 1e9) / best.ns) : requests };
}
