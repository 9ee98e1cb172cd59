// Who can be measured: the lab's own modules and their TypeScript twin on two Workers, the C twin in a process.

import type { WindowJob } from "./thread.js";

/** One window as it was measured. */
export interface Window {
  readonly requests: number;
  readonly ns: number;
  /** The larger part of the window for which one of the threads had no core. */
  readonly waited: number;
  readonly kicks: number;
  readonly calls: number;
}

/** What of a window a contender is free to choose from. */
export type Shot = Pick<WindowJob, "requests" | "patience" | "drowsy">;

export interface Contender {
  readonly name: string;
  window(shot: Shot): Promise<Window>;
  /** One request after the other. @returns each one's nanoseconds, and the clock's in them */
  roundTrips(shot: Shot): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}
