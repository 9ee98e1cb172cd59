// What the main thread tells an actor's Worker, and what comes back. Plain data: comlink carries it, and it carries
// life-cycle only; the actors talk through shared memory.

import type { MemoryTree } from "../../device/fuse/backing/memory.js";
import type { TraceEvent } from "../../vm/sync/trace.js";
import type { Scenario } from "../scenario/scenario.js";

/** What is shared with the guest: a host directory, or a tree in memory, MEMORY_TREE unless another is given. */
export type ShareSource =
  | { readonly kind: "host-dir"; readonly path: string }
  | { readonly kind: "memory"; readonly tree?: MemoryTree };

/** Given to a Worker once. */
export interface Setup {
  readonly sync: SharedArrayBuffer;
  readonly memory: WebAssembly.Memory;
  readonly ring: WebAssembly.Module;
  readonly guest: WebAssembly.Module;
  /** What ConsoleInput is over. */
  readonly input: SharedArrayBuffer;
}

/** One life of a machine, from power-on. The same for all its actors. */
export interface Job {
  readonly scenario: Scenario;
  readonly share: ShareSource;
  /** The scenario's script, counted as one boot, and the resets and boots after it. */
  readonly boots: number;
  readonly guestArgs: readonly string[];
  readonly trace: boolean;
  /** Actors by number, in the order in which they perform their next op; empty: free running. */
  readonly schedule: readonly number[];
}

export interface ActorResult {
  readonly events: readonly TraceEvent[];
  /** Older events that the actor had no room for. */
  readonly dropped: number;
}

export interface VcpuResult extends ActorResult {
  /** Boots whose guest came to its end. */
  readonly completed: number;
  /** Of the last one that did. */
  readonly exitCode: number;
  /** Bytes that the guest wrote to its console. */
  readonly printed: number;
}

/** The face of actor.worker.ts. `actor`: 0 is the vCPU, then the loops of a System in their order. */
export interface ActorApi {
  setup(setup: Setup, actor: number, console: (fd: 1 | 2, bytes: Uint8Array) => void): Promise<void>;
  runVcpu(job: Job): VcpuResult;
  runLoop(job: Job): ActorResult;
}

/** The note that the vCPU leaves at the start of each boot. */
export const BOOT_NOTE = "boot";
