// The memoised engine against the one that executes everything again: they see the same graph.

import { describe, expect, it } from "vitest";
import { createWorld } from "../../../host/explore/explore.js";
import { Memoised } from "../../../host/explore/memoised.js";
import { Reexecution } from "../../../host/explore/reexecution.js";
import { search } from "../../../host/explore/visited.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";
import { finalKeys } from "./final-keys.js";

const LIMIT = 100_000;

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

describe("memoised and executed again", () => {
  it.each(CELLS)("%s: the same states, transitions, paths and final states", async (text) => {
    const world = await createWorld(nodePlatform, cell(text));
    const { operations: performed, ...memoised } = search(new Memoised(world), { maxExecutions: LIMIT, eager: true });
    const { operations, ...executed } = search(new Reexecution(world), { maxExecutions: LIMIT, eager: true });
    expect(executed.complete).toBe(true);
    expect(performed).toBeLessThan(operations);
    expect(memoised).toEqual(executed);
    expect(finalKeys(world, memoised as never)).toEqual(finalKeys(world, executed as never));
  });
});
