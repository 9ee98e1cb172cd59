// The guests of Linux's driver in every interleaving of a first boot.

import { describe, expect, it } from "vitest";
import { explore } from "../../../host/explore/explore.js";
import type { BackEndName, FrontEndName, GuestName } from "../../../host/scenario/occupants.js";
import { ROWS } from "../../../host/scenario/rows.js";
import type { Scenario } from "../../../host/scenario/scenario.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

const boot = (guest: GuestName, frontEnd: FrontEndName, backEnd: BackEndName) =>
  explore(nodePlatform, { ...ROWS[0]!.scenario, guest, frontEnd, backEnd });

describe("VIRTIO_F_IN_ORDER", () => {
  it("taken by guest bench: no schedule hangs, before the back-end that offers it", async () => {
    const scenario: Scenario = {
      ...ROWS[0]!.scenario,
      guest: "bench",
      frontEnd: "qemu-8.2",
      backEnd: "rekick",
      inOrder: true,
    };
    expect(await explore(nodePlatform, scenario)).toMatchObject({ verdict: "never", complete: true });
  });
});

describe("Linux's driver", () => {
  // protocol.md 10: guest class G3 before F1 and B1.
  it("that uses a queue inside its probe can hang by the published cause; it sleeps where ovmf polls", async () => {
    const { verdict, causes, hangs, complete } = await boot("linux-probe", "qemu-8.1", "rust-0.10");
    expect({ verdict, causes, complete }).toEqual({
      verdict: "can",
      causes: ["kick-consumed-while-disabled"],
      complete: true,
    });
    expect(hangs[0]!.report.positions[0]).toMatchObject({
      actor: "vcpu",
      waitsFor: "an interrupt (q0.call count 0, q1.call count 0)",
    });
  });

  it.each<[GuestName, FrontEndName, BackEndName]>([
    ["linux-probe", "qemu-8.2", "rust-0.10"],
    ["linux-probe", "qemu-8.2", "rekick"],
    ["linux", "qemu-8.2", "rust-0.10"],
  ])(
    "%s never hangs behind %s before %s: no interrupt is lost in any interleaving",
    async (guest, frontEnd, backEnd) => {
      expect(await boot(guest, frontEnd, backEnd)).toMatchObject({ verdict: "never", causes: [], complete: true });
    },
  );
});
