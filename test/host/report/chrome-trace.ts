// A checker of Chrome trace JSON, written from the Trace Event Format (its JSON object format) and from what the Perfetto
// UI needs to bind what it reads: not from the exporter.

import type { ChromeEvent, ChromeTrace } from "../../../host/report/perfetto.js";

type Json = Readonly<Record<string, unknown>>;

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** Times are compared as the UI keeps them. */
const ns = (micros: number): number => Math.round(micros * 1000);

/** What each phase must have beside name, ph, pid, tid and ts. */
const FIELDS: Readonly<Record<string, (event: Json) => boolean>> = {
  M: ({ name, args }) =>
    isObject(args) &&
    (/^(process|thread)_name$/.test(String(name))
      ? isText(args.name)
      : /^(process|thread)_sort_index$/.test(String(name)) && isNumber(args.sort_index)),
  X: ({ cat, dur }) => isText(cat) && isNumber(dur) && dur >= 0,
  i: ({ s }) => s === "t" || s === "p" || s === "g",
  C: ({ args }) => isObject(args) && Object.keys(args).length > 0 && Object.values(args).every(isNumber),
  s: ({ cat, id }) => isText(cat) && (isText(id) || isNumber(id)),
  f: ({ cat, id, bp }) => isText(cat) && (isText(id) || isNumber(id)) && bp === "e",
};

/** What is wrong, a line each; no line: a viewer reads all of it. */
export function breaches(trace: unknown): string[] {
  if (!isObject(trace) || !Array.isArray(trace.traceEvents)) return ["no object with an array traceEvents"];
  const found = trace.traceEvents.flatMap((event, i) => fieldBreaches(event).map((what) => `event ${i}: ${what}`));
  if (found.length > 0) return found;
  const { traceEvents } = trace as unknown as ChromeTrace;
  return [...nameBreaches(traceEvents), ...nestingBreaches(traceEvents), ...flowBreaches(traceEvents)];
}

function fieldBreaches(event: unknown): string[] {
  if (!isObject(event)) return ["no object"];
  const { ph, name, pid, tid, ts } = event;
  const found: string[] = [];
  if (!isText(name)) found.push("no name");
  if (!Number.isInteger(pid) || !Number.isInteger(tid)) found.push("pid and tid are numbers of a process and a thread");
  if (!isNumber(ts) || ts < 0) found.push("ts is a time");
  const fields = FIELDS[String(ph)];
  if (!fields) found.push(`no phase ${String(ph)}`);
  else if (!fields(event)) found.push(`not what phase ${String(ph)} must have`);
  return found;
}

/** Every process and thread has a name, and a thread is one process's: the UI knows threads by tid alone. */
function nameBreaches(events: readonly ChromeEvent[]): string[] {
  const found: string[] = [];
  const named = (name: string): ChromeEvent[] => events.filter((event) => event.ph === "M" && event.name === name);
  const pidOf = new Map(named("thread_name").map(({ tid, pid }) => [tid, pid]));
  const pids = new Set(named("process_name").map(({ pid }) => pid));
  for (const { ph, pid, tid } of events) {
    if (!pids.has(pid)) found.push(`process ${pid} has no name`);
    if (ph !== "M" && pidOf.get(tid) !== pid) found.push(`thread ${tid} of process ${pid} has no name`);
  }
  return [...new Set(found)];
}

const slicesOf = (events: readonly ChromeEvent[], { pid, tid }: ChromeEvent): ChromeEvent[] =>
  events.filter((event) => event.ph === "X" && event.pid === pid && event.tid === tid);
const endOf = ({ ts, dur = 0 }: ChromeEvent): number => ns(ts) + ns(dur);

/** Slices of a thread follow one another or lie in one another. */
function nestingBreaches(events: readonly ChromeEvent[]): string[] {
  const found: string[] = [];
  const threads = new Map(events.map((event) => [`${event.pid}/${event.tid}`, event]));
  for (const thread of threads.values()) {
    const slices = slicesOf(events, thread).sort((a, b) => ns(a.ts) - ns(b.ts) || endOf(b) - endOf(a));
    const open: ChromeEvent[] = [];
    for (const slice of slices) {
      while (open.length > 0 && endOf(open.at(-1)!) <= ns(slice.ts)) open.pop();
      const around = open.at(-1);
      if (around && endOf(slice) > endOf(around))
        found.push(`${slice.name} begins in ${around.name} and ends after it`);
      open.push(slice);
    }
  }
  return found;
}

/** The slice that a flow event binds to: the innermost around it; where two meet, the one that begins. */
export function sliceAround(events: readonly ChromeEvent[], flow: ChromeEvent): ChromeEvent | undefined {
  const around = slicesOf(events, flow).filter((slice) => ns(slice.ts) <= ns(flow.ts) && ns(flow.ts) <= endOf(slice));
  return around.sort((a, b) => ns(b.ts) - ns(a.ts))[0];
}

const flowKey = ({ cat, name, id }: ChromeEvent): string => `${cat} ${name} ${id}`;

/** A flow is one start and one end by category, name and id, the end not before the start, both in a slice. */
function flowBreaches(events: readonly ChromeEvent[]): string[] {
  const found: string[] = [];
  const flows = events.filter(({ ph }) => ph === "s" || ph === "f");
  const ends = new Map<string, ChromeEvent[]>();
  for (const flow of flows) {
    ends.set(flowKey(flow), [...(ends.get(flowKey(flow)) ?? []), flow]);
    if (!sliceAround(events, flow)) found.push(`${flowKey(flow)}: its ${flow.ph} lies in no slice`);
  }
  for (const [key, [start, end, ...more]] of ends) {
    if (start?.ph !== "s" || end?.ph !== "f" || more.length > 0) found.push(`${key}: not one start, then one end`);
    else if (ns(end.ts) < ns(start.ts)) found.push(`${key}: ends before it starts`);
  }
  return found;
}

/** An arrow as it is drawn: between which slices. */
export interface Arrow {
  readonly kind: string;
  readonly name: string;
  readonly from: ChromeEvent;
  readonly to: ChromeEvent;
}

export function arrowsOf({ traceEvents }: ChromeTrace): Arrow[] {
  const ends = new Map(traceEvents.filter(({ ph }) => ph === "f").map((flow) => [flowKey(flow), flow]));
  const starts = traceEvents.filter(({ ph }) => ph === "s");
  return starts.map((start) => ({
    kind: start.cat!,
    name: start.name,
    from: sliceAround(traceEvents, start)!,
    to: sliceAround(traceEvents, ends.get(flowKey(start))!)!,
  }));
}
