// A hang in words: what each actor waits for, what the stuck ring looks like, which message came too late.

import type { Cause, HangReport } from "../scenario/outcome.js";
import { actorTitle } from "./actors.js";
import { type Fact, labelled } from "./labelled.js";

const CAUSES: Readonly<Record<Cause, string>> = {
  "kick-consumed-while-disabled": "the request's kick was consumed while the ring was disabled",
  "worker-died": "a worker that the request needs has ended",
  "worker-spins": "a worker goes round without end, with the ring's lock held",
  "no-reply": "a reply on the vhost-user channel never came",
  "request-skipped": "the ring goes on behind a request that nobody has answered",
  other: "the cause is none of those known here",
};

/** Lines, each ended. @param more what else is known of this hang */
export function hangReport(report: HangReport, more: readonly Fact[] = []): string {
  return labelled([...hangFacts(report), ...more], "  ");
}

/** A fact without a label goes on with the one before it. */
export function hangFacts(report: HangReport): Fact[] {
  const { ring } = report;
  const waiting = (ring.availIdx - ring.nextAvail) & 0xffff; // the ring's indices are 16 bits wide
  const facts: Fact[] = [
    ["hang", `${report.phase === "first" ? "first boot" : "reboot"} ${report.boot}, ${report.cause}`],
    ["", CAUSES[report.cause]],
    ...report.positions.map(({ actor, waitsFor }): Fact => [actorTitle(actor), `waits for ${waitsFor}`]),
    [
      `ring ${ring.queue}`,
      `avail.idx ${ring.availIdx}, used.idx ${ring.usedIdx}, next avail ${ring.nextAvail}` +
        `: ${waiting} ${waiting === 1 ? "request" : "requests"} not looked at`,
    ],
    [
      "",
      `${ring.ready ? "ready" : "not ready"}, ${ring.enabled ? "enabled" : "disabled"}; kick eventfd count ${ring.kickCount}`,
    ],
  ];
  if (report.lateMessage) facts.push(["too late", report.lateMessage]);
  return facts;
}
