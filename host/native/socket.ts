// A connection to a real back-end, as the two streams of a vhost-user channel. No receive and no send waits longer than
// `patience`: a back-end that says nothing, hangs up or goes away is a BackEndError, in one line.

import { closeSync, readdirSync, readFileSync } from "node:fs";
import { BackEndError } from "../../device/front-end/vhost-device.js";
import type { Incoming, Outgoing } from "../../device/vhost-user/channel.js";
import { Op, Received } from "../../vm/sync/op.js";
import { type Libc, SystemError } from "./libc.js";

const NO_FOOTPRINT = { reads: [], writes: [] };

/** Of /proc's stat: after the name in parentheses, the state R; D is one that waits for a disk. */
const RUNS = /\) [RD] /;

/** A connection is one trial's: nothing is played in which it is lost and another takes its place. */
function notTakenUp(): never {
  throw new Error("a real connection is not taken up again");
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
  /** For people. */
  readonly detail: string;
}

export class NativeSocket {
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  /** Told of each message of the front-end before it goes, and when it has gone. */
  onMessage: (message: string) => void = () => {};
  onSent: (message: string) => void = () => {};
  /** Messages that are under way: given to the socket, and not yet with the back-end. Undefined: nothing is held back. */
  #held: Sent[] | undefined;
  #open = true;

  constructor(
    readonly libc: Libc,
    readonly fd: number,
    /** Milliseconds. */
    readonly patience: number,
  ) {
    this.outgoing = {
      send: (bytes, fds = [], detail = "") => {
        const attempt = (): number => {
          this.onMessage(detail);
          return this.#send({ bytes, fds, detail });
        };
        return new Op("to-back-end.send", NO_FOOTPRINT, attempt, { detail });
      },
      close: () => {
        const attempt = (): number => {
          this.close();
          return 0;
        };
        return new Op("to-back-end.close", NO_FOOTPRINT, attempt);
      },
      reopen: notTakenUp,
      connected: notTakenUp,
    };
    this.incoming = {
      receive: (length) => new Op("to-front-end.receive", NO_FOOTPRINT, () => this.#receive(length)),
      reopen: notTakenUp,
    };
  }

  /** From now on messages stay in the socket, as when its reader is slow. */
  hold(): void {
    this.#held ??= [];
  }

  /** How many messages are held back. */
  get held(): number {
    return this.#held?.length ?? 0;
  }

  /** The reader gets on. @param before called before each message that was held back, and at the end */
  release(before: () => void = () => {}): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const sent of held) {
      before();
      this.#send(sent);
    }
    before();
  }

  /** The raw bytes, whatever they are. */
  write(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.#send({ bytes, fds, detail: "" });
  }

  /** Has the back-end hung up? Waits `ms` for it. What it says meanwhile is read and forgotten. */
  hungUp(ms: number): boolean {
    const end = performance.now() + ms;
    const bytes = new Uint8Array(4096);
    try {
      while (this.libc.receive(this.fd, bytes, Math.max(0, end - performance.now())) > 0);
      return true;
    } catch (error) {
      if (error instanceof SystemError && error.code === "ETIMEDOUT") return false;
      if (error instanceof SystemError) return true;
      throw error;
    }
  }

  /** Does a thread of the back-end run, or wait for a processor? What cannot be seen does not. */
  peerRuns(): boolean {
    const tasks = `/proc/${this.libc.peerPid(this.fd)}/task`;
    try {
      return readdirSync(tasks).some((task) => RUNS.test(readFileSync(`${tasks}/${task}/stat`, "utf8")));
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }

  #send(message: Sent): number {
    const { bytes, fds, detail } = message;
    if (this.#held) {
      this.#held.push(message);
      return bytes.length;
    }
    for (let sent = 0; sent < bytes.length; )
      sent += this.#attempt(() => this.libc.send(this.fd, bytes.subarray(sent), sent === 0 ? fds : [], this.patience));
    this.onSent(detail);
    return bytes.length;
  }

  /** What was held back is what the answer is to. */
  #receive(length: number): Received {
    this.release();
    const bytes = new Uint8Array(length);
    let received = 0;
    while (received < length) {
      const more = this.#attempt(() => this.libc.receive(this.fd, bytes.subarray(received), this.patience));
      if (more === 0) break;
      received += more;
    }
    return new Received(bytes.subarray(0, received), []);
  }

  #attempt(call: () => number): number {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (error.code === "ETIMEDOUT") throw new BackEndError(`the back-end is silent for ${this.patience} ms`);
      throw new BackEndError(`the back-end's connection has failed: ${error.code}`);
    }
  }
}
