// What one case of `vhostlab bench ring` is: the queue, what goes through it, and how its two sides tell one another.

export const FEATURES = ["event_idx", "indirect", "in_order"] as const;
export type Feature = (typeof FEATURES)[number];

export interface RingOptions {
  /** Entries of each queue. */
  readonly ring: number;
  /** Chains that the driver offers by one store of avail.idx. */
  readonly batch: number;
  /** Chains of one queue in flight at most. */
  readonly outstanding: number;
  readonly features: readonly Feature[];
  /** Buffers of a chain. */
  readonly chain: number;
  /** Bytes that a request carries to the device: copied in by the driver, out by the device. 0: buffers stay unread. */
  readonly payload: number;
  /** Both sides look at the rings, or sleep on eventfds where there is nothing to do. */
  readonly notify: "poll" | "eventfd";
  readonly queues: number;
}

/** A device publishes its used elements when so many wait, or none is left to take. */
export function usedBatch({ ring }: Pick<RingOptions, "ring">): number {
  return ring >>> 3;
}

/** Payloads in flight stay within this, so that a ring of large requests is no benchmark of memory. */
const PAYLOAD_BYTES = 16 << 20;
const DEFAULT_BATCH = 32;

/** What somebody chose, with the rest as it follows from it. */
export function ringOptions(
  chosen: Pick<RingOptions, "ring" | "features" | "chain" | "payload" | "notify" | "queues"> &
    Partial<Pick<RingOptions, "batch" | "outstanding">>,
): RingOptions {
  const { ring, features, chain, payload } = chosen;
  const fits = features.includes("indirect") ? ring : Math.floor(ring / chain);
  const lean = payload === 0 ? fits : Math.max(1, Math.min(fits, Math.floor(PAYLOAD_BYTES / payload)));
  const outstanding = chosen.outstanding ?? lean;
  return { ...chosen, outstanding, batch: chosen.batch ?? Math.max(1, Math.min(DEFAULT_BATCH, outstanding >> 1)) };
}

/** Why these options do not go together, or undefined. */
export function refusedOptions(options: RingOptions): string | undefined {
  const { ring, batch, outstanding, features, chain, payload } = options;
  const fits = features.includes("indirect") ? ring : Math.floor(ring / chain);
  if (chain > ring) return `a chain of ${chain} buffers is longer than the queue (virtio 1.4, 2.7.5.3.1)`;
  if (outstanding > fits) return `${outstanding} chains of ${chain} do not fit into a ring of ${ring}: at most ${fits}`;
  if (batch > outstanding) return `a batch of ${batch} is more than the ${outstanding} that may be in flight`;
  if (payload > 0 && payload % chain !== 0)
    return `a payload of ${payload} bytes does not divide into ${chain} buffers`;
  return undefined;
}

/** A case by what is not as by default: `ring 256, batch 32, in_order`. */
export function caseName({ ring, batch, outstanding, features, chain, payload, notify, queues }: RingOptions): string {
  const parts = [
    `ring ${ring}`,
    `batch ${batch}`,
    outstanding === ring ? "" : `outstanding ${outstanding}`,
    ...features,
    chain === 1 ? "" : `chain ${chain}`,
    payload === 0 ? "" : `payload ${payload}`,
    notify === "poll" ? "" : notify,
    queues === 1 ? "" : `${queues} queues`,
  ];
  return parts.filter(Boolean).join(", ");
}
