// Which steps of a trace a person needs to see, and the names they go by.

import type { TraceEvent } from "../../vm/sync/trace.js";

/** A step worth a row, with the number of steps that its actor took since its row before. */
export interface Step {
  readonly event: TraceEvent;
  readonly text: string;
  readonly folded: number;
  /** The kick that should have had the ring looked at was taken here. */
  readonly dropped: boolean;
}

/** What a data plane remarks when it took a kick and did not look at the ring. */
const KICK_DROPPED = "kick dropped";

/** @param events of all actors, in any order; @returns in the order of time, an actor's last step always among them */
export function visibleSteps(events: readonly TraceEvent[]): Step[] {
  const ordered = [...events].sort((a, b) => a.at - b.at); // stable: an actor's own order stays
  const received = receivedMessages(ordered);
  const dropped = droppedKick(ordered);
  const last = new Map(ordered.map((event) => [event.actor, event]));
  const hidden = new Map<string, number>();
  const steps: Step[] = [];
  for (const event of ordered) {
    const folded = hidden.get(event.actor) ?? 0;
    const message = received.get(event);
    if (message === undefined && !matters(event) && last.get(event.actor) !== event) {
      hidden.set(event.actor, folded + 1);
      continue;
    }
    hidden.set(event.actor, 0);
    steps.push({ event, text: describe(event, message), folded, dropped: event === dropped });
  }
  return steps;
}

// The conversation and the race: messages, eventfds, what is watched, the enabled flag, the ring's published indices.
// Of register accesses only those that say how far the driver is.
function matters({ kind, name, detail }: TraceEvent): boolean {
  if (kind === "note") return !/^(read|write)\b/.test(name) || /^write\[(device_status|queue_enable)\]/.test(name);
  return (
    /\.(send|add|del|serve|used\.idx)$|kick.*\.read$|avail\.idx\.store$/.test(name) ||
    /\benabled\b/.test(`${name} ${detail}`)
  );
}

function describe({ name, detail, result }: TraceEvent, received?: string): string {
  if (received !== undefined) return `receive ${received}`;
  if (name.endsWith(".send") && detail !== "") return `send ${detail}`;
  const said = detail === "" ? name : `${name} ${detail}`;
  // What a store gives is not worth a word; what was found by a load, a read, a wait is.
  const asks = /\.(load|read|wait|await|exchange)$/.test(name);
  return asks && result !== undefined ? `${said} → ${result}` : said;
}

/**
 * A receive knows only how many bytes it took; which message begins there follows from the sends into the same stream.
 * By position, not by time: a stream keeps its order, and clocks of two threads may not.
 */
function receivedMessages(events: readonly TraceEvent[]): Map<TraceEvent, string> {
  const received = new Map<TraceEvent, string>();
  const sends = byStream(events, ".send");
  for (const [stream, receives] of byStream(events, ".receive")) {
    const messageAt = new Map<number, string>();
    let sent = 0;
    for (const { detail, result = 0 } of sends.get(stream) ?? []) {
      messageAt.set(sent, detail);
      sent += result;
    }
    // What was taken out and not sent within the trace was under way when the trace began.
    const taken = receives.reduce((sum, { result = 0 }) => sum + result, 0);
    let at = Math.min(0, sent - taken);
    for (const event of receives) {
      const message = messageAt.get(at);
      if (message !== undefined) received.set(event, message);
      at += event.result ?? 0;
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
    streams.set(stream, [...(streams.get(stream) ?? []), event]);
  }
  return streams;
}

/**
 * The remark about the kick that the driver sent last. A ring's eventfd is born with a count, so a data plane may
 * rightly drop a kick that stands for no request: those are not meant.
 */
function droppedKick(events: readonly TraceEvent[]): TraceEvent | undefined {
  const sent = events.findLast(({ kind, name }) => kind === "op" && /kick.*\.add$/.test(name));
  const eventfd = sent?.name.slice(0, -".add".length);
  const taken = new Map<string, string>(); // actor -> the eventfd that it read last
  let dropped: TraceEvent | undefined;
  for (const event of events) {
    const { kind, actor, name } = event;
    if (kind === "op" && /kick.*\.read$/.test(name)) taken.set(actor, name.slice(0, -".read".length));
    if (kind === "note" && name === KICK_DROPPED && taken.get(actor) === eventfd) dropped = event;
  }
  return dropped;
}
