// Boots one machine with a host directory shared, its console live.

import { HostDirBacking } from "../../device/fuse/backing/host-dir.js";
import { LabError, UserError } from "../errors.js";
import type { Recording } from "../scenario/outcome.js";
import type { Scenario } from "../scenario/scenario.js";
import { type Input, Lab } from "./lab.js";
import { nodePlatform } from "./spawn.js";

/** Guest RAM: room for the firmware's 1 MiB read buffer many times over. */
const RAM_BYTES = 64 * 1024 * 1024;

/** Where the guest's output goes, a promise holds the guest back until it is out; and where its input comes from. */
export interface HostConsole {
  stdout(bytes: Uint8Array): void | Promise<void>;
  stderr(bytes: Uint8Array): void | Promise<void>;
  readonly stdin?: Input;
}

/**
 * @param onTrace makes it trace; told what was recorded, also of a machine that hangs
 * @returns the guest's exit code
 * @throws UserError for a share that cannot be shared, LabError when the machine hangs
 */
export async function bootOnce(
  scenario: Scenario,
  share: string,
  guestArgs: readonly string[],
  hostConsole: HostConsole,
  onTrace?: (recording: Recording) => void,
): Promise<number> {
  try {
    new HostDirBacking(share).close();
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const lab = new Lab(nodePlatform, scenario.guest, RAM_BYTES);
  try {
    const life = await lab.live(
      {
        scenario,
        share: { kind: "host-dir", path: share },
        boots: 1,
        guestArgs,
        trace: onTrace !== undefined,
        schedule: [],
      },
      (fd, bytes) => (fd === 1 ? hostConsole.stdout(bytes) : hostConsole.stderr(bytes)),
      hostConsole.stdin,
    );
    const { events, dropped, hang } = life;
    onTrace?.({ events, ...(dropped && { dropped }), ...(hang && { report: hang }) });
    if (life.hang) {
      const { cause, effect, positions } = life.hang;
      throw new LabError(`the machine hangs (${cause}, effect ${effect}): ${describe(positions)}`);
    }
    if (life.undecided) throw new LabError("the machine does not get on, and no verdict can be given");
    return life.exitCode;
  } finally {
    await lab.close();
  }
}

function describe(positions: readonly { actor: string; waitsFor: string }[]): string {
  return positions.map(({ actor, waitsFor }) => `${actor} waits for ${waitsFor}`).join("; ");
}
