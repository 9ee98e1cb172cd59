// The claims that ops make about themselves, held against what they do: footprints, independence, eagerness. A wrong
// footprint or a wrong `eager` would give a false "never" without a sign.

import { Execution, type World } from "../../../host/explore/execution.js";
import { type Cell, dependent, type Footprint, type Op, ramCell } from "../../../vm/sync/op.js";

/** A choice among `n`, from a seeded source. */
export type Choose = (n: number) => number;

/** Where the guest keeps its rings and buffers: the only RAM that is compared. */
const WATCHED_RAM = 1024 * 1024;
const WATCHED_BYTES = 256 * 1024;

/** Names what an op claims; tests that the audit bites hand in a wrong one. */
export type Declared = (op: Op) => Footprint;

/** What it touches. */
const asDeclared: Declared = (op) => op.footprint;
/** What decides whether it commutes with others: for bytes of a stream that is less. */
const asOrdered: Declared = (op) => op.order;

/**
 * A whole execution under a random schedule, from power-on until nobody can move. Who moves goes on for a while, longer
 * in some executions than in others: a choice anew before every op almost never leaves anybody far behind.
 * @param interesting says which states to list
 * @returns the order, and the lengths of its prefixes that lead to such a state
 */
export function walk(
  world: World,
  choose: Choose,
  interesting: (execution: Execution) => boolean = (execution) => execution.enabled().length > 1,
): { order: number[]; states: number[] } {
  const execution = new Execution(world);
  const order: number[] = [];
  const states: number[] = [];
  const patience = 1 + choose(32);
  let actor = 0;
  for (let enabled = execution.enabled(); enabled.length > 0; enabled = execution.enabled()) {
    if (interesting(execution)) states.push(order.length);
    if (!enabled.includes(actor) || choose(patience) === 0) actor = enabled[choose(enabled.length)]!;
    order.push(actor);
    execution.step(actor);
  }
  return { order, states };
}

/** The state after `order` on a new machine, or undefined if that order cannot happen. */
function stateAfter(world: World, order: readonly number[]): string | undefined {
  const execution = new Execution(world);
  for (const actor of order) {
    if (!execution.next(actor)?.enabled()) return undefined;
    execution.step(actor);
  }
  return execution.key();
}

/** A machine after `order`; the world's memory is its own until the next machine is made. */
function machineAfter(world: World, order: readonly number[]): Execution {
  const execution = new Execution(world);
  for (const actor of order) execution.step(actor);
  return execution;
}

/** What one audited execution touched; `wrong` are the accesses that no footprint declares. */
export interface Touched {
  readonly wrong: Set<string>;
  readonly syncReads: number;
  readonly syncWrites: number;
  readonly ramWrites: number;
}

/** Performs `order` with every op watched: the sync words it accesses, and the bytes of guest RAM it changes. */
export function auditFootprints(world: World, order: readonly number[], declared: Declared = asDeclared): Touched {
  const execution = new Execution(world);
  const { sync } = execution.system;
  const ram = world.bytes.subarray(WATCHED_RAM, WATCHED_RAM + WATCHED_BYTES);
  const wrong = new Set<string>();
  const touched = { wrong, syncReads: 0, syncWrites: 0, ramWrites: 0 };
  for (const actor of order) {
    const op = execution.next(actor)!;
    const { reads, writes } = declared(op);
    const mayWrite = new Set<Cell>(writes);
    const mayRead = new Set<Cell>([...reads, ...writes]);
    const { attempt } = op;
    const watched = (): ReturnType<typeof attempt> => {
      const before = Buffer.from(ram);
      sync.observer = (cell, write) => {
        if (write) touched.syncWrites++;
        else touched.syncReads++;
        if (!(write ? mayWrite : mayRead).has(cell)) wrong.add(`${op.name} ${write ? "writes" : "reads"} word ${cell}`);
      };
      const result = attempt();
      sync.observer = undefined;
      for (const at of changes(before, ram)) {
        touched.ramWrites++;
        if (!mayWrite.has(ramCell(WATCHED_RAM + at))) wrong.add(`${op.name} writes RAM at 1 MiB + ${at}`);
      }
      return result;
    };
    Object.assign(op, { attempt: watched });
    execution.step(actor);
  }
  return touched;
}

