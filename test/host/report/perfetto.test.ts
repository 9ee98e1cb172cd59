import { describe, expect, it } from "vitest";
import { type ChromeEvent, type ChromeTrace, perfettoTrace } from "../../../host/report/perfetto.js";
import type { Recording } from "../../../host/scenario/outcome.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { TraceEvent } from "../../../vm/sync/trace.js";
import { REPORT } from "../fakes.js";
import { arrowsOf, breaches } from "./chrome-trace.js";
import { note, op, SEED_HANG } from "./events.js";

const scenario = ROWS.find(({ id }) => id === "seed")!.scenario;

function draw(events: readonly TraceEvent[], more: Partial<Recording> = {}, unit: "µs" | "step" = "µs"): ChromeTrace {
  const trace = perfettoTrace({ events, ...more }, scenario, unit, {});
  expect(breaches(JSON.parse(JSON.stringify(trace)))).toEqual([]);
  return trace;
}

const ofPhase = ({ traceEvents }: ChromeTrace, ph: ChromeEvent["ph"]): ChromeEvent[] =>
  traceEvents.filter((event) => event.ph === ph);

const slices = (trace: ChromeTrace): unknown[] =>
  ofPhase(trace, "X").map(({ tid, ts, dur, name }) => [tid, ts, Number((ts + dur!).toFixed(3)), name]);

/** An arrow in a line: its kind and name, and each end's slice by thread and time. */
const arrows = (trace: ChromeTrace): string[] =>
  arrowsOf(trace).map(
    ({ kind, name, from, to }) =>
      `${kind} ${name}: ${from.tid}@${from.ts} ${from.name} > ${to.tid}@${to.ts} ${to.name}`,
  );

