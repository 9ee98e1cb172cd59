// What a search asks of a system under a scheduler: to perform steps, to go back, and to recognise a state.

import type { Op } from "../../vm/sync/op.js";
import type { Broken } from "./rules.js";

export interface Engine {
  /** Ops performed up to now; those performed again, to come back to a state, count again. */
  readonly operations: number;
  /** Has the guest come to its end? */
  readonly answered: boolean;
  /** An actor whose next op may be run at once, without looking at others, if there is one. */
  eager(): number | undefined;
  /** The op that an actor does next; undefined when it has come to its end. */
  next(actor: number): Op | undefined;
  /** Actors that can move now, in order. */
  enabled(): number[];
  /** Performs the next op of an actor that is enabled. @returns the rules that it breaks */
  step(actor: number): readonly Broken[];
  /** The number of the state, from 0 in the order in which they are first asked for. Equal numbers, equal futures. */
  state(): number;
  /** @returns what comes back to the state of now, also more than once, until an earlier one has come back */
  mark(): () => void;
}
