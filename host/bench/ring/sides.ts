// The two sides of a benchmark's queues as its threads see them, whoever implements them.

/** What a run over many chains ended with: VIRTQ_RUN_* of device/spec/virtq.ts, or that the other side broke a rule. */
export type RunEnd = number;

export interface DriverSide {
  /**
   * Offers requests and takes them back until `target` of that queue have returned since it was set up, modulo 2^32.
   * @param looks how often the used ring is looked at in vain before the run ends
   * @param patience turns of the pause between two looks, for each chain of the burst before it
   */
  run(queue: number, target: number, looks: number, patience: number): RunEnd;
  returned(queue: number): number;
}

export interface DeviceSide {
  /** Takes at most `most` chains, which is no more than 32768, and returns them. */
  run(queue: number, most: number, looks: number, patience: number): RunEnd;
  /** Chains that the last run took, and the sum of the requests' numbers that were in them, modulo 2^32. */
  readonly taken: number;
  readonly sum: number;
}

/** A side that can sleep. */
export interface Sleeper {
  /** Asks to be told of what comes next on that queue. @returns whether there is nothing yet */
  wantsTelling(queue: number): boolean;
  /** Asks not to be told: it will look by itself. */
  polls(queue: number): void;
}
