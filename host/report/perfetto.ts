// A trace as Chrome trace JSON ("Trace Event Format", JSON object format), which the Perfetto UI and Chrome's tracing
// open: a lane an actor, a slice an op, an arrow from what one actor gave to who took it.

import type { TraceEvent } from "../../vm/sync/trace.js";
import type { HangReport, Recording } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { actorTitle, laneOrder, processOf } from "./actors.js";
import { type Cause, causes, publication, type TimeUnit } from "./causes.js";
import { droppedKick, KICK_LOST, messageStep } from "./steps.js";

/** One entry of `traceEvents`. `ts` and `dur`: microseconds. */
export interface ChromeEvent {
  /** M metadata, X complete, i instant, C counter, s and f a flow's start and end. */
  readonly ph: "M" | "X" | "i" | "C" | "s" | "f";
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly cat?: string;
  readonly dur?: number;
  /** A flow's: with `cat` and `name` it tells which start and end belong together. */
  readonly id?: number;
  /** A flow's end belongs to the slice around it, not to the next one. */
  readonly bp?: "e";
  /** An instant's scope: its thread. */
  readonly s?: "t";
  readonly args?: object;
}

export interface ChromeTrace {
  readonly traceEvents: readonly ChromeEvent[];
  readonly displayTimeUnit: "ns";
  readonly metadata: object;
}

/** Nanoseconds, the resolution that the Perfetto UI keeps. */
interface Span {
  readonly start: number;
  readonly end: number;
}

const NS = 1000; // a microsecond, or a step
/**
 * An op's slice ends where its actor's next op begins, but it is not longer than this: what an actor does on its own (a
 * guest that computes) is no op. A step is one long; so is an actor's last op, of whose end nothing is known.
 */
const LONGEST: Readonly<Record<TimeUnit, number>> = { µs: 1000 * NS, step: NS };

const CLOCKS: Readonly<Record<TimeUnit, string>> = {
  µs: "microseconds since the trace began; an op ends where its actor's next one begins, or after 1 ms",
  step: "no clock: ts is the number of the step under the scheduler",
};

const PROCESSES = ["front-end", "back-end"] as const;

/** A scenario, or one whose back-end is a real program. */
export type Traced = Omit<Scenario, "backEnd"> & { readonly backEnd: string };

/** @param about what else the metadata is to say: the head of all JSON, a schedule */
export function perfettoTrace(recording: Recording, scenario: Traced, unit: TimeUnit, about: object): ChromeTrace {
  const { report, dropped = {} } = recording;
  const drawing = new Drawing(recording, unit);
  return {
    // A flow binds to the slice that was begun last on its thread: slices come before flows, and flows before instants.
    traceEvents: [
      ...drawing.names(scenario),
      ...drawing.ops(),
      ...drawing.waits(),
      ...drawing.flows(),
      ...drawing.notes(),
      ...drawing.counters(),
    ],
    displayTimeUnit: "ns",
    metadata: { ...about, scenario, clock: CLOCKS[unit], droppedEvents: dropped, ...(report && { hang: report }) },
  };
}

class Drawing {
  /** In the order of time. */
  readonly #events: readonly TraceEvent[];
  readonly #causes: readonly Cause[];
  /** In the order of their lanes. */
  readonly #actors: readonly string[];
  readonly #positions: HangReport["positions"];
  readonly #origin: number;
  /** Of ops. */
  readonly #spans: ReadonlyMap<TraceEvent, Span>;

  constructor({ events, report }: Recording, unit: TimeUnit) {
    this.#events = [...events].sort((a, b) => a.at - b.at); // stable: an actor's own order stays
    this.#causes = causes(this.#events, unit);
    this.#positions = report?.positions ?? [];
    const actors = new Set([...this.#events, ...this.#positions].map(({ actor }) => actor));
    this.#actors = [...actors].sort((a, b) => laneOrder(a) - laneOrder(b) || (a < b ? -1 : 1));
    this.#origin = unit === "step" ? 0 : this.#events.reduce((first, event) => Math.min(first, begin(event)), Infinity);
    this.#spans = this.#measure(LONGEST[unit]);
  }

  names({ guest, frontEnd, backEnd }: Traced): ChromeEvent[] {
    const titles = { "front-end": `vCPU and front-end: ${guest}, ${frontEnd}`, "back-end": `back-end: ${backEnd}` };
    const meta = (name: string, pid: number, tid: number, args: object): ChromeEvent => ({
      ph: "M",
      name,
      pid,
      tid,
      ts: 0,
      args,
    });
    return [
      ...PROCESSES.flatMap((process, i) => [
        meta("process_name", i + 1, 0, { name: titles[process] }),
        meta("process_sort_index", i + 1, 0, { sort_index: i }),
      ]),
      ...this.#actors.flatMap((actor, i) => {
        const { pid, tid } = this.#lane(actor);
        return [
          meta("thread_name", pid, tid, { name: actorTitle(actor) }),
          meta("thread_sort_index", pid, tid, { sort_index: i }),
        ];
      }),
    ];
  }

