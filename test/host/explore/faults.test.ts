// Faults seeded on purpose: does the search find what it is to find?

import { afterAll, describe, expect, it } from "vitest";
import { createWorld } from "../../../host/explore/explore.js";
import { Memoised } from "../../../host/explore/memoised.js";
import { search } from "../../../host/explore/visited.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";
import { type Fault, faultyWorld } from "./faults/fault.js";
import { ACKNOWLEDGED_THEN_APPLIED, KICK_LOST_ON_RESET, REPLY_BEFORE_STOP } from "./faults/messages.js";
import {
  AVAIL_IDX_NOT_READ_AGAIN,
  DESCRIPTOR_READ_TWICE,
  EVENT_INDEX_OFF_BY_ONE,
  INDEX_BEFORE_ELEMENT,
  USED_IDX_NOT_READ_AGAIN,
} from "./faults/rings.js";

const LIMIT = { maxExecutions: 1_000_000, eager: true } as const;
const BOOT: Scenario = { ...ROWS[0]!.scenario, frontEnd: "qemu-8.2", backEnd: "rekick" };

const FAULTS: { fault: string; seeded: Fault; cell: Partial<Scenario>; finds: string }[] = [
  {
    fault: "index published before the element",
    seeded: INDEX_BEFORE_ELEMENT,
    cell: {},
    finds: "element before index",
  },
  {
    fault: "avail.idx not read again after notification is enabled",
    seeded: AVAIL_IDX_NOT_READ_AGAIN,
    cell: { guest: "linux-probe", frontEnd: "ioctl", backEnd: "kernel", eventIdx: false },
    finds: "hang",
  },
  {
    fault: "used.idx not read again after notification is enabled",
    seeded: USED_IDX_NOT_READ_AGAIN,
    cell: { guest: "linux-probe", backEnd: "c" },
    finds: "hang",
  },
  { fault: "event index off by one", seeded: EVENT_INDEX_OFF_BY_ONE, cell: { guest: "linux-probe" }, finds: "hang" },
  { fault: "kick lost on reset", seeded: KICK_LOST_ON_RESET, cell: { script: "resume-uncharged" }, finds: "hang" },
  {
    fault: "reply sent before the state changed",
    seeded: REPLY_BEFORE_STOP,
    // Before QEMU 7.2 no SET_VRING_ENABLE 0 comes first.
    cell: { frontEnd: "qemu-7.1", script: "resume-uncharged" },
    finds: "a stopped ring is left alone",
  },
  {
    fault: "an acknowledged message applied late",
    seeded: ACKNOWLEDGED_THEN_APPLIED,
    cell: { backEnd: "rust-0.10" },
    finds: "hang",
  },
  { fault: "a descriptor read twice", seeded: DESCRIPTOR_READ_TWICE, cell: {}, finds: "descriptors are read once" },
];

describe("a seeded fault", () => {
  const table: string[] = [];
  afterAll(() => console.log(["states to find  fault, by", ...table].join("\n")));

  it.each(FAULTS)("$fault: is found, by $finds", async ({ fault, seeded, cell, finds }) => {
    // With the whole history of the vCPU: what a fault in it remembers is no state of a guest.
    const world = await faultyWorld({ ...BOOT, ...cell }, seeded);
    const { states, ends, broken } = search(new Memoised(world, { guestByHistory: true }), { ...LIMIT, first: true });
    const found = broken[0]?.rule ?? (ends.some(({ end }) => end === "hung") ? "hang" : "nothing");
    expect(found).toBe(finds);
    expect(states).toBeGreaterThan(0);
    table.push(`${String(states).padStart(14)}  ${fault}, ${finds}`);
    // The same again: what is found depends on no chance.
    expect(search(new Memoised(world, { guestByHistory: true }), { ...LIMIT, first: true })).toMatchObject({
      states,
      broken,
    });
  });

  it.each(FAULTS)("$fault: without it no schedule hangs and no rule breaks", async ({ cell }) => {
    const found = search(new Memoised(await createWorld(nodePlatform, { ...BOOT, ...cell })), LIMIT);
    expect(found).toMatchObject({ complete: true, broken: [] });
    expect(found.ends.filter(({ end }) => end === "hung")).toEqual([]);
  });
});
