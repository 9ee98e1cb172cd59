// The compile-time switch GUEST_STEPS: the same driver, its accesses to shared words performed by an engine.

import asc from "assemblyscript/asc";
import { beforeAll, describe, expect, it } from "vitest";
import { DriverQueue } from "../../driver/driver-queue.js";
import { type DriverExports, guestRam } from "../../driver/wasm.js";
import type { Buffer } from "../../model/split-queue.js";

let module: WebAssembly.Module;

beforeAll(async () => {
  const { error, stderr } = await asc.main(["guest-fw/lib/driver.ts", "--target", "driver", "--use", "GUEST_STEPS=1"], {
    writeFile(name, contents) {
      if (name.endsWith(".wasm")) module = new WebAssembly.Module(new Uint8Array(contents as Uint8Array));
    },
  });
  if (error) throw new Error(stderr.toString());
}, 60_000);

const buffers: Buffer[] = [
  { addr: 0x80001000n, len: 40, write: false },
  { addr: 0x80002000n, len: 80, write: true },
];

describe.each([false, true])("driver built with GUEST_STEPS, EVENT_IDX %s", (eventIdx) => {
  it("imports the memory and the engine's two 16-bit accesses", () => {
    const imports = WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`);
    expect(imports.toSorted()).toEqual(["env.memory", "env.ram_load16", "env.ram_store16"]);
  });

  it("makes one access in each visible call, none in the others, to the word that the call is about", () => {
    const memory = guestRam();
    const view = new DataView(memory.buffer);
    const accesses: string[] = [];
    const env = {
      memory,
      ram_load16(ptr: number): number {
        accesses.push(`load ${ptr}`);
        return view.getUint16(ptr, true);
      },
      ram_store16(ptr: number, value: number): void {
        accesses.push(`store ${ptr} = ${value}`);
        view.setUint16(ptr, value, true);
      },
    };
    const driver = new WebAssembly.Instance(module, { env }).exports as unknown as DriverExports;
    const queue = new DriverQueue(memory, 128, eventIdx, driver);
    const { avail, used } = queue.areas;
    const during = (call: () => unknown): string[] => {
      accesses.length = 0;
      call();
      return [...accesses];
    };

    expect(during(() => queue.add(buffers, false))).toEqual([]);
    expect(during(() => queue.add(buffers, true))).toEqual([]);
    expect(during(() => queue.publish())).toEqual([`store ${avail + 2} = 2`]); // avail.idx
    expect(during(() => expect(queue.kick()).toBe(true))).toEqual([
      eventIdx ? `load ${used + 4 + 8 * 128}` : `load ${used}`, // avail_event : used.flags
    ]);
    view.setUint32(used + 8, 80, true); // the device: id 0, 80 bytes
    view.setUint16(used + 2, 1, true);
    expect(during(() => expect(queue.poll()).toBe(1))).toEqual([`load ${used + 2}`]); // used.idx
    expect(during(() => expect(queue.reap()).toBe(0))).toEqual([]);
    const word = eventIdx ? avail + 4 + 2 * 128 : avail; // used_event : avail.flags
    expect(during(() => queue.wantCalls(false))).toEqual([`store ${word} = ${eventIdx ? 0 : 1}`]);
    expect(during(() => queue.wantCalls(true))).toEqual([`store ${word} = ${eventIdx ? 1 : 0}`]);
  });
});
