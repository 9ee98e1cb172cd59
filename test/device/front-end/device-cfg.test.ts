import { describe, expect, it } from "vitest";
import { DeviceCfg, deviceCfgRegion } from "../../../device/front-end/device-cfg.js";
import { run } from "../../vm/run.js";

describe("device-specific configuration (virtio 1.4, 2.5, 4.1.4.6)", () => {
  it("is read at any width, little-endian, and all ones beyond its end", () => {
    const region = deviceCfgRegion(0x1000, new DeviceCfg(Uint8Array.of(0x11, 0x22, 0x33, 0x44, 0x85)), undefined);
    const read = (offset: number, width: number): number => run(region.read(offset, width));
    expect([read(0, 1), read(1, 2), read(0, 4), read(1, 4)]).toEqual([0x11, 0x3322, 0x44332211, 0x85443322]);
    expect([read(2, 4), read(4, 2), read(5, 1), read(0xffc, 4)]).toEqual([0xffffffff, 0xffff, 0xff, 0xffffffff]);
  });

  it("ignores a driver's writes, and says so", () => {
    const notes: string[] = [];
    const config = new DeviceCfg(Uint8Array.of(7));
    const region = deviceCfgRegion(0x1000, config, (name) => notes.push(name));
    run(region.write(0, 1, 9));
    expect(config.read(0, 1)).toBe(7);
    expect(notes).toEqual(["Driver bug"]);
  });

  it("changes the generation at the first read after a change (4.1.4.3.1)", () => {
    const config = new DeviceCfg(new Uint8Array(4));
    const before = config.generation;
    config.read(0, 4);
    expect(config.generation).toBe(before);
    for (let i = 0; i < 256; i++) run(config.update(0, Uint8Array.of(i))); // as many changes as the 8-bit counter has values
    expect(config.generation).toBe(before);
    expect(config.read(0, 1)).toBe(255);
    expect(config.generation).not.toBe(before);
    const after = config.generation;
    config.read(0, 1);
    expect(config.generation).toBe(after);
  });

  it("wraps the generation at 8 bits", () => {
    const config = new DeviceCfg(new Uint8Array(1));
    for (let i = 0; i < 300; i++) {
      run(config.update(0, Uint8Array.of(i)));
      config.read(0, 1);
    }
    expect(config.generation).toBe(300 % 256);
  });

  it("keeps its own bytes", () => {
    const bytes = Uint8Array.of(1);
    const config = new DeviceCfg(bytes);
    bytes[0] = 9;
    expect(config.read(0, 1)).toBe(1);
  });
});
