// Device-specific configuration (virtio 1.4, 2.5 and 4.1.4.6): bytes that the device writes and the driver reads.
// QEMU: virtio_config_modern_read*; beyond the configuration's end all ones, as there. Unlike in the common
// configuration any width is served: which fields there are is the device type's business.

import { allOnes, loadLe, localRegion, type MmioRegion } from "../../vm/bus.js";
import type { Actor } from "../../vm/sync/op.js";
import type { Note } from "../../vm/sync/trace.js";
import { DRIVER_BUGS, noteDriverBug } from "./driver-bug.js";

export class DeviceCfg {
  readonly #bytes: Uint8Array;
  #changed = false;
  #generation = 0;

  /** Tells the driver (2.5): the transport's. */
  notify: () => Actor = function* () {};

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
  }

  /** The device changes its configuration, and tells the driver. */
  *update(offset: number, bytes: Uint8Array): Actor {
    this.#bytes.set(bytes, offset);
    this.#changed = true;
    yield* this.notify();
  }

  /** config_generation, 8 bits. */
  get generation(): number {
    return this.#generation;
  }

  /** The driver's read. */
  read(offset: number, width: number): number {
    // 4.1.4.3.1: "The device MUST present a changed config_generation after the driver has read a device-specific
    // configuration value which has changed since any part of the device-specific configuration was last read." One
    // step at such a read, not at each change: 256 changes between two reads must not look like none.
    if (this.#changed) this.#generation = (this.#generation + 1) & 0xff;
    this.#changed = false;
    if (offset + width > this.#bytes.length) return allOnes(width);
    return loadLe(this.#bytes, offset, width);
  }
}

/** The structure in the BAR. */
export function deviceCfgRegion(size: number, config: DeviceCfg, note: Note | undefined): MmioRegion {
  return localRegion("device-cfg", size, {
    read(offset, width) {
      const value = config.read(offset, width);
      note?.(`read[device_cfg+${offset}]`, `=> ${value}`);
      return value;
    },
    // 5.11.4: every field of the one device type there is so far is read-only.
    write() {
      noteDriverBug(note, DRIVER_BUGS.CONFIG_READ_ONLY);
    },
  });
}
