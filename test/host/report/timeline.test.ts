import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { timeline } from "../../../host/report/timeline.js";
import type { TraceEvent } from "../../../vm/sync/trace.js";
import { SEED_HANG } from "./events.js";

const plain = pc.createColors(false);
const draw = (events: readonly TraceEvent[], columns = 100, unit: "µs" | "step" = "µs"): string[] =>
  timeline(events, { columns, colors: plain, unit }).split("\n").slice(0, -1);

describe("timeline", () => {
  it("draws lanes in the order of time, folds, names received messages and marks the kick that was lost", () => {
    expect(draw(SEED_HANG)).toEqual([
      "       µs  vCPU                     control plane            data plane",
      "      0.0  ● write[device_status] <= 15 (+2)                 │",
      "      2.0  ● send SET_VRING_KICK q1 (+1)                     │",
      "      3.0  │                        ● receive SET_VRING_KICK q1",
      "      5.0  │                        ● epoll.add q1.kick (+1) │",
      "      7.0  │                        │                        ● q1.kick.read → 1 (+1)",
      "      8.0  │                        │                        ● q1.enabled.load → 0",
      "      9.0  │                        │                        ● kick dropped q1: count 1",
      "     10.0  ● send SET_VRING_ENABLE q1 num=1                  │",
      "     12.0  ● q1.avail.idx.store = 1 (+1)                     │",
      "     13.5  ● q1.kick.add +1         │                        │",
      "     16.0  │                        ● receive SET_VRING_ENABLE q1 num=1",
      "     19.0  │                        │                        ● q1.kick.read → 1 (+2)",
      "     20.0  │                        │                        ● q1.enabled.load → 0",
      "     21.0 ▶│                        │                        ✗ kick dropped q1: count 1",
      "     22.0  │                        ● q1.store enabled=1 (+1)",
      "     23.0  │                        ● q1.lock.unlock         │",
      "           (+n): after n more steps of the same lane",
      "          ▶✗ the request's kick, taken while its ring was disabled",
    ]);
  });

  it("counts the steps of a scheduler as they are", () => {
    const steps = [...SEED_HANG].sort((a, b) => a.at - b.at).map((event, i) => ({ ...event, at: i + 1 }));
    const [head, first] = draw(steps, 100, "step");
    expect(head).toMatch(/^ {5}step /);
    expect(first).toMatch(/^ {8}3 {2}● write\[device_status\]/);
  });

  it.each([80, 100, 120])("fits into %i columns", (columns) => {
    const long = SEED_HANG.map((event) => ({
      ...event,
      detail: event.detail === "" ? "" : event.detail.padEnd(200, "x"),
    }));
    for (const line of draw(long, columns)) expect(line.length).toBeLessThanOrEqual(columns);
  });

  it("names a receive by its place in the stream, also when the clocks disagree", () => {
    const early = SEED_HANG.map((event) => (event.actor === "control" ? { ...event, at: event.at - 20 } : event));
    expect(draw(early).filter((line) => line.includes("receive"))).toEqual([
      expect.stringContaining("receive SET_VRING_KICK q1"),
      expect.stringContaining("receive SET_VRING_ENABLE q1 num=1"),
    ]);
  });

  it("does not take a message that was under way when the trace began for one of its own", () => {
    const before: TraceEvent[] = [12, 8].map((result, i) => ({
      ...SEED_HANG[4]!,
      actor: "control",
      at: 990 + i,
      name: "to-back-end.receive",
      detail: "",
      result,
    }));
    expect(draw([...before, ...SEED_HANG]).filter((line) => line.includes("receive"))).toEqual([
      expect.stringContaining("receive SET_VRING_KICK q1 (+2)"),
      expect.stringContaining("receive SET_VRING_ENABLE q1 num=1"),
    ]);
  });

  it("marks no kick when the one that was dropped stood for no request", () => {
    const request = SEED_HANG.find((event) => event.name === "q1.kick.add")!;
    const other = SEED_HANG.map((event) => (event === request ? { ...event, name: "q0.kick.add" } : event));
    expect(draw(other).join("\n")).not.toMatch(/[✗▶]/u);
  });

  it("gives every data-plane thread a lane", () => {
    const hiprio = SEED_HANG.filter((event) => event.actor === "data").map((event) => ({ ...event, actor: "data-q0" }));
    expect(draw([...SEED_HANG, ...hiprio])[0]).toMatch(/vCPU +control plane +data plane +data plane q0/);
  });

  it("cuts a long trace at its beginning and says how much", () => {
    const many = Array.from({ length: 500 }, (_, i) => ({ ...SEED_HANG[4]!, at: i }));
    const lines = draw([...many, ...SEED_HANG]);
    // 500 sends and the 25 steps of the trace, of which the last 64 rows stay with the 9 steps folded into them
    expect(lines[1]).toMatch(/⋮ 452 steps before$/);
    const [head, before, twoLegends] = [1, 1, 2];
    expect(lines).toHaveLength(head + before + 64 + twoLegends);
    expect(lines.some((line) => line.includes("✗ kick dropped"))).toBe(true);
  });

  it("keeps the lost kick in the picture however much follows it", () => {
    const after = Array.from({ length: 500 }, (_, i) => ({ ...SEED_HANG[4]!, at: 2000 + i }));
    expect(draw([...SEED_HANG, ...after]).some((line) => line.includes("▶│"))).toBe(true);
  });

  it("paints only where colours are wanted", () => {
    const painted = timeline(SEED_HANG, { columns: 100, colors: pc.createColors(true), unit: "µs" });
    expect(painted).toContain("\x1b[31m");
    expect(draw(SEED_HANG).join("")).not.toContain("\x1b");
  });
});
