// The Worker of one actor, in Node.

import { parentPort } from "node:worker_threads";
import { expose } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { HostDirBacking } from "../../device/fuse/backing/host-dir.js";
import { createActor } from "./actor.js";

if (!parentPort) throw new Error("actor.worker is a Worker's main file");
expose(
  createActor((path) => new HostDirBacking(path)),
  nodeEndpoint(parentPort),
);
