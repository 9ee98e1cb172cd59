// Performs an actor's ops at once, as the only thread there is: for tests of what a trap does.

import type { Actor } from "../../vm/sync/op.js";

/** @returns what the actor gives; `steps` gets the name of each op in order */
export function run<R>(actor: Actor<R>, steps: string[] = []): R {
  let step = actor.next();
  while (!step.done) {
    const result = step.value.attempt();
    if (result === undefined) throw new Error(`${step.value.name} is blocked`);
    steps.push(step.value.name);
    step = actor.next(result);
  }
  return step.value;
}
