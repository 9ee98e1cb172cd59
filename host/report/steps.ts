// Which steps of a trace a person needs to see, and the names they go by.

import type { TraceEvent } from "../../vm/sync/trace.js";
import { receivedMessages } from "./causes.js";

/** A step worth a row, with the number of steps that its actor took since its row before. */
export interface Step {
  readonly event: TraceEvent;
  readonly text: string;
  readonly folded: number;
  /** The kick that should have had the ring looked at was taken here. */
  readonly dropped: boolean;
}

/** What is said of the step with `dropped`. */
export const KICK_LOST = "the request's kick, taken while its ring was disabled";

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
    const message = received.get(event)?.detail;
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

function describe(event: TraceEvent, received?: string): string {
  const { name, detail, result } = event;
  const message = messageStep(event, received);
  if (message !== undefined) return message;
  const said = detail === "" ? name : `${name} ${detail}`;
  // What a store gives is not worth a word; what was found by a load, a read, a wait is.
  const asks = /\.(load|read|wait|await|exchange)$/.test(name);
  return asks && result !== undefined ? `${said} → ${result}` : said;
}

/** What a step that passes a message on is called. @param received the message that begins with this receive */
export function messageStep({ name, detail }: TraceEvent, received?: string): string | undefined {
  if (received !== undefined) return `receive ${received}`;
  return name.endsWith(".send") && detail !== "" ? `send ${detail}` : undefined;
}

/**
 * The remark about the kick that the driver sent last. A ring's eventfd is born with a count, so a data plane may
 * rightly drop a kick that stands for no request: those are not meant.
 * @param events in the order of time
 */
export function droppedKick(events: readonly TraceEvent[]): TraceEvent | undefined {
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
