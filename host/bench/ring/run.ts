// `vhostlab bench ring`: the contenders of each case, brought up, measured, and ended.

import type { ModuleLoader } from "../../threads/platform.js";
import type { Contender } from "./contender.js";
import { type Measuring, measureCase, type RingCase } from "./measure.js";
import { NativeContender } from "./native.js";
import type { RingOptions } from "./options.js";
import { WorkersContender } from "./workers.js";

export const OTHERS = ["native", "js"] as const;
export type Other = (typeof OTHERS)[number];

/** @param against whom ours is measured in turn with */
export async function runCase(
  loader: ModuleLoader,
  options: RingOptions,
  against: Other | undefined,
  measuring: Measuring,
): Promise<RingCase> {
  const open: Contender[] = [];
  const opened = async <C extends Contender>(contender: Promise<C>): Promise<C> => {
    open.push(await contender);
    return contender;
  };
  try {
    const ours = await opened(WorkersContender.wasm(loader, options));
    if (options.notify === "eventfd") {
      const native = against && (await opened(NativeContender.start(options)));
      return await measureCase(options, ours, undefined, measuring, native && (() => native.futex(FUTEX_ROUNDS)));
    }
    const other =
      against &&
      (await opened<Contender>(against === "native" ? NativeContender.start(options) : WorkersContender.js(options)));
    return await measureCase(options, ours, other, measuring);
  } finally {
    await Promise.all(open.map((contender) => contender.close()));
  }
}

const FUTEX_ROUNDS = 2_000;
