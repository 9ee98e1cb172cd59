// A hang in words: what each actor waits for, what the stuck ring looks like, which message came too late.

import { VIRTQ_MAX_SIZE } from "../../device/spec/virtq.js";
import type { Cause, HangReport } from "../scenario/outcome.js";
import { actorTitle } from "./actors.js";
import { type Fact, labelled } from "./labelled.js";

const CAUSES: Readonly<Record<Cause, string>> = {
  "kick-consumed-while-disabled": "the request's kick was consumed while the ring was disabled",
  "worker-died": "a worker that the request needs has ended",
  "worker-spins": "a worker goes round without end, with the ring's lock held",
  "no-reply": "a reply on the vhost-user channel never came",
  "request-skipped": "the ring goes on behind a request that nobody has answered",
  "driver-gave-up": "the guest met what no device may do, and its driver gave up",
  "back-end-aborted": "the back-end ended where the front-end waited for its reply",
  other: "the cause is none of those known here",
};

/** What it does to the machine, and what one more kick of the ring would do. */
export function effectWords({ effect, curedByKick }: HangReport): string {
  if (effect === "stall") return "stall: until the guest's next kick, which would get the request answered";
  if (curedByKick) return `${effect}: one more kick would get the request answered, and nobody is left to make it`;
  return `${effect}: one more kick would change nothing`;
}

/** Lines, each ended. @param more what else is known of this hang */
export function hangReport(report: HangReport, more: readonly Fact[] = []): string {
  return labelled([...hangFacts(report), ...more], "  ");
}

/** A fact without a label goes on with the one before it. */
export function hangFacts(report: HangReport): Fact[] {
  const { ring } = report;
  // The ring's indices are 16 bits wide. One that cannot be says nothing of requests.
  const waiting = (ring.availIdx - ring.nextAvail) & 0xffff;
  const unseen =
    waiting <= VIRTQ_MAX_SIZE ? `: ${waiting} ${waiting === 1 ? "request" : "requests"} not looked at` : "";
  const facts: Fact[] = [
    ["hang", `${report.phase === "first" ? "first boot" : "reboot"} ${report.boot}, ${report.cause}`],
    ["", CAUSES[report.cause]],
    ["effect", effectWords(report)],
    ...report.positions.map(({ actor, waitsFor }): Fact => [actorTitle(actor), `waits for ${waitsFor}`]),
    [
      `ring ${ring.queue}`,
      `avail.idx ${ring.availIdx}, used.idx ${ring.usedIdx}, next avail ${ring.nextAvail}${unseen}`,
    ],
    [
      "",
      `${ring.ready ? "ready" : "not ready"}, ${ring.enabled ? "enabled" : "disabled"}; kick eventfd count ${ring.kickCount}`,
    ],
  ];
  if (report.lateMessage) facts.push(["too late", report.lateMessage]);
  return facts;
}
