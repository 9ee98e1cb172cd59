// The Worker of one side of a ring benchmark.

import { parentPort } from "node:worker_threads";
import { expose } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import type { RingExports } from "../../../device/virtqueue.js";
import { SyncMemory } from "../../../vm/sync/words.js";
import { Bell, type Side } from "./bell.js";
import { pinThread } from "./cores.js";
import { JsDevice } from "./js-device.js";
import { JsDriver } from "./js-driver.js";
import type { Layout } from "./layout.js";
import type { RingOptions } from "./options.js";
import { DeviceThread, type Driven, DriverThread, type Served, type WindowJob } from "./thread.js";
import { type StreamExports, WasmDevice, WasmDriver } from "./wasm-sides.js";

export interface Setup {
  readonly side: Side;
  readonly options: RingOptions;
  readonly layout: Layout;
  /** This side's module, or undefined for the TypeScript twin. */
  readonly module: WebAssembly.Module | undefined;
  readonly core: number | undefined;
  /** Where the eventfds are, if both sides sleep. */
  readonly sync: SharedArrayBuffer | undefined;
}

export class RingWorker {
  #driver: DriverThread | undefined;
  #device: DeviceThread | undefined;

  setup({ side, options, layout, module, core, sync }: Setup): void {
    if (core !== undefined) pinThread(core);
    const bell = sync && new Bell(new SyncMemory(sync), side);
    const exports = module && new WebAssembly.Instance(module, { env: { memory: layout.memory } }).exports;
    const { queues } = options;
    if (side === "driver") {
      if (!exports) this.#driver = new DriverThread(new JsDriver(layout, options), queues);
      else {
        const driver = new WasmDriver(exports as unknown as StreamExports, layout, options);
        this.#driver = new DriverThread(driver, queues, bell && { bell, side: driver });
      }
    } else if (!exports) this.#device = new DeviceThread(new JsDevice(layout, options), queues);
    else {
      const device = new WasmDevice(exports as unknown as RingExports, layout, options);
      this.#device = new DeviceThread(device, queues, bell && { bell, side: device });
    }
  }

  drive(job: WindowJob): Driven {
    return this.#driver!.window(job);
  }

  roundTrips(job: WindowJob): Float64Array {
    return this.#driver!.roundTrips(job);
  }

  serve(job: WindowJob): Served {
    return this.#device!.window(job);
  }
}

if (!parentPort) throw new Error("ring.worker is a Worker's main file");
expose(new RingWorker(), nodeEndpoint(parentPort));
