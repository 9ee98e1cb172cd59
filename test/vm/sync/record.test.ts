import { describe, expect, it } from "vitest";
import { Lock } from "../../../vm/sync/lock.js";
import { SharedRecord } from "../../../vm/sync/record.js";
import { SyncMemory } from "../../../vm/sync/words.js";

const FIELDS = ["ready", "enabled", "kick"] as const;

function guarded() {
  const memory = SyncMemory.create();
  const lock = new Lock(memory, "q1.lock");
  return { lock, record: new SharedRecord(memory, "q1", FIELDS, lock) };
}

describe("SharedRecord", () => {
  it("all fields are 0 at first; set changes the named ones, load gives all at one moment", () => {
    const record = new SharedRecord(SyncMemory.create(), "connection", FIELDS, "one actor");
    expect(record.load().attempt()?.values).toEqual({ ready: 0, enabled: 0, kick: 0 });
    record.set({ kick: 7, ready: -1 }).attempt();
    expect(record.load().attempt()?.values).toEqual({ ready: -1, enabled: 0, kick: 7 });
    expect(FIELDS.map((field) => record.get(field).attempt())).toEqual([-1, 0, 7]);
    expect(record.peek()).toEqual({ ready: -1, enabled: 0, kick: 7 });
    record.clear().attempt();
    expect(record.peek()).toEqual({ ready: 0, enabled: 0, kick: 0 });
  });

  it("keeps 32 bits of a value, as a signed number", () => {
    const record = new SharedRecord(SyncMemory.create(), "connection", FIELDS, "one actor");
    record.set({ ready: 0xffff_fff0 }).attempt();
    expect(record.get("ready").attempt()).toBe(-16);
  });

  it("throws when it is touched while its lock is free", () => {
    const { record, lock } = guarded();
    const touches = () => [record.load(), record.get("kick"), record.set({ kick: 1 })];
    for (const op of touches()) expect(() => op.attempt(), op.name).toThrow("q1 touched without q1.lock");
    lock.lock().attempt();
    for (const op of touches()) op.attempt();
    expect(record.peek().kick).toBe(1);
  });

  it("declares the fields that an op names, and all of them for load", () => {
    const { record } = guarded();
    const [ready, enabled, kick] = FIELDS.map((field) => record.get(field).footprint.reads[0]!);
    expect(new Set([ready, enabled, kick]).size).toBe(3);
    expect(record.load().footprint).toEqual({ reads: [ready, enabled, kick], writes: [] });
    expect(record.set({ kick: 1, ready: 1 }).footprint).toEqual({ reads: [], writes: [kick, ready] });
  });

  it("its snapshots have equal keys exactly when their fields are equal", () => {
    const { record, lock } = guarded();
    lock.lock().attempt();
    const key = (): string => record.load().attempt()!.key;
    const before = key();
    record.set({ enabled: 1 }).attempt();
    expect(key()).not.toBe(before);
    record.set({ enabled: 0 }).attempt();
    expect(key()).toBe(before);
  });
});