describe("a trace for the Perfetto UI", () => {
  it("has a process a seat and a thread an actor, in the order of their lanes", () => {
    const hiprio = SEED_HANG.filter(({ actor }) => actor === "data").map((event) => ({ ...event, actor: "data-q0" }));
    const named = ofPhase(draw([...hiprio, ...SEED_HANG]), "M").map(({ pid, tid, args }) => ({ pid, tid, ...args }));
    expect(named.filter((meta) => "name" in meta)).toEqual([
      { pid: 1, tid: 0, name: "vCPU and front-end: ovmf, qemu-8.1" },
      { pid: 2, tid: 0, name: "back-end: rust-0.10" },
      { pid: 1, tid: 1, name: "vCPU" },
      { pid: 2, tid: 2, name: "control plane" },
      { pid: 2, tid: 3, name: "data plane" },
      { pid: 2, tid: 4, name: "data plane q0" },
    ]);
    expect(named.filter(({ tid }) => tid > 0).flatMap((meta) => ("sort_index" in meta ? meta.sort_index : []))).toEqual(
      [0, 1, 2, 3],
    );
  });

  it("draws an op until its actor's next one, a millisecond at most, and an actor's last one for a microsecond", () => {
    const events = [op(1000, "data", "a"), op(1007.25, "data", "b"), op(5000, "data", "c"), op(1001, "control", "d")];
    expect(slices(draw(events))).toEqual([
      [2, 0, 7.25, "a"],
      [1, 1, 2, "d"],
      [2, 7.25, 1007.25, "b"],
      [2, 4000, 4001, "c"],
    ]);
  });

  it("draws the wait of an op that could not happen at once as a slice of its own", () => {
    const waited = { ...op(1030, "data", "epoll.wait", "", 2), since: 1010 };
    expect(slices(draw([op(1000, "data", "q1.lock.unlock"), waited]))).toEqual([
      [1, 0, 10, "q1.lock.unlock"],
      [1, 10, 30, "waits: epoll.wait"],
      [1, 30, 31, "epoll.wait"],
    ]);
  });

  it("gives a step of a scheduler the length of one step, and says that there is no clock", () => {
    const trace = draw([op(3, "vcpu", "a"), op(4, "data", "b"), op(9, "vcpu", "c")], {}, "step");
    expect(slices(trace)).toEqual([
      [1, 3, 4, "a"],
      [2, 4, 5, "b"],
      [1, 9, 10, "c"],
    ]);
    expect(trace.metadata).toMatchObject({ clock: expect.stringMatching(/^no clock: ts is the number of the step/) });
  });

  it("names messages, and draws each from its send to the receive that it begins with", () => {
    expect(arrows(draw(SEED_HANG)).filter((arrow) => arrow.startsWith("message"))).toEqual([
      "message SET_VRING_KICK q1: 1@4 send SET_VRING_KICK q1 > 2@5 receive SET_VRING_KICK q1",
      "message SET_VRING_ENABLE q1 num=1: 1@12 send SET_VRING_ENABLE q1 num=1 > 2@18 receive SET_VRING_ENABLE q1 num=1",
    ]);
  });

  it("draws what an eventfd counts to the read that took it, the count that it was born with too", () => {
    expect(arrows(draw(SEED_HANG)).filter((arrow) => arrow.startsWith("kick"))).toEqual([
      "kick q1.kick: 1@3 q1.kick.create > 3@9 q1.kick.read",
      "kick q1.kick: 1@15.5 q1.kick.add > 3@21 q1.kick.read",
    ]);
  });

  it("draws as many kicks and calls to a read as it took", () => {
    const events = [
      ...[1, 2, 3].map((at) => op(at, "vcpu", "q1.kick.add", "+1")),
      op(4, "data", "q1.kick.read", "", 2),
      op(5, "data", "q1.call.add", "+1"),
      op(6, "data", "q1.kick.read", "", 1),
      op(7, "data", "q1.kick.read", "", 0),
      op(8, "vcpu", "q1.call.read", "", 1),
    ];
    expect(arrows(draw(events, {}, "step"))).toEqual([
      "kick q1.kick: 1@1 q1.kick.add > 2@4 q1.kick.read",
      "kick q1.kick: 1@2 q1.kick.add > 2@4 q1.kick.read",
      "kick q1.kick: 1@3 q1.kick.add > 2@6 q1.kick.read",
      "call q1.call: 2@5 q1.call.add > 1@8 q1.call.read",
    ]);
  });

  it("knows a new eventfd from the old one of its name", () => {
    const events = [
      op(1, "vcpu", "q1.kick.create", "count 1"),
      op(2, "vcpu", "q1.kick.create", "count 0"),
      op(3, "vcpu", "q1.kick.add", "+1"),
      op(4, "data", "q1.kick.read", "", 1),
    ];
    expect(arrows(draw(events, {}, "step"))).toEqual(["kick q1.kick: 1@3 q1.kick.add > 2@4 q1.kick.read"]);
  });

  it("draws a published index to the other side's first load that gave it, also of a ring that starts anew", () => {
    const boot = (at: number): TraceEvent[] => [
      op(at, "data", "q1.avail.idx", "", 0),
      op(at + 1, "vcpu", "q1.avail.idx.store", "= 1"),
      op(at + 2, "vcpu", "q1.avail.idx.store", "= 2"),
      op(at + 3, "data", "q1.avail.idx", "", 2),
      op(at + 4, "data", "q1.avail.idx", "", 2),
      op(at + 5, "data", "q1.used.idx", "= 2"),
      { ...op(at + 6, "vcpu", "q1.used.idx.poll"), since: at + 3 },
      op(at + 7, "vcpu", "q1.used.idx.load", "", 2),
    ];
    expect(arrows(draw([...boot(0), ...boot(10)], {}, "step"))).toEqual(
      [0, 10].flatMap((at) => [
        `ring q1.avail.idx = 2: 1@${at + 2} q1.avail.idx.store > 2@${at + 3} q1.avail.idx`,
        `ring q1.used.idx = 2: 2@${at + 5} q1.used.idx > 1@${at + 7} q1.used.idx.load`,
      ]),
    );
  });

  it("joins what took to what gave also where it began first, since a time is taken before its op", () => {
    const events = [
      op(1000, "data", "q1.kick.read", "", 1),
      op(1000.5, "vcpu", "q1.avail.idx.store", "= 1"),
      op(1001, "vcpu", "q1.kick.add", "+1"),
      op(1002, "data", "q1.avail.idx", "", 1),
    ];
    const trace = draw(events);
    expect(arrows(trace)).toContain("kick q1.kick: 1@1 q1.kick.add > 2@0 q1.kick.read");
    expect(ofPhase(trace, "f").map(({ ts }) => ts)).toContain(1); // in the read's slice, not before the add
  });

  it("draws no arrow that would run back in time where clocks disagree", () => {
    const early = SEED_HANG.map((event) => (event.actor === "control" ? { ...event, at: event.at - 20 } : event));
    expect(arrows(draw(early)).filter((arrow) => arrow.startsWith("message"))).toEqual([]);
  });

  it("counts each ring's published indices", () => {
    const events = [op(1, "vcpu", "q1.avail.idx.store", "= 1"), op(2, "data", "q1.used.idx", "= 1")];
    expect(ofPhase(draw(events, {}, "step"), "C").map(({ name, pid, ts, args }) => ({ name, pid, ts, args }))).toEqual([
      { name: "q1", pid: 1, ts: 1, args: { "avail.idx": 1 } },
      { name: "q1", pid: 2, ts: 2, args: { "used.idx": 1 } },
    ]);
  });

  it("says of the request's kick, and of no other, that it was dropped", () => {
    const dropped = ofPhase(draw(SEED_HANG), "i").filter(({ name }) => name.includes("kick dropped"));
    expect(dropped.map(({ name, tid, ts }) => ({ name, tid, ts }))).toEqual([
      { name: "kick dropped", tid: 3, ts: 11 },
      { name: "✗ kick dropped: the request's kick, taken while its ring was disabled", tid: 3, ts: 23 },
    ]);
  });

  it("keeps remarks as instants with what they say", () => {
    const [register] = ofPhase(draw([note(1, "vcpu", "write[device_status]", "<= 15")]), "i");
    expect(register).toMatchObject({ name: "write[device_status]", args: { detail: "<= 15" } });
  });

  it("draws what each actor of a hung machine waits for, from its last op to one edge", () => {
    const trace = draw(SEED_HANG, { report: REPORT });
    const waits = ofPhase(trace, "X").filter(({ name }) => name.startsWith("waits for"));
    expect(waits.map(({ tid, ts, name }) => `${tid}@${ts} ${name}`)).toEqual([
      "1@16.5 waits for the word at RAM offset 0x102882 to change from 0, polling",
      "2@26 waits for 12 bytes from to-back-end, which has 0",
      "3@23 waits for epoll, which watches q1.kick (count 0)",
    ]);
    expect(new Set(waits.map(({ ts, dur }) => ts + dur!)).size).toBe(1);
    expect(trace.metadata).toMatchObject({ hang: REPORT });
  });

  it("gives a hung actor a lane although it did nothing", () => {
    const trace = draw([op(1, "vcpu", "a")], { report: REPORT });
    expect(ofPhase(trace, "M").filter(({ name }) => name === "thread_name")).toHaveLength(3);
  });

  it("says the scenario, and how much is missing from whose beginning", () => {
    const { metadata } = draw(SEED_HANG, { dropped: { vcpu: 7 } });
    expect(metadata).toMatchObject({ scenario, droppedEvents: { vcpu: 7 } });
  });

  it("draws nothing of nothing", () => {
    expect(ofPhase(draw([]), "X")).toEqual([]);
  });
});