  /** A slice an op, and one before it where it had to wait. */
  ops(): ChromeEvent[] {
    const received = new Map(this.#causes.flatMap(({ kind, name, to }) => (kind === "message" ? [[to, name]] : [])));
    return [...this.#spans].flatMap(([event, span]) => {
      const { actor, name, detail, result, since } = event;
      const args = { op: name, ...(detail !== "" && { detail }), result };
      const op = this.#slice(actor, messageStep(event, received.get(event)) ?? name, "op", span, args);
      if (since === undefined) return [op];
      const wait = { start: this.#ns(since), end: span.start };
      return [this.#slice(actor, `waits: ${name}`, "wait", wait, { op: name }), op];
    });
  }

  /** What each actor of a hung system waits for, from its last op to the edge of the picture. */
  waits(): ChromeEvent[] {
    const over = new Map([...this.#spans].map(([{ actor }, { end }]) => [actor, end]));
    const edge = Math.round(1.1 * Math.max(0, ...over.values())) + NS;
    return this.#positions.map(({ actor, waitsFor }) => {
      const span = { start: over.get(actor) ?? 0, end: edge };
      return this.#slice(actor, `waits for ${waitsFor}`, "wait", span, { hang: true });
    });
  }

  /**
   * An arrow for each cause. What took may have begun before what gave: the arrow ends where it can first have been.
   * Clocks that disagree can leave no such place; then there is no arrow.
   */
  flows(): ChromeEvent[] {
    return this.#causes.flatMap(({ kind, name, from, to }, i): ChromeEvent[] => {
      const start = this.#spans.get(from)!.start;
      const taken = this.#spans.get(to)!;
      if (start > taken.end) return [];
      const flow = { name, cat: kind, id: i + 1 };
      return [
        { ph: "s", ...flow, ...this.#lane(from.actor), ts: start / NS },
        { ph: "f", bp: "e", ...flow, ...this.#lane(to.actor), ts: Math.max(start, taken.start) / NS },
      ];
    });
  }

  notes(): ChromeEvent[] {
    const dropped = droppedKick(this.#events);
    const notes = this.#events.filter(({ kind }) => kind === "note");
    return notes.map((event) => ({
      ph: "i",
      s: "t",
      name: event === dropped ? `✗ kick dropped: ${KICK_LOST}` : event.name,
      cat: "note",
      ...this.#lane(event.actor),
      ts: this.#ns(event.at) / NS,
      args: { detail: event.detail },
    }));
  }

  /** Each ring's avail and used index, as they were published. */
  counters(): ChromeEvent[] {
    return this.#events.flatMap((event): ChromeEvent[] => {
      const given = publication(event);
      if (!given) return [];
      const [queue = "", ...index] = given.index.split(".");
      const args = { [index.join(".")]: given.value };
      return [{ ph: "C", name: queue, ...this.#lane(event.actor), ts: this.#ns(event.at) / NS, args }];
    });
  }

  #slice(actor: string, name: string, cat: string, { start, end }: Span, args: object): ChromeEvent {
    return { ph: "X", name, cat, ...this.#lane(actor), ts: start / NS, dur: (end - start) / NS, args };
  }

  #lane(actor: string): { pid: number; tid: number } {
    return { pid: PROCESSES.indexOf(processOf(actor)) + 1, tid: this.#actors.indexOf(actor) + 1 };
  }

  #ns(at: number): number {
    return Math.round((at - this.#origin) * NS);
  }

  #measure(longest: number): Map<TraceEvent, Span> {
    // A slice reaches to the beginning of what it took from others, so that the arrow ends in it.
    const reaches = new Map<TraceEvent, number>();
    for (const { from, to } of this.#causes) reaches.set(to, Math.max(reaches.get(to) ?? 0, this.#ns(from.at)));
    const next = new Map<string, number>();
    const spans: [TraceEvent, Span][] = [];
    for (const event of this.#events.toReversed()) {
      if (event.kind !== "op") continue;
      const start = this.#ns(event.at);
      const nextBegins = next.get(event.actor);
      const most = start + (nextBegins === undefined ? NS : longest);
      const end = Math.min(nextBegins ?? Infinity, Math.max(most, reaches.get(event) ?? 0));
      spans.push([event, { start, end: Math.max(start, end) }]);
      next.set(event.actor, this.#ns(begin(event)));
    }
    return new Map(spans.reverse());
  }
}

/** When an op was begun. */
function begin({ since, at }: TraceEvent): number {
  return since ?? at;
}
