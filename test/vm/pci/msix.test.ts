import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Msix, type MsiMessage, type MsixOwner } from "../../../vm/pci/msix.js";
import type { Actor } from "../../../vm/sync/op.js";
import { run } from "../run.js";

// PCI 3.0, 6.8.2: an entry is address (8), data, vector control (bit 0: mask); message control: bit 15 enable, bit 14
// function mask.
const ENABLE = 0x8000;
const MASKALL = 0x4000;
const CTRL = 12;

class Owner implements MsixOwner {
  readonly log: string[] = [];
  /** Vectors for which something has come at a place that only a poll finds. */
  readonly elsewhere = new Set<number>();
  msgControl = 0;

  control(): number {
    return this.msgControl;
  }
  *send({ lo, hi, data }: MsiMessage): Actor {
    this.log.push(`send ${hi}:${lo.toString(16)} ${data}`);
    yield* [];
  }
  *vectorUnmasked(vector: number): Actor {
    this.log.push(`unmasked ${vector}`);
    yield* [];
  }
  *vectorMasked(vector: number): Actor {
    this.log.push(`masked ${vector}`);
    yield* [];
  }
  *poll(vector: number): Actor<boolean> {
    yield* [];
    return this.elsewhere.delete(vector);
  }
}

function table(vectors = 3) {
  const owner = new Owner();
  const msix = new Msix(vectors, owner);
  return {
    owner,
    msix,
    r: (offset: number, width = 4): number => run(msix.read(offset, width)),
    w: (offset: number, value: number, width = 4): void => run(msix.write(offset, width, value)),
    control: (value: number): void => {
      owner.msgControl = value;
      run(msix.controlWritten());
    },
    notify: (vector: number): void => run(msix.notify(vector)),
    log: (): string[] => owner.log.splice(0),
  };
}

const PBA = 0x800;

describe("the BAR", () => {
  it("is a page: the table at 0, the pending bits in the second half (msix_init_exclusive_bar)", () => {
    const { msix } = table();
    expect(msix.size).toBe(0x1000);
    // id and next are filled in by the function; table size 3 - 1; offsets with the BAR's number in the low bits.
    expect([...msix.capability(1)]).toEqual([0, 0, 2, 0, 1, 0, 0, 0, 0x01, 0x08, 0, 0]);
  });

  it("grows with the table: 129 entries of 16 bytes do not fit in half a page", () => {
    const { msix } = table(129);
    expect(msix.size).toBe(0x2000);
    expect([...msix.capability(1).slice(8)]).toEqual([0x01, 0x10, 0, 0]);
  });

  it("has every vector masked at power-on, and keeps what is written", () => {
    const { r, w } = table();
    expect([r(CTRL), r(16 + CTRL), r(32 + CTRL)]).toEqual([1, 1, 1]);
    w(16, 0xfee00000);
    w(20, 0xffffffff);
    w(24, 0x4041);
    expect([r(16), r(20), r(24)]).toEqual([0xfee00000, 0xffffffff, 0x4041]);
    expect(r(0)).toBe(0);
  });

  it("P6: is accessed by aligned dwords only; beyond the table there is nothing, and pending bits are not written", () => {
    const { r, w, notify } = table();
    for (const [offset, width] of [
      [0, 1],
      [0, 2],
      [2, 4],
      [1, 4],
    ] as const) {
      w(offset, 0xff, width);
      expect(r(offset, width)).toBe(width === 1 ? 0xff : width === 2 ? 0xffff : 0xffffffff);
    }
    expect(r(0)).toBe(0);
    w(48, 7);
    w(0xffc, 7);
    expect([r(48), r(0x7fc), r(PBA + 8), r(0xffc)]).toEqual([0, 0, 0, 0]);
    notify(1);
    w(PBA, 0xffffffff);
    expect(r(PBA)).toBe(0b010);
    w(PBA, 0);
    expect(r(PBA)).toBe(0b010);
  });
});

