// What the commands run scenarios with. Commands get it handed in; each engine is loaded when it is first used, so that
// `--help` and a usage error cost no wasm.

import type { ExploreOptions } from "./explore/explore.js";
import type {
  BootsLimits,
  BootsProgress,
  BootsResult,
  ExploreResult,
  Recording,
  ReplayResult,
} from "./scenario/outcome.js";
import type { Row } from "./scenario/rows.js";
import type { Scenario } from "./scenario/scenario.js";
import type { ProbeOptions, Target } from "./probe/probe.js";
import type { ProbeResult } from "./probe/result.js";
import type { Input } from "./threads/lab.js";

export interface Engines {
  /** Boots and reboots on real threads until the limits are reached. `cold`: see Row. */
  runBoots(
    scenario: Scenario,
    limits: BootsLimits,
    options: {
      trace?: boolean;
      stopAtHang?: boolean;
      cold?: Row["cold"];
      onProgress?: (progress: BootsProgress) => void;
    },
  ): Promise<BootsResult>;

  /**
   * Boots once with a share; the console is live, and a promise holds the guest back until it is settled. Its input is
   * read as the guest reads it.
   * @param onTrace makes it trace; told what was recorded, also of a machine that hangs
   * @returns the guest's exit code. Throws UserError for a bad share.
   */
  bootOnce(
    scenario: Scenario,
    share: string,
    guestArgs: readonly string[],
    console: {
      stdout(bytes: Uint8Array): void | Promise<void>;
      stderr(bytes: Uint8Array): void | Promise<void>;
      readonly stdin?: Input;
    },
    onTrace?: (recording: Recording) => void,
  ): Promise<number>;

  /** Interleavings of one script, under the scheduler: all of them, or those that a policy tries. */
  explore(scenario: Scenario, options: ExploreOptions): Promise<ExploreResult>;

  /**
   * Many scenarios as `explore` does, on all cores.
   * @param onResult told how many are done
   * @returns in their order
   */
  exploreAll(scenarios: readonly Scenario[], onResult: (done: number) => void): Promise<ExploreResult[]>;

  /** One schedule, by its string, `times` times. Throws UserError for a malformed one. */
  replay(schedule: string, options: { threads: boolean; times: number }): Promise<ReplayResult[]>;

  /** A real back-end. Throws UserError where this machine cannot reach one, LabError where there is none. */
  probe(target: Target, options: ProbeOptions): Promise<ProbeResult>;
}

const platform = async () => (await import("./threads/spawn.js")).nodePlatform;

/** Node's. */
export const engines: Engines = {
  runBoots: async (...args) => (await import("./threads/boots.js")).runBoots(await platform(), ...args),
  bootOnce: async (...args) => (await import("./threads/boot-once.js")).bootOnce(...args),
  explore: async (...args) => (await import("./explore/explore.js")).explore(await platform(), ...args),
  exploreAll: async (...args) => (await import("./threads/explorers.js")).exploreOnAllCores(...args),
  replay: async (...args) => (await import("./explore/replay.js")).replay(await platform(), ...args),
  probe: async (...args) => (await import("./probe/probe.js")).probe(...args),
};
