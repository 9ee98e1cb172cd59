// The policy that decides: a search over states, each visited once, with eager ops.
//
// Complete, by two arguments. (1) Two executions with equal keys have equal futures (Execution.key), so a state that was
// seen before need not be followed again. (2) An enabled eager op is a persistent set of one: nothing that other actors
// can do before it depends on it (argued where each is declared), so running it at once loses no final state. What a
// persistent set could lose is an actor ignored for ever, on a cycle of states; a cycle with a choice in it is looked
// for, and with one the search does not call itself complete.
//
// What an actor does next after it has taken a lock follows at once (a lock is a right mover, Lipton 1975). What others do
// in between they could as well have done before the lock was taken: until its next op that others can see, who holds it
// does nothing that they depend on, and with the lock they could only count themselves in as readers. So each execution
// has the same final state as one in which a lock is taken as late as possible: directly before that op, or, if that never
// happens, when it cannot happen any more. Of these none is lost: a lock is never taken eagerly, so all that others can do
// before it has been a choice there.
//
// How a choice is taken back is the engine's: memoised.ts takes writes back, reexecution.ts runs again from power-on.

import type { Engine } from "./engine.js";
import type { Breaking, BrokenAt, Rule } from "./rules.js";

/** More eager ops in a row than any actor has between two choices: they would be a cycle, which no state shows. */
const MOST_EAGER = 100_000;

interface Edge {
  /** The actors that performed ops until the next state. */
  readonly order: readonly number[];
  /** That state's number. */
  readonly to: number;
  /** The rules that were broken on the way, by the number of the op in `order`. */
  readonly broken: readonly BrokenAt[];
}

/** A state where somebody has to be chosen, or nobody can move. */
interface State {
  /** By choice. */
  readonly edges: Edge[];
  /** Set where nobody can move. */
  end: Ending | undefined;
}

export type Ending = "answered" | "hung";

/** A choice that has not been followed yet. */
interface Branch {
  readonly from: number;
  readonly choice: number;
  /** How many ops lead from power-on to `from`. */
  readonly length: number;
  /** Comes back to `from`. */
  readonly back: () => void;
}

export interface Search {
  readonly complete: boolean;
  readonly whyNot?: string;
  readonly states: number;
  readonly transitions: number;
  readonly executions: number;
  readonly operations: number;
  /** Paths of the state graph from power-on to an end: schedules, counted once for all orders of eager ops. */
  readonly paths: bigint;
  /** The final states, each with a shortest schedule that leads there; shortest first. */
  readonly ends: readonly { readonly end: Ending; readonly order: readonly number[] }[];
  /** Each rule that is broken, by a shortest order. */
  readonly broken: readonly Breaking[];
}

export interface SearchOptions {
  readonly maxExecutions: number;
  /** Run enabled eager ops at once. Without it every op is a choice: slower, and a check of the eager claims. */
  readonly eager: boolean;
  /** Come to an end at the first hang or broken rule. */
  readonly first?: boolean;
  readonly onProgress?: (states: number) => void;
}

export function search(engine: Engine, { maxExecutions, eager, first = false, onProgress }: SearchOptions): Search {
  const states: State[] = [];
  const branches: Branch[] = [];
  /** The ops performed from power-on to the state of now; the edge that is being followed began at `edgeStart`. */
  const order: number[] = [];
  let from = -1;
  let edgeStart = 0;
  /** The rules that were broken on this edge. */
  let broken: BrokenAt[] = [];
  let start: Edge | undefined;
  let executions = 1;
  let found = false;
  /** The actor that has just taken a lock and done nothing since that others could see, if one has. */
  let entering: number | undefined;

  for (;;) {
    runEager();
    const number = engine.state();
    const known = number < states.length;
    if (!known) states.push({ edges: [], end: undefined });
    const edge: Edge = { order: order.slice(edgeStart), to: number, broken };
    broken = [];
    start ??= edge;
    if (from >= 0) states[from]!.edges.push(edge);
    if (first && found) break;
    if (!known) {
      if (states.length % 256 === 0) onProgress?.(states.length);
      const [next, ...others] = engine.enabled();
      if (next !== undefined) {
        if (others.length > 0) {
          const back = engine.mark();
          for (const choice of others) branches.push({ from: number, choice, length: order.length, back });
        }
        choose(number, next);
        continue;
      }
      states[number]!.end = engine.answered ? "answered" : "hung";
      found ||= !engine.answered;
    }
    if (executions === maxExecutions || (first && found)) break;
    const branch = branches.pop();
    if (!branch) break;
    executions++;
    branch.back();
    order.length = branch.length;
    choose(branch.from, branch.choice);
  }

  function choose(state: number, actor: number): void {
    from = state;
    edgeStart = order.length;
    perform(actor);
  }

  function perform(actor: number): void {
    const { acquires, guarded } = engine.next(actor)!;
    const rules = engine.step(actor);
    order.push(actor);
    for (const rule of rules) broken.push({ ...rule, at: order.length - edgeStart });
    found ||= rules.length > 0;
    entering = acquires || (guarded && actor === entering) ? actor : undefined;
  }

  function atOnce(): number | undefined {
    const follows = entering !== undefined && engine.next(entering)?.enabled();
    return follows ? entering : engine.eager();
  }

  function runEager(): void {
    if (!eager) return;
    const begin = order.length;
    for (let actor = atOnce(); actor !== undefined; actor = atOnce()) {
      perform(actor);
      if (order.length - begin > MOST_EAGER) throw new Error(`${MOST_EAGER} eager ops in a row: they go round`);
    }
  }

  const paths = countPaths(states, 0);
  const whyNot =
    first && found
      ? "the first was looked for"
      : branches.length > 0
        ? `cut after ${executions} executions`
        : paths === undefined
          ? "its states go round"
          : undefined;
  return {
    complete: whyNot === undefined,
    ...(whyNot && { whyNot }),
    states: states.length,
    transitions: states.reduce((sum, state) => sum + state.edges.length, 0),
    executions,
    operations: engine.operations,
    paths: paths ?? 0n,
    ...shortest(states, start),
  };
}

