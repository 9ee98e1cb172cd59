// The system calls that Node has no face for, by koffi: Unix sockets that pass descriptors (SCM_RIGHTS), eventfd(2),
// poll(2), and memory that another process maps. Linux with glibc; whoever has no koffi is told so.
//
// A call blocks this thread, so every wait has a limit.

import { closeSync, ftruncateSync } from "node:fs";
import type koffi from "koffi";
import { UserError } from "../errors.js";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid. */
const UCRED_BYTES = 12;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED_FIXED = 0x11;
const POLLIN = 1;
const POLLOUT = 4;
/** struct sockaddr_un: sun_family, then sun_path. */
const SUN_PATH = 2;
const SUN_PATH_BYTES = 108;
/** struct cmsghdr of a 64-bit system. */
const CMSG_HEADER = 16;
/** struct pollfd. */
const POLLFD_BYTES = 8;
const POLLFD_REVENTS = 6;

/** A call that failed, with its errno's name in `code`. */
export class SystemError extends Error {
  override name = "SystemError";

  constructor(
    call: string,
    readonly code: string,
  ) {
    super(`${call}: ${code}`);
  }
}

type Call = (...args: unknown[]) => number | bigint;

export class Libc {
  readonly #koffi: typeof koffi;
  readonly #errnoNames: ReadonlyMap<number, string>;
  readonly #calls: Readonly<Record<string, Call>>;

  /** @throws UserError where this machine cannot do it */
  static async load(): Promise<Libc> {
    if (process.platform !== "linux") throw new UserError("real back-ends can be reached on Linux only");
    const imported = await import("koffi").catch((error: Error) => {
      throw new UserError(`real back-ends are reached by the optional package koffi: ${error.message}`);
    });
    return new Libc(imported.default);
  }

