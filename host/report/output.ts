// Where a command writes: standard output carries the data, standard error the talk.

import type { Writable } from "node:stream";
import type pc from "picocolors";

export type Colors = ReturnType<typeof pc.createColors>;

export interface Output {
  /** Standard output. A promise: who writes much waits for it, since the reader is slower. */
  data(chunk: string | Uint8Array): void | Promise<void>;
  /** Standard error. */
  talk(chunk: string | Uint8Array): void;
  /** Width of standard output, in columns. */
  readonly columns: number;
  /** For standard output. */
  readonly colors: Colors;
  /** Where a progress line may be drawn: only a terminal has one. */
  readonly progress: Writable | undefined;
}
