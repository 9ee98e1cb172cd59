// Serving a ring: what every back-end's data-plane thread does once it has decided to look. The decision itself (which
// event, which lock, whether the ring is enabled) is the variant's.

import type { Actor } from "../../vm/sync/op.js";
import { VIRTQ_REFUSALS } from "../spec/virtq-refusal.js";
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_REFUSED_AVAIL_IDX,
  virtqAvailIdxValid,
  virtqUsedBytes,
  virtqAvailBytes,
  virtqDescBytes,
  vringNeedEvent,
} from "../spec/virtq.js";
import { type Chain, Virtqueue } from "../virtqueue.js";
import type { RingServer, Vring, VringState } from "./back-end.js";
import type { MemTable } from "./mem-table.js";

/** A ring at work: its state as read under its lock, and where it lies. */
export interface Work {
  readonly queue: Virtqueue;
  readonly state: VringState;
  readonly table: MemTable;
}

/** @returns what is needed to serve the ring, or undefined if it has no place in guest RAM (any more) */
export function* openRing(backEnd: RingServer, ring: Vring): Actor<Work | undefined> {
  const state = (yield* ring.state.load()).values;
  const table = yield* backEnd.memory.load();
  const { size, desc, avail, used } = state;
  const placed =
    size > 0 &&
    table.byGpa.holds(desc, virtqDescBytes(size)) &&
    table.byGpa.holds(avail, virtqAvailBytes(size)) &&
    table.byGpa.holds(used, virtqUsedBytes(size));
  if (!placed || state.broken) return undefined;
  return { queue: new Virtqueue(backEnd.parts.ring, { size, desc, avail, used }, `q${ring.index}`), state, table };
}

/**
 * Takes the chains between `from` and the avail index that is read once, at most the queue's size with those that are
 * `inFlight` already: taken, and not in the used ring. A broken rule ends it: the ring is marked, the error eventfd
 * signalled, and nothing of it is served until it is started again (DEVICE_NEEDS_RESET's meaning for us).
 * @returns the chains; `broken` when the driver broke a rule
 */
export function* takeChains(
  backEnd: RingServer,
  ring: Vring,
  { queue, state, table }: Work,
  from: number,
  inFlight = 0,
): Actor<{ chains: Chain[]; broken: boolean }> {
  const chains: Chain[] = [];
  const availIdx = yield* queue.availIdx();
  if (!virtqAvailIdxValid(availIdx, from - inFlight, state.size)) {
    yield* breakRing(backEnd, ring, state, VIRTQ_REFUSED_AVAIL_IDX);
    return { chains, broken: true };
  }
  for (let next = from; next !== availIdx; next = (next + 1) & 0xffff) {
    const chain = yield* queue.chain(next, state.indirect !== 0, table.byGpa);
    if (typeof chain === "number") {
      yield* breakRing(backEnd, ring, state, chain);
      return { chains, broken: true };
    }
    chains.push(chain);
  }
  return { chains, broken: false };
}

function* breakRing(backEnd: RingServer, ring: Vring, state: VringState, code: number): Actor {
  const refusal = VIRTQ_REFUSALS[code];
  backEnd.note("ring broken", `q${ring.index}: ${refusal?.rule} (virtio 1.4, ${refusal?.section})`);
  yield* ring.state.set({ broken: code });
  yield* backEnd.signal(state.err);
}

/**
 * Serves one chain and gives it back at used index `at`: element first, then the index, then the call. Which descriptor
 * is called is looked up then: where no lock is held since the chain was taken, SET_VRING_CALL may have come between.
 */
export function* serveChain(backEnd: RingServer, ring: Vring, { queue, state }: Work, chain: Chain, at: number): Actor {
  const length = yield* queue.serve(chain, () => backEnd.parts.serve(chain, ring.index, backEnd.note));
  const next = (at + 1) & 0xffff;
  yield* queue.fillUsed(at, chain.head, length);
  yield* queue.publishUsed(next);
  if (yield* wantsCall(backEnd, queue, state, at, next)) yield* backEnd.signal(yield* ring.state.get("call"));
}

/** 2.7.7.2: whether the driver asked for a used buffer notification; the index has been published before this looks. */
function* wantsCall(
  backEnd: RingServer,
  queue: Virtqueue,
  state: VringState,
  old: number,
  next: number,
): Actor<boolean> {
  if (state.eventIdx) return vringNeedEvent(yield* queue.usedEvent(), next, old);
  if (backEnd.parts.variant.callSuppression === "event-idx only") return true;
  return ((yield* queue.availFlags()) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
}

/** One pass, with the ring's lock held throughout: take, then serve each. @returns how many were served */
export function* pass(backEnd: RingServer, ring: Vring, work: Work): Actor<number> {
  const { nextAvail, nextUsed } = (yield* ring.state.load()).values;
  const { chains, broken } = yield* takeChains(backEnd, ring, work, nextAvail);
  let served = 0;
  for (const chain of chains) {
    yield* serveChain(backEnd, ring, work, chain, (nextUsed + served) & 0xffff);
    served++;
  }
  yield* ring.state.set({ nextAvail: (nextAvail + served) & 0xffff, nextUsed: (nextUsed + served) & 0xffff });
  return broken ? 0 : served;
}
