import { describe, expect, it } from "vitest";
import { hangReport } from "../../../host/report/hang-report.js";
import { REPORT } from "../fakes.js";

describe("hang report", () => {
  it("names what is stuck, the ring's indices, the eventfd's count and the message that came too late", () => {
    expect(hangReport(REPORT, [["schedule", "s/v1"]]).split("\n")).toEqual([
      "  hang           reboot 3, kick-consumed-while-disabled",
      "                 the request's kick was consumed while the ring was disabled",
      "  effect         hang: one more kick would get the request answered, and nobody is left to make it",
      "  vCPU           waits for the word at RAM offset 0x102882 to change from 0, polling",
      "  control plane  waits for 12 bytes from to-back-end, which has 0",
      "  data plane     waits for epoll, which watches q1.kick (count 0)",
      "  ring 1         avail.idx 1, used.idx 0, next avail 0: 1 request not looked at",
      "                 ready, enabled; kick eventfd count 0",
      "  too late       SET_VRING_ENABLE q1 num=1",
      "  schedule       s/v1",
      "",
    ]);
  });

  it("counts waiting requests across the wrap of the 16-bit index (virtio 1.4, 2.7.6)", () => {
    const ring = { ...REPORT.ring, availIdx: 1, nextAvail: 0xffff };
    expect(hangReport({ ...REPORT, ring })).toContain("next avail 65535: 2 requests not looked at");
  });

  it.each([
    [{ effect: "stall", curedByKick: true }, "stall: until the guest's next kick"],
    [{ effect: "hang", curedByKick: false }, "hang: one more kick would change nothing"],
    [{ effect: "worker-died", curedByKick: false }, "worker-died: one more kick would change nothing"],
  ] as const)("says what %o is", (change, words) => {
    expect(hangReport({ ...REPORT, ...change })).toContain(`  effect         ${words}`);
  });

  it("says nothing of a message where none is involved", () => {
    expect(hangReport({ ...REPORT, cause: "worker-died", lateMessage: "" })).not.toContain("too late");
  });
});
