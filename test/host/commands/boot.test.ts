import { describe, expect, it } from "vitest";
import type { Engines } from "../../../host/engines.js";
import { runWith } from "../fakes.js";

describe("vhostlab boot", () => {
  it("hands the guest its arguments and passes both streams through, byte for byte", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const asked: unknown[] = [];
    const bootOnce: Engines["bootOnce"] = async (scenario, share, guestArgs, console) => {
      asked.push(scenario, share, guestArgs);
      console.stdout(Uint8Array.of(0x41));
      console.stderr(Uint8Array.of(0x42));
      return bytes.length - 256;
    };
    const ran = await runWith({ bootOnce }, ["boot", "--share", "d", "--back-end", "c", "--", "cat", "ä b"]);
    expect(ran).toEqual({ exitCode: 0, data: "A", talk: "B" });
    expect(asked).toEqual([
      {
        guest: "shell",
        frontEnd: "qemu-8.1",
        backEnd: "c",
        enableAt: "driver-ok",
        memory: "slots",
        kickCount: 1,
        eventIdx: true,
        inOrder: false,
        delays: [],
        script: "first",
      },
      "d",
      ["cat", "ä b"],
    ]);
  });

  it.each([
    [1, 1],
    [134, 1],
    [2, 2], // wrong usage, which a guest judges of its own command line
  ])("when the guest exits %i, exits %i", async (code, exitCode) => {
    const ran = await runWith({ bootOnce: async () => code }, ["boot", "--share", ".", "--", "ls", "."]);
    expect(ran.exitCode).toBe(exitCode);
  });

  it("without a command the shell has standard input to ask", async () => {
    const read: string[] = [];
    const bootOnce: Engines["bootOnce"] = async (scenario, _share, guestArgs, { stdin }) => {
      expect([scenario.guest, guestArgs]).toEqual(["shell", []]);
      for await (const piece of stdin!) read.push(Buffer.from(piece).toString());
      return 0;
    };
    await runWith({ bootOnce }, ["boot", "--share", "."], { input: [Buffer.from("ls\n")] });
    expect(read).toEqual(["ls\n"]);
  });
});
