import { expect, it } from "vitest";
import { ConsoleFlow } from "../../../host/threads/flow.js";
import { SyncMemory } from "../../../vm/sync/words.js";

it("says that the guest is held back while more than 4 MiB are under way, which the watchdog does not count", () => {
  const flow = new ConsoleFlow(SyncMemory.create());
  flow.sent(4 * 1024 * 1024, () => false);
  expect(flow.full).toBe(false);
  flow.sent(1, () => true);
  expect(flow.full).toBe(true);
  flow.printed(1);
  expect(flow.full).toBe(false);
});
