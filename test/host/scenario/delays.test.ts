import { expect, it } from "vitest";
import { explore } from "../../../host/explore/explore.js";
import { replay } from "../../../host/explore/replay.js";
import { DELAY_POINTS } from "../../../host/scenario/delays.js";
import { SEED } from "../../../host/scenario/rows.js";
import { nodePlatform } from "../../../host/threads/spawn.js";

// The mail: "at the top of VringEpollHandler::handle_event, i.e., just before the data plane processor checks the
// `enabled` field". There no lock is held, so that the control plane can set it meanwhile.
it("before-handle-event is the first op of the worker after epoll_wait; before-enabled-test holds its lock", async () => {
  const { hangs } = await explore(nodePlatform, SEED.scenario);
  const [run] = await replay(nodePlatform, hangs[0]!.schedule, { threads: false, times: 1 });
  const ops = run!.events.filter(({ kind, actor }) => kind === "op" && actor === "data").map(({ name }) => name);
  const woken = ops.lastIndexOf("epoll.wait");
  const at = (point: string): number => ops.indexOf(DELAY_POINTS[point]!.op, woken);
  expect(at("before-handle-event")).toBe(woken + 1);
  const unlock = ops.indexOf("q1.lock.unlock", woken);
  for (const point of ["before-kick-read", "before-enabled-test"]) {
    expect(at(point)).toBeGreaterThan(woken + 1);
    expect(at(point)).toBeLessThan(unlock);
  }
});
