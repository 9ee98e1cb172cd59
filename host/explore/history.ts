// Histories as a tree: a node is what an actor has learned since its round began, and holds the op that it does next.
// A generator is a function of what it receives, so a node that is known needs no generator any more; and an op acts on
// shared state only, so it can be performed again and again.

import { isRamCell, type Op, ramOffset, type Result } from "../../vm/sync/op.js";

export class HistoryNode<Edge> {
  /** Unique for its actor. */
  readonly id: number;
  /** By the key of the op's result. */
  readonly edges = new Map<number | string, Edge>();
  /** 16-bit words of RAM that the op writes, by index. */
  readonly ramWrites: readonly number[];

  /**
   * @param id its place in `all`
   * @param learned every result since the round began
   */
  constructor(
    all: HistoryNode<Edge>[],
    readonly op: Op,
    readonly learned: readonly Result[],
  ) {
    this.id = all.push(this) - 1;
    this.ramWrites = op.footprint.writes.filter(isRamCell).map((cell) => ramOffset(cell) >>> 1);
  }
}

/** Results with equal keys are equal knowledge. */
export const resultKey = (result: Result): number | string => (typeof result === "number" ? result : result.key);
