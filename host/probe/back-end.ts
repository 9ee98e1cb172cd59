// The back-end that is probed: a program that is started anew for each connection, or one that listens on a socket
// already. What is started is ended here, by its process group.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError, UserError } from "../errors.js";
import { type Libc, SystemError } from "../native/libc.js";
import { NativeSocket } from "../native/socket.js";

export const SOCKET_PLACEHOLDER = "{socket}";

/** Milliseconds: from a program's start to its socket; for a reply; for a program that is asked to end; for one that ends by itself. */
const START_MS = 10_000;
const REPLY_MS = 2_000;
const END_MS = 2_000;
const LEAVE_MS = 250;
const LOOK_MS = 2;

export interface BackEnd {
  /** For people and for JSON. */
  readonly name: string;
  /** A new connection; the last one is over. @throws LabError when there is none to be had */
  connect(): Promise<NativeSocket>;
  /** The signal by which the program has ended, if it has, after its connection ended. */
  killedBy(): Promise<string | undefined>;
  /** What the program has said last, and how it ended: for a line about what went wrong. */
  lastWords(): Promise<string>;
  /** Ends what was started and removes what was made. */
  close(): Promise<void>;
}

/** A program that listens on `path`, and goes on listening when a front-end has gone. */
export class ListeningBackEnd implements BackEnd {
  readonly name: string;

  constructor(
    readonly libc: Libc,
    readonly path: string,
  ) {
    this.name = path;
  }

  async connect(): Promise<NativeSocket> {
    const fd = await connectSoon(this.libc, this.path, () => undefined);
    return new NativeSocket(this.libc, fd, REPLY_MS);
  }

  async killedBy(): Promise<undefined> {}

  async lastWords(): Promise<string> {
    return "";
  }

  async close(): Promise<void> {}
}

/** A command with `{socket}` among its words. */
export class StartedBackEnd implements BackEnd {
  readonly name: string;
  readonly #folder: string;
  readonly #socket: string;
  readonly #output: string;
  #child: ChildProcess | undefined;

  /** @throws UserError without {socket} */
  constructor(
    readonly libc: Libc,
    readonly command: readonly string[],
  ) {
    this.name = command.join(" ");
    if (!command.some((word) => word.includes(SOCKET_PLACEHOLDER)))
      throw new UserError(`the command must say where its socket is to be: ${SOCKET_PLACEHOLDER}`);
    this.#folder = mkdtempSync(join(tmpdir(), "vhostlab-"));
    this.#socket = join(this.#folder, "back-end.sock");
    this.#output = join(this.#folder, "output");
  }

  async connect(): Promise<NativeSocket> {
    await this.#end();
    rmSync(this.#socket, { force: true });
    const [program, ...words] = this.command.map((word) => word.replaceAll(SOCKET_PLACEHOLDER, this.#socket));
    // Into a file: while a trial runs nobody would empty a pipe.
    const output = openSync(this.#output, "w");
    const child = spawn(program!, words, { stdio: ["ignore", output, output], detached: true });
    closeSync(output);
    this.#child = child;
    const failed = new Promise<never>((_, reject) =>
      child.once("error", (error) => reject(new UserError(`${program} cannot be started: ${error.message}`))),
    );
    const ended = (): string | undefined => (isOver(child) ? this.#words() : undefined);
    const fd = await Promise.race([failed, connectSoon(this.libc, this.#socket, ended)]);
    return new NativeSocket(this.libc, fd, REPLY_MS);
  }

  async killedBy(): Promise<string | undefined> {
    await this.#mayEnd();
    return this.#child?.signalCode ?? undefined;
  }

  async lastWords(): Promise<string> {
    await this.#mayEnd();
    return this.#words();
  }

  /** Its connection is over: a program that ends then gets the time to. */
  async #mayEnd(): Promise<void> {
    if (this.#child && !isOver(this.#child))
      await Promise.race([once(this.#child, "exit"), delay(LEAVE_MS, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    await this.#end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #words(): string {
    const last = readFileSync(this.#output, "utf8").trim().split("\n").slice(-1)[0]!;
    const { exitCode = null, signalCode = null } = this.#child ?? {};
    const how = signalCode ? `it ended by ${signalCode}` : exitCode !== null ? `it ended with ${exitCode}` : "";
    return [how, last && `it said last: ${last}`].filter(Boolean).join("; ");
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child?.pid) return;
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (isOver(child)) break;
      const exit = once(child, "exit");
      signalGroup(child.pid, signal);
      await Promise.race([exit, delay(END_MS, undefined, { ref: false })]);
    }
    signalGroup(child.pid, "SIGKILL"); // what it may have left in its group
  }
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** @param ended what a program said that has ended instead of listening */
async function connectSoon(libc: Libc, path: string, ended: () => string | undefined): Promise<number> {
  const end = performance.now() + START_MS;
  for (;;) {
    try {
      return libc.connect(path);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const words = ended();
      if (words !== undefined) throw new LabError(`the back-end does not listen: ${words}`);
      if (performance.now() > end) throw new LabError(`the back-end does not listen on ${path}: ${error.code}`);
    }
    await delay(LOOK_MS);
  }
}
