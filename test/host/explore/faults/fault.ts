// A fault that is seeded: somebody in the system does one thing wrong. Only tests have such worlds.

import type { World } from "../../../../host/explore/execution.js";
import { createWorld } from "../../../../host/explore/explore.js";
import type { Scenario } from "../../../../host/scenario/scenario.js";
import type { System } from "../../../../host/scenario/system.js";
import { nodePlatform } from "../../../../host/threads/spawn.js";
import type { RingExports } from "../../../../device/virtqueue.js";
import type { Actor, Op, Result } from "../../../../vm/sync/op.js";

export interface Fault {
  /** In ring.wasm's steps. */
  readonly ring?: (ring: RingExports) => Partial<RingExports>;
  /** In one actor, by its name. */
  readonly actor?: string;
  readonly play?: <R>(actor: Actor<R>, system: System) => Actor<R>;
}

/** `createWorld` with a fault in it. */
export async function faultyWorld(scenario: Scenario, fault: Fault): Promise<World> {
  const world = await createWorld(nodePlatform, scenario);
  const ring = { ...world.ring, ...fault.ring?.(world.ring) };
  const play = <R>(part: string, actor: Actor<R>, system: System): Actor<R> =>
    part === fault.actor && fault.play ? fault.play(actor, system) : actor;
  return Object.assign(world, { ring, play });
}

/** An actor whose ops go through `perform`, which answers for each: by performing it or otherwise. */
export function* through<R>(actor: Actor<R>, perform: (op: Op) => Actor<Result>): Actor<R> {
  let step = actor.next();
  while (!step.done) step = actor.next(yield* perform(step.value));
  return step.value;
}
