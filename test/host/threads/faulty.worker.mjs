// An actor's Worker whose share is faulty: the share's path says how.

import { parentPort } from "node:worker_threads";
import { expose } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { HostDirBacking } from "../../../dist/device/fuse/backing/host-dir.js";
import { createActor } from "../../../dist/host/threads/actor.js";

const EIO = 5;

function openHostDir(path) {
  if (path === "throw") throw new Error("the share is on fire");
  const backing = new HostDirBacking(path);
  const openFile = backing.open.bind(backing);
  backing.open = (...args) => {
    const file = openFile(...args);
    if (typeof file !== "number") file.read = () => -EIO;
    return file;
  };
  return backing;
}

expose(createActor({ openHostDir, clock: () => performance.now() * 1000 }), nodeEndpoint(parentPort));
