// A FUSE client (OvmfPkg/VirtioFsDxe, FuseInit.c to FuseReleaseFile.c): requests in guest memory by the layouts of
// device/spec/fuse.ts, one in flight on a virtio-fs request queue (virtio 1.4, 5.11.6.1).
//
// A method that returns i32 returns 0, or the errno of the server's reply. A reply that is none by the protocol is the
// end of the device (VirtioPci.giveUp).

import { ENOENT, ERRNO_MAX } from "../../device/spec/errno";
import {
  FUSE_DO_READDIRPLUS,
  FUSE_KERNEL_VERSION,
  FuseAttr,
  FuseAttrOut,
  FuseEntryOut,
  FuseFlushIn,
  FuseForgetIn,
  FuseGetattrIn,
  FuseInHeader,
  FuseInitIn,
  FuseInitOut,
  FuseOpenIn,
  FuseOpenOut,
  FuseOutHeader,
  FuseReadIn,
  FuseReleaseIn,
  O_RDONLY,
} from "../../device/spec/fuse";
import { FUSE_FLUSH, FUSE_FORGET, FUSE_GETATTR, FUSE_INIT, FUSE_LOOKUP } from "../../device/spec/fuse-opcode";
import { errnoName } from "./errno-name";
import { allocatePages } from "./pages";
import { RequestQueue } from "./request-queue";

/** VirtioFsDxe speaks 7.31: what it offers, and the least that it takes. */
const MAJOR: u32 = FUSE_KERNEL_VERSION;
const MINOR: u32 = 31;
/** The least max_write that it takes. */
const LEAST_MAX_WRITE: u32 = 4096;

/** One page holds all but names and data: header and body of the request, header and body of the reply. */
const PAGE_BYTES: usize = 4096;
const IN_BODY: usize = 64;
const OUT_HEADER: usize = 128;
const OUT_BODY: usize = 192;

export class FuseClient {
  /** Where requests and replies are built. */
  private readonly page: usize = allocatePages(PAGE_BYTES);
  /** in_header.unique of the request that is being built or was last sent; the first is 1. */
  private unique: u64 = 0;
  /** in_header.len of the request that is being built. */
  private length: u32 = 0;

  // What the last call of each method brought.
  /** lookup: the node and its st_mode. */
  node: u64 = 0;
  mode: u32 = 0;
  /** getattr: the size in bytes. */
  size: u64 = 0;
  /** open: the file handle. */
  handle: u64 = 0;
  /** read: the bytes of data. */
  dataLength: u32 = 0;

  constructor(private readonly queue: RequestQueue) {}

  /** FUSE_INIT. Returns why the session is refused, or null. */
  init(): string | null {
    const body = this.begin(FUSE_INIT, 0, FuseInitIn.SIZEOF);
    store<u32>(body, MAJOR, FuseInitIn.MAJOR);
    store<u32>(body, MINOR, FuseInitIn.MINOR);
    store<u32>(body, FUSE_DO_READDIRPLUS, FuseInitIn.FLAGS);
    const error = this.call(FuseInitOut.SIZEOF);
    if (error != 0) return "it refuses FUSE_INIT: " + errnoName(error);

    const reply = this.page + OUT_BODY;
    const major = load<u32>(reply, FuseInitOut.MAJOR);
    const minor = load<u32>(reply, FuseInitOut.MINOR);
    if (major < MAJOR || (major == MAJOR && minor < MINOR)) {
      return "it speaks FUSE " + major.toString() + "." + minor.toString() + ", and 7.31 is the least";
    }
    if (!(load<u32>(reply, FuseInitOut.FLAGS) & FUSE_DO_READDIRPLUS)) return "it has no FUSE_READDIRPLUS";
    if (load<u32>(reply, FuseInitOut.MAX_WRITE) < LEAST_MAX_WRITE) return "its max_write is below 4096";
    return null;
  }

  /** FUSE_LOOKUP of the NUL-terminated name at `name`, `length` bytes before its NUL: `node`, `mode`. */
  lookup(parent: u64, name: usize, length: u32): i32 {
    this.begin(FUSE_LOOKUP, parent, 0);
    this.send(name, length + 1);
    const error = this.call(FuseEntryOut.SIZEOF);
    if (error != 0) return error;
    const reply = this.page + OUT_BODY;
    this.node = load<u64>(reply, FuseEntryOut.NODEID);
    this.mode = load<u32>(reply, FuseEntryOut.ATTR + FuseAttr.MODE);
    return this.node == 0 ? ENOENT : 0; // an entry_out without a node is an ENOENT that may be cached
  }

  /** FUSE_FORGET of one lookup of `node`. It has no reply, and so no writable buffer and a used length of 0. */
  forget(node: u64): void {
    const body = this.begin(FUSE_FORGET, node, FuseForgetIn.SIZEOF);
    store<u64>(body, 1, FuseForgetIn.NLOOKUP);
    this.submit();
  }

