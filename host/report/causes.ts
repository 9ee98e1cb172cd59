// Which step of one actor a step of another came from: a message, an eventfd's count, a published ring index. An engine
// records no such thing, since tracing must not order what was not ordered; it follows from what the ops gave.

import type { TraceEvent } from "../../vm/sync/trace.js";

/** `to` took what `from` gave. */
export interface Cause {
  readonly kind: "message" | "kick" | "call" | "eventfd" | "ring";
  readonly name: string;
  readonly from: TraceEvent;
  readonly to: TraceEvent;
}

/** What `at` counts: threads give microseconds, a scheduler the number of the step. */
export type TimeUnit = "µs" | "step";

/** @param events of all actors, in the order of time */
export function causes(events: readonly TraceEvent[], unit: TimeUnit): Cause[] {
  const messages = [...receivedMessages(events)].map(
    ([to, from]): Cause => ({ kind: "message", name: from.detail, from, to }),
  );
  const ordered = unit === "step" ? events : givenFirst(events);
  return [...messages, ...eventfdCauses(ordered), ...ringCauses(ordered)];
}

/**
 * A receive knows only how many bytes it took; which message begins there follows from the sends into the same stream.
 * By position, not by time: a stream keeps its order, and clocks of two threads may not.
 * @returns the receive that a message begins with -> its send
 */
export function receivedMessages(events: readonly TraceEvent[]): Map<TraceEvent, TraceEvent> {
  const received = new Map<TraceEvent, TraceEvent>();
  const sends = byStream(events, ".send");
  for (const [stream, receives] of byStream(events, ".receive")) {
    const sendAt = new Map<number, TraceEvent>();
    let sent = 0;
    for (const send of sends.get(stream) ?? []) {
      sendAt.set(sent, send);
      sent += send.result ?? 0;
    }
    // What was taken out and not sent within the trace was under way when the trace began.
    const taken = receives.reduce((sum, { result = 0 }) => sum + result, 0);
    let at = Math.min(0, sent - taken);
    for (const receive of receives) {
      const send = sendAt.get(at);
      if (send) received.set(receive, send);
      at += receive.result ?? 0;
    }
  }
  return received;
}

/** The ops of one verb, by the name before it. */
function byStream(events: readonly TraceEvent[], verb: string): Map<string, TraceEvent[]> {
  const streams = new Map<string, TraceEvent[]>();
  for (const event of events) {
    if (event.kind !== "op" || !event.name.endsWith(verb)) continue;
    const stream = event.name.slice(0, -verb.length);
    const ops = streams.get(stream);
    if (ops) ops.push(event);
    else streams.set(stream, [event]);
  }
  return streams;
}

/** A ring index that an op publishes: which one, and its new value. */
export function publication({ kind, name, detail }: TraceEvent): { index: string; value: number } | undefined {
  const [, index] = /^(q\d+\.(?:avail|used)\.idx)(?:\.store)?$/.exec(name) ?? [];
  const [, value] = /^= (\d+)$/.exec(detail) ?? [];
  return kind === "op" && index !== undefined && value !== undefined ? { index, value: Number(value) } : undefined;
}

/**
 * On threads `at` is taken before an op, so one that took may carry an earlier time than the one that gave. What takes
 * is put where its actor's next event begins, since it was over by then; what gives stays where it began.
 */
function givenFirst(events: readonly TraceEvent[]): TraceEvent[] {
  const next = new Map<string, number>();
  const placed = events.toReversed().map((event) => {
    const gives = /\.(add|create)$/.test(event.name) || publication(event) !== undefined;
    const place = gives ? event.at : (next.get(event.actor) ?? Number.MAX_VALUE);
    next.set(event.actor, event.since ?? event.at);
    return { event, place };
  });
  return placed
    .reverse()
    .sort((a, b) => a.place - b.place)
    .map(({ event }) => event);
}

/** A read of an eventfd takes the whole count: as many as it gave of what was added, the oldest first. */
function eventfdCauses(ordered: readonly TraceEvent[]): Cause[] {
  const found: Cause[] = [];
  const counted = new Map<string, TraceEvent[]>();
  for (const event of ordered) {
    const [, eventfd = "", verb] = /^(.*)\.(create|add|read)$/.exec(event.name) ?? [];
    if (event.kind !== "op" || verb === undefined) continue;
    // A new eventfd in this place has nothing of the old one's count.
    const pending = verb === "create" ? [] : (counted.get(eventfd) ?? []);
    counted.set(eventfd, pending);
    if (verb === "read") {
      for (const from of pending.splice(0, event.result)) {
        found.push({ kind: eventfdKind(eventfd), name: eventfd, from, to: event });
      }
    } else {
      const [count = 0] = /\d+$/.exec(event.detail) ?? [];
      for (let i = 0; i < Number(count); i++) pending.push(event);
    }
  }
  return found;
}

function eventfdKind(eventfd: string): Cause["kind"] {
  if (eventfd.endsWith("kick")) return "kick";
  return eventfd.endsWith("call") ? "call" : "eventfd";
}

/** The first load of the other side that gave a published index saw that publication. */
function ringCauses(ordered: readonly TraceEvent[]): Cause[] {
  const found: Cause[] = [];
  const published = new Map<string, TraceEvent>();
  for (const event of ordered) {
    const given = publication(event);
    if (given) {
      published.set(`${given.index} = ${given.value}`, event);
      continue;
    }
    const name = `${event.name.replace(/\.load$/, "")} = ${event.result}`;
    const from = event.kind === "op" && event.detail === "" ? published.get(name) : undefined;
    if (!from || from.actor === event.actor) continue;
    published.delete(name);
    found.push({ kind: "ring", name, from, to: event });
  }
  return found;
}
