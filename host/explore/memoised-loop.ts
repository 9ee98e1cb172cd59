// A loop actor (control plane, data-plane thread), memoised. A round starts with no local left of the last, so each
// begins at the same node, and a node is a history: what it has learned since its round began.

import type { Actor, Op, Result } from "../../vm/sync/op.js";
import type { LoopActor, System } from "../scenario/system.js";
import { ActorNode, resultKey } from "./actor-node.js";

export interface LoopEdge {
  /** Undefined: the thread has ended. */
  readonly to: LoopNode | undefined;
  /** What the actor says, on the way, of the last kick of each ring (KickFate); 0: nothing. */
  readonly fates: readonly number[];
  /** On the way a process of the back-end has ended. */
  readonly processEnds: boolean;
}

export class LoopNode extends ActorNode<LoopEdge> {
  /** @param learned every result since the round began */
  constructor(
    all: LoopNode[],
    op: Op,
    readonly learned: readonly Result[],
  ) {
    super(all, op);
  }
}

export class MemoisedLoop {
  readonly start: LoopNode;
  readonly nodes: LoopNode[] = [];
  /** The last generator, and before which node's op it stands. */
  #running: { readonly actor: Actor<boolean>; readonly at: LoopNode };

  /** @param system the one that all loop actors share: what they share is in sync memory */
  constructor(
    readonly system: System,
    readonly loop: LoopActor,
  ) {
    const actor = loop.round();
    const step = actor.next();
    if (step.done) throw new Error(`a round of ${loop.name} without an op`);
    this.start = new LoopNode(this.nodes, step.value, []);
    this.#running = { actor, at: this.start };
  }

  /** Data-plane threads alone write guest RAM. */
  get writesRam(): boolean {
    return this.loop.plane === "data";
  }

  /** What follows when the op of `from` gives `result`. */
  edge(from: LoopNode, result: Result): LoopEdge {
    const key = resultKey(result);
    let edge = from.edges.get(key);
    if (!edge) {
      edge = this.#run(from, result);
      from.edges.set(key, edge);
    }
    return edge;
  }

  #run(from: LoopNode, result: Result): LoopEdge {
    const actor = this.#running.at === from ? this.#running.actor : this.#again(from);
    const { sync, backEnd } = this.system;
    sync.notes.fill(0); // what is noted from here on is this edge's
    const step = actor.next(result);
    const fates = backEnd.rings.map((ring) => backEnd.kickFate(ring));
    const processEnds = this.system.processesEnded !== 0;
    if (step.done) return { to: step.value ? this.start : undefined, fates, processEnds };
    const to = new LoopNode(this.nodes, step.value, [...from.learned, result]);
    this.#running = { actor, at: to };
    return { to, fates, processEnds };
  }

  #again(node: LoopNode): Actor<boolean> {
    const actor = this.loop.round();
    actor.next();
    for (const result of node.learned) actor.next(result);
    return actor;
  }
}
