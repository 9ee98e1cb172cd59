// The cases of `vhostlab bench ring`: what follows from what, and what does not go together.

import { describe, expect, it } from "vitest";
import { caseName, type RingOptions, refusedOptions, ringOptions } from "../../../../host/bench/ring/options.js";

const chosen = { ring: 256, features: [], chain: 1, payload: 0, notify: "poll", queues: 1 } as const;

describe("options", () => {
  it("by default the ring is full, and 32 chains are offered at once", () => {
    expect(ringOptions(chosen)).toMatchObject({ outstanding: 256, batch: 32 });
  });

  it("a chain takes its descriptors, an indirect one a single one", () => {
    expect(ringOptions({ ...chosen, chain: 4 }).outstanding).toBe(64);
    expect(ringOptions({ ...chosen, chain: 4, features: ["indirect"] }).outstanding).toBe(256);
  });

  it("large payloads in flight stay within 16 MiB", () => {
    expect(ringOptions({ ...chosen, payload: 1 << 20 })).toMatchObject({ outstanding: 16, batch: 8 });
    expect(ringOptions({ ...chosen, payload: 1 << 26 })).toMatchObject({ outstanding: 1, batch: 1 });
  });

  it.each<[Partial<RingOptions>, RegExp | undefined]>([
    [{}, undefined],
    [{ outstanding: 257 }, /257 chains of 1 do not fit into a ring of 256: at most 256/],
    [{ chain: 4, outstanding: 65 }, /65 chains of 4 do not fit/],
    [{ chain: 4, outstanding: 65, features: ["indirect"] }, undefined],
    [{ chain: 257 }, /longer than the queue/],
    [{ batch: 64, outstanding: 32 }, /a batch of 64 is more than the 32/],
    [{ payload: 10, chain: 3, outstanding: 32, batch: 1 }, /does not divide into 3/],
  ])("%j", (change, refusal) => {
    const refused = refusedOptions(ringOptions({ ...chosen, ...change }));
    if (refusal) expect(refused).toMatch(refusal);
    else expect(refused).toBeUndefined();
  });

  it("a case is named by what is not as by default", () => {
    expect(caseName(ringOptions(chosen))).toBe("ring 256, batch 32");
    const other = {
      ...chosen,
      ring: 1024,
      batch: 1,
      outstanding: 1,
      features: ["in_order"],
      payload: 64,
      queues: 2,
    } as const;
    expect(caseName(ringOptions(other))).toBe("ring 1024, batch 1, outstanding 1, in_order, payload 64, 2 queues");
  });
});