  private constructor(lib: typeof koffi) {
    this.#koffi = lib;
    this.#errnoNames = new Map(Object.entries(lib.os.errno).map(([name, number]) => [number, name]));
    const iovec = lib.struct({ iov_base: "void *", iov_len: "size_t" });
    const msghdr = lib.struct({
      msg_name: "void *",
      msg_namelen: "uint32_t",
      msg_iov: lib.pointer(iovec),
      msg_iovlen: "size_t",
      msg_control: "void *",
      msg_controllen: "size_t",
      msg_flags: "int",
    });
    const libc = lib.load("libc.so.6");
    this.#calls = {
      socket: libc.func("int socket(int, int, int)"),
      socketpair: libc.func("int socketpair(int, int, int, void *)"),
      getsockopt: libc.func("int getsockopt(int, int, int, void *, void *)"),
      connect: libc.func("int connect(int, void *, uint32_t)"),
      sendmsg: libc.func("sendmsg", "intptr_t", ["int", lib.pointer(msghdr), "int"]),
      recv: libc.func("intptr_t recv(int, void *, size_t, int)"),
      poll: libc.func("int poll(void *, unsigned long, int)"),
      usleep: libc.func("int usleep(uint32_t)"),
      eventfd: libc.func("int eventfd(unsigned int, int)"),
      memfd_create: libc.func("int memfd_create(const char *, unsigned int)"),
      fcntl: libc.func("int fcntl(int, int, int)"),
      memcpy: libc.func("uintptr_t memcpy(void *, const void *, size_t)"),
      mmap: libc.func("intptr_t mmap(uintptr_t, size_t, int, int, int, intptr_t)"),
    };
  }

  /** A stream socket that is connected to the one at `path`. */
  connect(path: string): number {
    const bytes = Buffer.from(path);
    if (bytes.length >= SUN_PATH_BYTES) throw new UserError(`a socket's path has at most 107 bytes: ${path}`);
    const address = Buffer.alloc(SUN_PATH + SUN_PATH_BYTES);
    address.writeUInt16LE(AF_UNIX, 0);
    bytes.copy(address, SUN_PATH);
    const fd = this.#call("socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    try {
      this.#call("connect", fd, address, address.length);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return fd;
  }

  /** The process at the other end of a connected socket, as it was when it listened. 0: in no namespace of ours. */
  peerPid(fd: number): number {
    const ucred = Buffer.alloc(UCRED_BYTES);
    this.#call("getsockopt", fd, SOL_SOCKET, SO_PEERCRED, ucred, Uint32Array.of(UCRED_BYTES));
    return ucred.readInt32LE(0);
  }

  socketpair(): [number, number] {
    const pair = new Int32Array(2);
    this.#call("socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    return [pair[0]!, pair[1]!];
  }

  /** As many of `bytes` as the socket takes within `ms`, with `fds` on the first. @throws SystemError ETIMEDOUT */
  send(fd: number, bytes: Uint8Array, fds: readonly number[], ms: number): number {
    if (!this.poll(fd, "out", ms)) throw new SystemError("sendmsg", "ETIMEDOUT");
    const length = CMSG_HEADER + 4 * fds.length;
    const control = Buffer.alloc(8 * Math.ceil(length / 8));
    control.writeBigUInt64LE(BigInt(length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, passed] of fds.entries()) control.writeInt32LE(passed, CMSG_HEADER + 4 * i);
    const message = {
      msg_name: null,
      msg_namelen: 0,
      msg_iov: { iov_base: bytes, iov_len: bytes.length },
      msg_iovlen: 1,
      msg_control: fds.length > 0 ? control : null,
      msg_controllen: fds.length > 0 ? control.length : 0,
      msg_flags: 0,
    };
    return this.#call("sendmsg", fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  /**
   * What is there within `ms`, up to `into.length` bytes; 0: the peer has hung up. Descriptors that come with it are
   * closed by the kernel, since no room is offered for them. @throws SystemError ETIMEDOUT
   */
  receive(fd: number, into: Uint8Array, ms: number): number {
    if (!this.poll(fd, "in", ms)) throw new SystemError("recv", "ETIMEDOUT");
    return this.#call("recv", fd, into, into.length, MSG_DONTWAIT);
  }

  /** Waits until `fd` is readable (or has been hung up), or can be written. @returns false after `ms` */
  poll(fd: number, direction: "in" | "out", ms: number): boolean {
    const entry = Buffer.alloc(POLLFD_BYTES);
    entry.writeInt32LE(fd, 0);
    entry.writeInt16LE(direction === "in" ? POLLIN : POLLOUT, 4);
    this.#call("poll", entry, 1, Math.ceil(ms));
    return entry.readInt16LE(POLLFD_REVENTS) !== 0;
  }

  sleep(micros: number): void {
    this.#calls.usleep!(micros);
  }

  /** Non-blocking. */
  eventfd(count: number): number {
    return this.#call("eventfd", count, EFD_CLOEXEC | EFD_NONBLOCK);
  }

  /** A file in memory that can be mapped elsewhere; nobody can change its size, or that. */
  memfd(name: string, bytes: number): number {
    const fd = this.#call("memfd_create", name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ftruncateSync(fd, bytes);
    this.#call("fcntl", fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    return fd;
  }

  /**
   * Maps the file over all of `memory`, whose bytes are lost. The memory is not to grow, and the mapping ends with it:
   * whoever uses an address in it keeps the object.
   */
  mapOver(memory: WebAssembly.Memory, fd: number): void {
    const bytes = new Uint8Array(memory.buffer);
    const address = BigInt(this.#calls.memcpy!(bytes, bytes, 0));
    const mapped = BigInt(this.#calls.mmap!(address, bytes.length, PROT_READ_WRITE, MAP_SHARED_FIXED, fd, 0));
    if (mapped !== address) throw this.#failed("mmap");
  }

  /** @throws SystemError */
  #call(name: string, ...args: unknown[]): number {
    for (;;) {
      const result = Number(this.#calls[name]!(...args));
      if (result >= 0) return result;
      const error = this.#failed(name);
      if (error.code !== "EINTR") throw error;
    }
  }

  #failed(name: string): SystemError {
    const errno = this.#koffi.errno();
    return new SystemError(name, this.#errnoNames.get(errno) ?? `errno ${errno}`);
  }
}