  /** FUSE_GETATTR of a node, by no handle: `size`. */
  getattr(node: u64): i32 {
    this.begin(FUSE_GETATTR, node, FuseGetattrIn.SIZEOF);
    const error = this.call(FuseAttrOut.SIZEOF);
    if (error == 0) this.size = load<u64>(this.page + OUT_BODY, FuseAttrOut.ATTR + FuseAttr.SIZE);
    return error;
  }

  /** FUSE_OPEN or FUSE_OPENDIR, for reading: `handle`. */
  open(opcode: u32, node: u64): i32 {
    const body = this.begin(opcode, node, FuseOpenIn.SIZEOF);
    store<u32>(body, O_RDONLY, FuseOpenIn.FLAGS);
    const error = this.call(FuseOpenOut.SIZEOF);
    if (error == 0) this.handle = load<u64>(this.page + OUT_BODY, FuseOpenOut.FH);
    return error;
  }

  /** FUSE_READ or FUSE_READDIRPLUS: at most `size` bytes from `offset` on, to `buffer`: `dataLength`. */
  read(opcode: u32, node: u64, handle: u64, offset: u64, buffer: usize, size: u32): i32 {
    const body = this.begin(opcode, node, FuseReadIn.SIZEOF);
    store<u64>(body, handle, FuseReadIn.FH);
    store<u64>(body, offset, FuseReadIn.OFFSET);
    store<u32>(body, size, FuseReadIn.SIZE);
    return this.callForData(buffer, size);
  }

  /** FUSE_FLUSH of an open file, FUSE_RELEASE, FUSE_RELEASEDIR: at a close, whose answer nobody can use. */
  flush(node: u64, handle: u64): void {
    const body = this.begin(FUSE_FLUSH, node, FuseFlushIn.SIZEOF);
    store<u64>(body, handle, FuseFlushIn.FH);
    this.call(0);
  }
  release(opcode: u32, node: u64, handle: u64): void {
    const body = this.begin(opcode, node, FuseReleaseIn.SIZEOF);
    store<u64>(body, handle, FuseReleaseIn.FH);
    this.call(0);
  }

  giveUp(reason: string): void {
    this.queue.device.giveUp(reason);
  }

  /** VirtioFsFuseNewRequest: header and, if it has any, body of the request. Returns the body, zeroed. */
  private begin(opcode: u32, node: u64, bodyBytes: u32): usize {
    const page = this.page;
    memory.fill(page, 0, PAGE_BYTES);
    store<u32>(page, opcode, FuseInHeader.OPCODE);
    store<u64>(page, ++this.unique, FuseInHeader.UNIQUE);
    store<u64>(page, node, FuseInHeader.NODEID);
    store<u32>(page, 1, FuseInHeader.PID); // uid and gid are 0: root
    this.queue.prepare();
    this.length = 0;
    this.send(page, FuseInHeader.SIZEOF);
    if (bodyBytes != 0) this.send(page + IN_BODY, bodyBytes);
    return page + IN_BODY;
  }

  private send(at: usize, length: u32): void {
    this.queue.appendReadable(at, length);
    this.length += length;
  }

  /** The request, now whole, to the device and back. Returns the used length. */
  private submit(): u32 {
    store<u32>(this.page, this.length, FuseInHeader.LEN);
    return this.queue.flush();
  }

  /** A request whose reply has a body of just `bytes`. */
  private call(bytes: u32): i32 {
    this.queue.appendWritable(this.page + OUT_HEADER, FuseOutHeader.SIZEOF);
    if (bytes != 0) this.queue.appendWritable(this.page + OUT_BODY, bytes);
    const error = this.reply(this.submit());
    if (error == 0 && this.dataLength != bytes) this.giveUp("a FUSE reply has not the size of its structure");
    return error;
  }

  /** A request whose reply is up to `size` bytes of data. */
  private callForData(buffer: usize, size: u32): i32 {
    this.queue.appendWritable(this.page + OUT_HEADER, FuseOutHeader.SIZEOF);
    this.queue.appendWritable(buffer, size);
    return this.reply(this.submit());
  }

  /** VirtioFsFuseCheckResponse: judges the reply's header against the `used` bytes that arrived. */
  private reply(used: u32): i32 {
    const header = this.page + OUT_HEADER;
    if (used < <u32>FuseOutHeader.SIZEOF) this.giveUp("a FUSE reply is shorter than its header");
    if (load<u32>(header, FuseOutHeader.LEN) != used) this.giveUp("a FUSE reply's len differs from the used length");
    if (load<u64>(header, FuseOutHeader.UNIQUE) != this.unique) this.giveUp("a FUSE reply answers another request");
    const error = load<i32>(header, FuseOutHeader.ERROR);
    if (error > 0 || error < -ERRNO_MAX) this.giveUp("a FUSE reply's error is no errno");
    this.dataLength = used - FuseOutHeader.SIZEOF;
    if (error != 0 && this.dataLength != 0) this.giveUp("a FUSE reply has both an error and a body");
    return -error;
  }
}