function changes(before: Uint8Array, after: Uint8Array): number[] {
  const offsets: number[] = [];
  if (Buffer.compare(before, after) === 0) return offsets;
  for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) offsets.push(i);
  return offsets;
}

/** What was compared, and what of it contradicts the claim, by the ops' names. */
export class Comparisons {
  readonly wrong = new Set<string>();
  made = 0;
}

/**
 * Independence, in the state after `prefix`: two ops of different actors of which neither writes what the other touches
 * lead to one state in either order, and neither enables or disables the other.
 */
export function auditPairs(
  world: World,
  prefix: readonly number[],
  comparisons: Comparisons,
  declared: Declared = asOrdered,
): void {
  const { wrong } = comparisons;
  const pending = pendingAfter(world, prefix, declared);
  for (const [i, a] of pending.entries()) {
    for (const b of pending.slice(i + 1)) {
      if (dependent(a.footprint, b.footprint) || !(a.enabled || b.enabled)) continue;
      comparisons.made++;
      const ab = stateAfter(world, [...prefix, a.actor, b.actor]);
      const ba = stateAfter(world, [...prefix, b.actor, a.actor]);
      const pair = `${a.name} | ${b.name}`;
      // If one of the two is blocked it must be so after the other: neither order can happen.
      if (a.enabled && b.enabled ? ab === undefined || ba === undefined : ab !== undefined || ba !== undefined)
        wrong.add(`${pair}: one enables or disables the other`);
      else if (ab !== ba) wrong.add(`${pair}: the order makes a difference`);
    }
  }
}

function pendingAfter(world: World, prefix: readonly number[], declared: Declared) {
  const execution = machineAfter(world, prefix);
  return execution.positions().flatMap((_, actor) => {
    const op = execution.next(actor);
    return op ? [{ actor, name: op.name, enabled: op.enabled(), footprint: declared(op), op }] : [];
  });
}

/** Releases, in the state after `prefix`: one that is enabled is not enabled together with what depends on it. */
export function auditReleases(
  world: World,
  prefix: readonly number[],
  comparisons: Comparisons,
  releases: (op: Op) => boolean = (op) => op.releases,
): void {
  const enabled = pendingAfter(world, prefix, asOrdered).filter((each) => each.enabled);
  for (const release of enabled.filter(({ op }) => releases(op))) {
    comparisons.made++;
    for (const other of enabled) {
      if (other.actor !== release.actor && dependent(other.footprint, release.footprint))
        comparisons.wrong.add(`${release.name} is no release: ${other.name}`);
    }
  }
}

/**
 * Eagerness, in the state after `prefix`: whatever the others do before an enabled eager op (here: up to `most` random
 * ops), it could as well have been done first. With it first the others' ops can all happen, and the state is the same.
 */
export function auditEager(
  world: World,
  prefix: readonly number[],
  choose: Choose,
  most: number,
  comparisons: Comparisons,
  isEager: (op: Op) => boolean = (op) => op.eager,
): void {
  for (const { actor, name, enabled, op } of pendingAfter(world, prefix, asOrdered)) {
    if (!enabled || !isEager(op)) continue;
    const execution = machineAfter(world, prefix);
    const others: number[] = [];
    while (others.length < most) {
      const able = execution.enabled().filter((other) => other !== actor);
      if (able.length === 0) break;
      others.push(able[choose(able.length)]!);
      execution.step(others[others.length - 1]!);
    }
    if (others.length === 0) continue;
    comparisons.made++;
    const last = stateAfter(world, [...prefix, ...others, actor]);
    const first = stateAfter(world, [...prefix, actor, ...others]);
    if (last === undefined || first !== last) comparisons.wrong.add(`${name} is not eager`);
  }
}
