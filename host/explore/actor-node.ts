// Actors as graphs: a node is what an actor is before an op, and holds that op. A generator is a function of what it
// receives, so a node that is known needs no generator any more; and an op acts on shared state only, so it can be
// performed again and again.

import { isRamCell, type Op, ramOffset, type Result } from "../../vm/sync/op.js";

export class ActorNode<Edge> {
  /** Unique for its actor. */
  readonly id: number;
  /** By the key of the op's result. */
  readonly edges = new Map<number | string, Edge>();
  /** 16-bit words of RAM that the op writes, by index. */
  readonly ramWrites: readonly number[];

  /** @param all the nodes of its actor by their ids; this one is added */
  constructor(
    all: unknown[],
    readonly op: Op,
  ) {
    this.id = all.push(this) - 1;
    this.ramWrites = op.footprint.writes.filter(isRamCell).map((cell) => ramOffset(cell) >>> 1);
  }
}

/** Results with equal keys are equal knowledge. */
export const resultKey = (result: Result): number | string => (typeof result === "number" ? result : result.key);
