import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BACK_ENDS, type GuestName } from "../../../host/scenario/occupants.js";
import { FRONT_END_DEFAULTS, type Scenario } from "../../../host/scenario/scenario.js";
import { Lab } from "../../../host/threads/lab.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const MIB = 1024 * 1024;
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let share: string;
const big = Buffer.alloc(5 * MIB + 123);

beforeAll(() => {
  share = mkdtempSync(join(tmpdir(), "vhostlab-test-"));
  for (let i = 0; i < big.length; i++) big[i] = (i * 2654435761) >>> 24;
  writeFileSync(join(share, "big.bin"), big);
});
afterAll(() => rmSync(share, { recursive: true }));

const scenario = (guest: GuestName, backEnd: Scenario["backEnd"]): Scenario => ({
  guest,
  frontEnd: "qemu-8.2", // a front-end that waits for ENABLE: none of these pairs can hang
  backEnd,
  ...FRONT_END_DEFAULTS,
  delays: [],
  script: "first",
});

describe.each(BACK_ENDS)("on real threads against %s", (backEnd) => {
  it.each(["linux", "linux-probe"] as const)("%s boots and reboots", async (guest) => {
    const lab = new Lab(nodePlatform, guest, 2 * MIB);
    try {
      const job = {
        scenario: scenario(guest, backEnd),
        share: { kind: "memory" } as const,
        trace: false,
        schedule: [],
      };
      const life = await lab.live({ ...job, boots: 5, guestArgs: [] });
      expect(life).toMatchObject({ completed: 5, exitCode: 0, undecided: false });
      expect(life.hang).toBeUndefined();
    } finally {
      await lab.close();
    }
  });

  it("linux reads a file with eight requests in flight, byte for byte", async () => {
    const lab = new Lab(nodePlatform, "linux", 64 * MIB);
    const out: Uint8Array[] = [];
    let line = "";
    try {
      const { exitCode } = await lab.live(
        {
          scenario: scenario("linux", backEnd),
          share: { kind: "host-dir", path: share },
          boots: 1,
          guestArgs: ["--mount-delay-us", "0", "reads", "8", "big.bin"],
          trace: false,
          schedule: [],
        },
        (fd, bytes) => {
          if (fd === 1) out.push(bytes);
          else line += Buffer.from(bytes).toString();
        },
      );
      expect({ exitCode, sha: sha(Buffer.concat(out)) }).toEqual({ exitCode: 0, sha: sha(big) });
      // INIT, LOOKUP, GETATTR, OPEN, 41 READs of 128 KiB, RELEASE; and one FORGET on the hiprio queue.
      expect(line).toMatch(/^\d+ \+ 1 kicks, \d+ interrupts, 46 \+ 1 requests\n$/);
    } finally {
      await lab.close();
    }
  });
});
