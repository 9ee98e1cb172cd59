// System calls whose failure is a value.

import { EIO, ERRNO_MAX } from "../../../spec/errno.js";
import type { Failed } from "../../failed.js";

/** Makes a value of a system call's error; any other error is a mistake of ours and goes on. */
export function attempt<T>(call: () => T): T | Failed {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error && "errno" in error && typeof error.errno === "number")) throw error;
    // libuv gives -errno, and numbers beyond every errno for what is its own.
    return error.errno < 0 && error.errno >= -ERRNO_MAX ? error.errno : -EIO;
  }
}

/** The same for a call of which only the failure says anything. */
export function done(call: () => void): 0 | Failed {
  return attempt(() => {
    call();
    return 0;
  });
}