describe("a vector", () => {
  it("sends its message while MSI-X is enabled and neither it nor the function is masked", () => {
    const { w, control, notify, log } = table();
    w(16, 0x28000000);
    w(24, 9);
    control(ENABLE);
    expect(log()).toEqual([]); // masked still
    w(16 + CTRL, 0);
    expect(log()).toEqual(["unmasked 1"]);
    notify(1);
    notify(1);
    expect(log()).toEqual(["send 0:28000000 9", "send 0:28000000 9"]);
    control(ENABLE | MASKALL);
    expect(log()).toEqual(["masked 1"]);
  });

  it("is pending while masked, once however often it came, and is sent at the unmask, after its owner heard of that", () => {
    const { r, w, control, notify, log } = table();
    control(ENABLE);
    notify(2);
    notify(2);
    expect([log(), r(PBA)]).toEqual([[], 0b100]);
    w(32 + CTRL, 0);
    expect([log(), r(PBA)]).toEqual([["unmasked 2", "send 0:0 0"], 0]);
    w(32 + CTRL, 1);
    w(32 + CTRL, 0);
    expect(log()).toEqual(["masked 2", "unmasked 2"]);
  });

  it("shows as pending what a poll finds, if it is masked", () => {
    const { r, w, control, owner } = table();
    control(ENABLE);
    w(CTRL, 0);
    owner.elsewhere.add(0).add(1);
    expect(r(PBA)).toBe(0b010);
    expect(owner.elsewhere).toEqual(new Set([0]));
  });

  it("beyond the first 32 has its pending bit in a later dword", () => {
    const { r, control, notify } = table(70);
    control(ENABLE);
    for (const vector of [31, 32, 69]) notify(vector);
    expect([r(0x800), r(0x804), r(0x808), r(0x80c)]).toEqual([0x80000000, 1, 1 << 5, 0]);
  });
});

it("a reset masks all, and forgets messages and pending bits", () => {
  const { msix, owner, r, w, control, notify, log } = table();
  w(0, 4);
  control(ENABLE);
  w(CTRL, 0);
  notify(1);
  owner.msgControl = 0;
  msix.reset();
  log();
  expect([r(0), r(CTRL), r(PBA)]).toEqual([0, 1, 0]);
  control(ENABLE);
  expect([log(), msix.isOpen(0)]).toEqual([[], false]);
});

describe("against a plain model", () => {
  const VECTORS = 4;
  const vector = fc.nat(VECTORS - 1);
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("mask" as const), vector, masked: fc.boolean() }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("notify" as const), vector }) },
    fc.record({
      do: fc.constant("control" as const),
      value: fc.constantFrom(0, ENABLE, ENABLE, ENABLE | MASKALL, MASKALL),
    }),
    fc.record({ do: fc.constant("pba" as const) }),
    fc.record({ do: fc.constant("data" as const), vector, data: fc.nat(30) }),
  );

  it("sends the same messages in the same order, and has the same pending bits", () => {
    let sent = 0;
    fc.assert(
      fc.property(fc.array(command, { minLength: 20, maxLength: 80 }), (commands) => {
        const { r, w, control, notify, log } = table(VECTORS);
        let value = 0;
        const vectors = Array.from({ length: VECTORS }, () => ({ masked: true, pending: false, data: 0 }));
        for (const each of commands) {
          const expected: number[] = [];
          if (each.do === "mask") {
            vectors[each.vector]!.masked = each.masked;
            w(16 * each.vector + CTRL, Number(each.masked));
          } else if (each.do === "notify") {
            vectors[each.vector]!.pending = true;
            notify(each.vector);
          } else if (each.do === "control") {
            value = each.value;
            control(value);
          } else if (each.do === "data") {
            vectors[each.vector]!.data = each.data;
            w(16 * each.vector + 8, each.data);
          }
          for (const vector of vectors) {
            if (value !== ENABLE || vector.masked || !vector.pending) continue;
            vector.pending = false;
            expected.push(vector.data);
          }
          const messages = log().filter((line) => line.startsWith("send"));
          expect(messages).toEqual(expected.map((data) => `send 0:0 ${data}`));
          sent += messages.length;
          if (each.do === "pba")
            expect(r(PBA)).toBe(vectors.reduce((bits, v, i) => bits + (v.pending ? 2 ** i : 0), 0));
        }
      }),
      { seed: 7, numRuns: 300 },
    );
    expect(sent).toBeGreaterThan(500);
  });
});