/** Number of paths from `root` to an end, or undefined if the graph has a cycle. Without recursion: paths are long. */
function countPaths(states: readonly State[], root: number): bigint | undefined {
  const counts = new Map<number, bigint>();
  const open = new Set<number>([root]);
  const stack = [{ state: root, edge: 0, sum: 0n }];
  for (;;) {
    const top = stack[stack.length - 1]!;
    const edge = states[top.state]!.edges[top.edge];
    if (edge === undefined) {
      const count = states[top.state]!.end ? 1n : top.sum;
      counts.set(top.state, count);
      open.delete(top.state);
      stack.pop();
      const parent = stack[stack.length - 1];
      if (!parent) return count;
      parent.sum += count;
      parent.edge++;
      continue;
    }
    const known = counts.get(edge.to);
    if (known !== undefined) {
      top.sum += known;
      top.edge++;
    } else {
      if (open.has(edge.to)) return undefined;
      open.add(edge.to);
      stack.push({ state: edge.to, edge: 0, sum: 0n });
    }
  }
}

/**
 * Every end with a schedule of fewest ops that leads there, and every broken rule: the graph's edges are runs of ops,
 * so by length (Dijkstra).
 */
function shortest(states: readonly State[], start: Edge): Pick<Search, "ends" | "broken"> {
  const best = new Map<number, { length: number; before: number; order: readonly number[] }>();
  best.set(0, { length: start.order.length, before: -1, order: start.order });
  const byLength: number[][] = [];
  const enqueue = (state: number, length: number): void => {
    const bucket = byLength[length] ?? [];
    byLength[length] = bucket;
    bucket.push(state);
  };
  const broken = new Map<Rule, { detail: string; length: number; before: number; order: readonly number[] }>();
  const note = (edge: Edge, before: number, beforeLength: number): void => {
    for (const { rule, detail, at } of edge.broken) {
      const length = beforeLength + at;
      if (length < (broken.get(rule)?.length ?? Number.POSITIVE_INFINITY))
        broken.set(rule, { detail, length, before, order: edge.order.slice(0, at) });
    }
  };
  note(start, -1, 0);
  enqueue(0, start.order.length);
  for (let length = 0; length < byLength.length; length++) {
    for (const state of byLength[length] ?? []) {
      if (best.get(state)!.length !== length) continue;
      for (const edge of states[state]!.edges) {
        note(edge, state, length);
        const total = length + edge.order.length;
        const known = best.get(edge.to);
        if (known && known.length <= total) continue;
        best.set(edge.to, { length: total, before: state, order: edge.order });
        enqueue(edge.to, total);
      }
    }
  }
  const orderTo = (state: number): number[] => {
    const pieces: (readonly number[])[] = [];
    for (let at = state; at >= 0; at = best.get(at)!.before) pieces.push(best.get(at)!.order);
    return pieces.reverse().flat();
  };
  const ends = [...states.keys()].filter((state) => states[state]!.end !== undefined && best.has(state));
  ends.sort((a, b) => best.get(a)!.length - best.get(b)!.length);
  return {
    ends: ends.map((state) => ({ end: states[state]!.end!, order: orderTo(state) })),
    broken: [...broken].map(([rule, { detail, before, order }]) => ({
      rule,
      detail,
      order: [...orderTo(before), ...order],
    })),
  };
}
