// The memoised engine against the one that executes everything again: they see the same graph.

import { describe, expect, it } from "vitest";
import { createWorld } from "../../../host/explore/explore.js";
import { Memoised } from "../../../host/explore/memoised.js";
import { Reexecution } from "../../../host/explore/reexecution.js";
import { search } from "../../../host/explore/visited.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";
import { finalKeys } from "./final-keys.js";

const LIMITS = { maxExecutions: 100_000, eager: true };

const cell = (text: string): Scenario => {
  const [guest, frontEnd, backEnd, script] = text.split(" ") as never[];
  return { guest: guest!, frontEnd: frontEnd!, backEnd: backEnd!, script: script!, ...FRONT_END_DEFAULTS, delays: [] };
};

const CELLS = [
  "ovmf qemu-8.1 rust-0.10 first",
  "ovmf qemu-7.1 rust-0.12 first",
  "ovmf qemu-8.2 rust-0.22 first",
  "ovmf qemu-8.1 c first",
  "ovmf qemu-8.2-no-reply-ack rust-0.13.1 first",
  "ovmf cloud-hypervisor rust-0.10 first",
  "ovmf ioctl kernel first",
  "ovmf ioctl kernel reboot",
  "ovmf qemu-8.2 rekick reboot",
  "ovmf qemu-8.2 rust-0.22 reset-in-flight",
  "ovmf cloud-hypervisor rekick reset-in-flight",
  "ovmf ioctl kernel reset-in-flight",
  "ovmf qemu-8.1 rust-0.10 resume",
  "ovmf qemu-8.2 c resume",
  "ovmf qemu-8.2 rekick resume-uncharged",
  "ovmf ioctl kernel resume-uncharged",
  "ovmf qemu-8.2 rust-0.10 toggle",
  "ovmf cloud-hypervisor rust-0.22 toggle",
  "ovmf qemu-8.1 rust-0.12 toggle",
  "linux-probe qemu-8.2 rekick first",
  "linux ioctl kernel first",
];

const LARGER = [
  "ovmf qemu-8.1 rust-0.10 reboot",
  "ovmf qemu-8.1 c reboot",
  "ovmf qemu-8.2 rust-0.10 reset-in-flight",
  "linux-probe qemu-8.1 rust-0.10 first",
  "linux-probe qemu-8.1 rust-0.22 reboot",
  "linux qemu-8.2 rust-0.13.1 first",
];

describe("memoised and executed again", () => {
  it.each(CELLS)("%s: the same states, transitions, paths and final states", async (text) => {
    const world = await createWorld(nodePlatform, cell(text));
    const found = search(new Memoised(world, { guestByHistory: true }), LIMITS);
    const expected = search(new Reexecution(world), LIMITS);
    expect(expected.complete).toBe(true);
    expect({ ...found, operations: 0 }).toEqual({ ...expected, operations: 0 });
    expect(found.operations).toBeLessThan(expected.operations);
    expect(finalKeys(world, found)).toEqual(finalKeys(world, expected));
  });
});

describe("guests told apart by what they are, and by what they have learned", () => {
  it.each([...CELLS, ...LARGER])("%s: the same final states", async (text) => {
    const world = await createWorld(nodePlatform, cell(text));
    const found = search(new Memoised(world), LIMITS);
    const expected = search(new Memoised(world, { guestByHistory: true }), LIMITS);
    expect(expected.complete && found.complete).toBe(true);
    expect(found.states).toBeLessThanOrEqual(expected.states);
    // The first part of a key is the vCPU's history.
    const withoutHistory = (keys: Set<string>): Set<string> =>
      new Set([...keys].map((key) => key.slice(key.indexOf(",") + 1)));
    expect(withoutHistory(finalKeys(world, found))).toEqual(withoutHistory(finalKeys(world, expected)));
  });
});
