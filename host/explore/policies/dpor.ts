// Dynamic partial-order reduction with sleep sets: one execution, at best, for each set of orders that only swap ops that
// commute. C. Flanagan, P. Godefroid, "Dynamic partial-order reduction for model checking software", POPL 2005, figures 3
// and 4; sleep sets: P. Godefroid, LNCS 1032, chapter 5.
//
// It remembers no states and believes no `eager`: every op is a choice. So it shares with the visited-state search only
// the ops themselves and their footprints, and each is a check of the other.

import { dependent } from "../../../vm/sync/op.js";
import { Causality } from "../causality.js";
import { type Explorable, type Found, type Limits, type Run, Tally } from "./policy.js";

/** A state of the path that is being followed. */
interface State {
  readonly enabled: readonly number[];
  /** The actors to be tried here: a persistent set, once no race adds to it any more. */
  readonly backtrack: Set<number>;
  readonly done: Set<number>;
  /** Actors whose next op has been tried before: whatever begins with it is a path that has been followed. */
  readonly sleep: ReadonlySet<number>;
}

export function dpor(system: Explorable, limits: Limits): Found {
  const tally = new Tally(limits);
  const path: State[] = [];
  let order: number[] = [];
  do {
    order = follow(system.start(), path, order, tally);
    while (path.length > 0 && untried(path[path.length - 1]!) === undefined) path.pop();
  } while (path.length > 0 && !tally.spent);
  return tally.found(path.length === 0);
}

function untried({ backtrack, done, sleep }: State): number | undefined {
  for (const actor of backtrack) if (!done.has(actor) && !sleep.has(actor)) return actor;
  return undefined;
}

/** An execution along `path`, another way at its last state, and on to its end. @returns its order; `path` is its states */
function follow(run: Run, path: State[], before: readonly number[], tally: Tally): number[] {
  const past = new Causality();
  const order: number[] = [];
  const perform = (actor: number): void => {
    past.append(actor, run.next(actor)!);
    run.step(actor);
    order.push(actor);
  };
  for (const actor of before.slice(0, Math.max(path.length - 1, 0))) perform(actor);
  if (path.length === 0) path.push(enter(run, new Set()));
  for (;;) {
    const state = path[path.length - 1]!;
    const actor = untried(state);
    if (actor === undefined || tally.endless(order)) break;
    const { order: performed } = run.next(actor)!;
    const asleep = [...state.sleep, ...state.done].filter((other) => !dependent(run.next(other)!.order, performed));
    state.done.add(actor);
    perform(actor);
    path.push(enter(run, new Set(asleep)));
    addRaces(run, path, past);
  }
  tally.add(run, order);
  return order;
}

/** A new state: any actor that is awake will do to begin with. */
function enter(run: Run, sleep: ReadonlySet<number>): State {
  const enabled = run.enabled();
  const first = enabled.find((actor) => !sleep.has(actor));
  return { enabled, backtrack: new Set(first === undefined ? [] : [first]), done: new Set(), sleep };
}

/** What each actor does next, blocked or not, is also tried before the last step that it races with. */
function addRaces(run: Run, path: readonly State[], past: Causality): void {
  for (let actor = 0; actor < run.actors; actor++) {
    const next = run.next(actor);
    const race = next ? past.race(actor, next) : 0;
    if (race > 0) tryBefore(path[race - 1]!, race, actor, past);
  }
}

function tryBefore({ enabled, backtrack }: State, race: number, actor: number, past: Causality): void {
  if (enabled.includes(actor)) {
    backtrack.add(actor);
    return;
  }
  // Somebody who leads to where this actor can: who since then has done what happens before it. Else anybody.
  const leading = enabled.filter((other) => (past.of(actor)[other] ?? 0) > race);
  if (leading.length === 0) for (const other of enabled) backtrack.add(other);
  else if (!leading.some((other) => backtrack.has(other))) backtrack.add(leading[0]!);
}
