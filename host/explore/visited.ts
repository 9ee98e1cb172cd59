// The policy that decides: a search over states, each visited once, with eager ops.
//
// Complete, by two arguments. (1) Two executions with equal keys have equal futures (Execution.key), so a state that was
// seen before need not be followed again. (2) An enabled eager op is a persistent set of one: nothing that other actors
// can do before it depends on it (argued where each is declared), so running it at once loses no final state. What a
// persistent set could lose is an actor ignored for ever, on a cycle of states; a cycle with a choice in it is looked
// for, and with one the search does not call itself complete.
//
// There are no snapshots: to try another choice, the execution is run again from power-on. A guest run costs 0.1 ms.

import { Execution, type World } from "./execution.js";
import type { Breaking, BrokenAt, Rule } from "./rules.js";

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

interface Branch {
  readonly from: number;
  /** Everything from power-on to the state `from`, then the choice. */
  readonly order: readonly number[];
}

export interface Search {
  readonly complete: boolean;
  readonly states: number;
  readonly transitions: number;
  readonly executions: number;
  readonly operations: number;
  /** Paths of the state graph from power-on to an end: schedules, counted once for all orders of eager ops. */
  readonly paths: bigint;
  /** The keys of the final states. */
  readonly finals: ReadonlySet<string>;
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

export function search(world: World, { maxExecutions, eager, first, onProgress }: SearchOptions): Search {
  const numbers = new Map<string, number>();
  const states: State[] = [];
  let executions = 0;
  let operations = 0;
  const stack: Branch[] = [{ from: -1, order: [] }];
  const finals = new Set<string>();
  const roots: Edge[] = [];

  let found = false;

  while (stack.length > 0 && executions < maxExecutions && !(first && found)) {
    const branch = stack.pop()!;
    const execution = new Execution(world);
    executions++;
    // The part of the order that the edge from `from` will hold begins with the choice.
    let edgeStart = Math.max(branch.order.length - 1, 0);
    for (const actor of branch.order) execution.step(actor);
    let order = [...branch.order];
    let from = branch.from;
    for (;;) {
      for (let actor = eager ? execution.eager() : undefined; actor !== undefined; actor = execution.eager()) {
        execution.step(actor);
        order.push(actor);
      }
      const key = execution.key();
      const known = numbers.get(key);
      const number = known ?? states.push({ edges: [], end: undefined }) - 1;
      const broken = execution.broken.filter(({ at }) => at > edgeStart);
      const edge: Edge = {
        order: order.slice(edgeStart),
        to: number,
        broken: broken.map(({ at, ...rest }) => ({ ...rest, at: at - edgeStart })),
      };
      if (from < 0) roots.push(edge);
      else states[from]!.edges.push(edge);
      found ||= broken.length > 0;
      if (first && found) break;
      if (known !== undefined) break;
      numbers.set(key, number);
      if (states.length % 256 === 0) onProgress?.(states.length);
      const enabled = execution.enabled();
      const [next, ...others] = enabled;
      if (next === undefined) {
        states[number]!.end = execution.answered ? "answered" : "hung";
        finals.add(key);
        found ||= !execution.answered;
        break;
      }
      for (const other of others) stack.push({ from: number, order: [...order, other] });
      from = number;
      edgeStart = order.length;
      execution.step(next);
      order = [...order, next];
    }
    operations += execution.steps;
  }

  const paths = countPaths(states, 0);
  return {
    complete: stack.length === 0 && !(first && found) && paths !== undefined,
    states: states.length,
    transitions: states.reduce((sum, state) => sum + state.edges.length, 0),
    executions,
    operations,
    paths: paths ?? 0n,
    finals,
    ...shortest(states, roots[0]!),
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
