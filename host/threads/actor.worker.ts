// The Worker of one actor, in Node.

import { parentPort } from "node:worker_threads";
import { expose } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { HostDirBacking } from "../../device/fuse/backing/host-dir.js";
import { createActor, type ActorPlatform } from "./actor.js";

if (!parentPort) throw new Error("actor.worker is a Worker's main file");
const platform: ActorPlatform = {
  openHostDir: (path) => new HostDirBacking(path),
  // performance.timeOrigin differs between Workers by tens of microseconds; this clock is the process's.
  clock: () => Number(process.hrtime.bigint()) / 1000,
};
expose(createActor(platform), nodeEndpoint(parentPort));
