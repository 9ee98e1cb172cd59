// A FUSE client: the requests of OvmfPkg/VirtioFsDxe (FuseInit.c to FuseReleaseFile.c) and of Linux's fs/fuse (dir.c,
// file.c, readdir.c) that the guests make, one at a time.
//
// A method that returns i32 returns 0, or the errno of the server's reply. A reply that is none by the protocol is the
// end of the device (FuseRequest.check).

import { ENAMETOOLONG, ENOENT } from "../../device/spec/errno";
import {
  FATTR_FH,
  FATTR_SIZE,
  FUSE_KERNEL_VERSION,
  FuseAttr,
  FuseAttrOut,
  FuseCreateIn,
  FuseEntryOut,
  FuseFlushIn,
  FuseForgetIn,
  FuseGetattrIn,
  FuseInitExtIn,
  FuseInitIn,
  FuseInitOut,
  FuseMkdirIn,
  FuseOpenIn,
  FuseOpenOut,
  FuseReadIn,
  FuseReleaseIn,
  FuseRenameIn,
  FuseSetattrIn,
  FuseStatfsOut,
  FuseWriteIn,
  FuseWriteOut,
} from "../../device/spec/fuse";
import {
  FUSE_CREATE,
  FUSE_FLUSH,
  FUSE_FORGET,
  FUSE_GETATTR,
  FUSE_INIT,
  FUSE_LOOKUP,
  FUSE_MKDIR,
  FUSE_RENAME,
  FUSE_SETATTR,
  FUSE_STATFS,
  FUSE_WRITE,
} from "../../device/spec/fuse-opcode";
import { FuseRequest } from "./fuse-request";
import { FuseTransport } from "./fuse-transport";

/** What a client says of itself in FUSE_INIT. */
export class InitOffer {
  minor: u32 = 0;
  maxReadahead: u32 = 0;
  flags: u32 = 0;
  flags2: u32 = 0;
  /** Of init_in. */
  bytes: u32 = FuseInitIn.SIZEOF;
  pid: u32 = 0;
}

/** What the server answered. */
export class InitReply {
  major: u32 = 0;
  minor: u32 = 0;
  flags: u32 = 0;
  maxWrite: u32 = 0;
}

export class FuseClient {
  private readonly request: FuseRequest;
  private unique: u64 = 0;

  // What the last call of each method brought.
  /** lookup, mkdir, create: the node and its st_mode. */
  node: u64 = 0;
  mode: u32 = 0;
  /** lookup, mkdir, create, getattr: struct fuse_attr, until the next call. */
  attr: usize = 0;
  /** getattr: the size in bytes. */
  size: u64 = 0;
  /** open, create: the file handle. */
  handle: u64 = 0;
  /** read: the bytes of data. write: how many were written. */
  dataLength: u32 = 0;
  /** statfs: struct fuse_kstatfs, until the next call. */
  statfsOut: usize = 0;

  constructor(readonly transport: FuseTransport) {
    this.request = transport.newRequest();
  }

  /** FUSE_INIT: fills `reply` in, unless there is an error. */
  init(offer: InitOffer, reply: InitReply): i32 {
    const body = this.request.begin(FUSE_INIT, 0, offer.bytes);
    this.request.setPid(offer.pid);
    store<u32>(body, FUSE_KERNEL_VERSION, FuseInitIn.MAJOR);
    store<u32>(body, offer.minor, FuseInitIn.MINOR);
    store<u32>(body, offer.maxReadahead, FuseInitIn.MAX_READAHEAD);
    store<u32>(body, offer.flags, FuseInitIn.FLAGS);
    if (offer.bytes > <u32>FuseInitIn.SIZEOF) store<u32>(body, offer.flags2, FuseInitExtIn.FLAGS2);
    const error = this.call(FuseInitOut.SIZEOF);
    if (error != 0) return error;
    const out = this.request.reply;
    reply.major = load<u32>(out, FuseInitOut.MAJOR);
    reply.minor = load<u32>(out, FuseInitOut.MINOR);
    reply.flags = load<u32>(out, FuseInitOut.FLAGS);
    reply.maxWrite = load<u32>(out, FuseInitOut.MAX_WRITE);
    return 0;
  }

  /** FUSE_LOOKUP of the `length` bytes of a name at `name`. */
  lookup(parent: u64, name: usize, length: u32): i32 {
    this.request.begin(FUSE_LOOKUP, parent, 0);
    return this.callForEntry(name, length, FuseEntryOut.SIZEOF);
  }

  /** FUSE_FORGET of one lookup of `node`. */
  forget(node: u64): void {
    const body = this.request.begin(FUSE_FORGET, node, FuseForgetIn.SIZEOF);
    store<u64>(body, 1, FuseForgetIn.NLOOKUP);
    this.request.expectNothing();
    this.number(this.request);
    this.transport.forget(this.request);
  }

  /** FUSE_GETATTR of a node, by no handle: `attr`, `size`. */
  getattr(node: u64): i32 {
    this.request.begin(FUSE_GETATTR, node, FuseGetattrIn.SIZEOF);
    return this.callForAttr();
  }

  /** FUSE_SETATTR of an open file's size. */
  truncate(node: u64, handle: u64, size: u64): i32 {
    const body = this.request.begin(FUSE_SETATTR, node, FuseSetattrIn.SIZEOF);
    store<u32>(body, FATTR_SIZE | FATTR_FH, FuseSetattrIn.VALID);
    store<u64>(body, handle, FuseSetattrIn.FH);
    store<u64>(body, size, FuseSetattrIn.SIZE);
    return this.callForAttr();
  }

  /** FUSE_OPEN or FUSE_OPENDIR: `handle`. */
  open(opcode: u32, node: u64, flags: u32): i32 {
    const body = this.request.begin(opcode, node, FuseOpenIn.SIZEOF);
    store<u32>(body, flags, FuseOpenIn.FLAGS);
    const error = this.call(FuseOpenOut.SIZEOF);
    if (error == 0) this.handle = load<u64>(this.request.reply, FuseOpenOut.FH);
    return error;
  }

  /** FUSE_CREATE: makes a file and opens it: `node`, `handle`. */
  create(parent: u64, name: usize, length: u32, flags: u32, mode: u32): i32 {
    const body = this.request.begin(FUSE_CREATE, parent, FuseCreateIn.SIZEOF);
    store<u32>(body, flags, FuseCreateIn.FLAGS);
    store<u32>(body, mode, FuseCreateIn.MODE);
    const error = this.callForEntry(name, length, FuseEntryOut.SIZEOF + FuseOpenOut.SIZEOF);
    if (error == 0) this.handle = load<u64>(this.request.reply + FuseEntryOut.SIZEOF, FuseOpenOut.FH);
    return error;
  }

  /** FUSE_READ or FUSE_READDIRPLUS: at most `size` bytes from `offset` on, to `buffer`: `dataLength`. */
  read(opcode: u32, node: u64, handle: u64, offset: u64, buffer: usize, size: u32): i32 {
    this.prepareRead(this.request, opcode, node, handle, offset, buffer, size);
    return this.exchange();
  }

  /** The same for a request that is in flight beside others: its owner submits it, and checks it once it is back. */
  prepareRead(
    request: FuseRequest,
    opcode: u32,
    node: u64,
    handle: u64,
    offset: u64,
    buffer: usize,
    size: u32,
  ): void {
    const body = request.begin(opcode, node, FuseReadIn.SIZEOF);
    store<u64>(body, handle, FuseReadIn.FH);
    store<u64>(body, offset, FuseReadIn.OFFSET);
    store<u32>(body, size, FuseReadIn.SIZE);
    request.receiveData(buffer, size);
    this.number(request);
  }

  /** FUSE_WRITE of `size` bytes at `buffer` to `offset`: `dataLength`, at most `size`. */
  write(node: u64, handle: u64, offset: u64, buffer: usize, size: u32): i32 {
    const body = this.request.begin(FUSE_WRITE, node, FuseWriteIn.SIZEOF);
    store<u64>(body, handle, FuseWriteIn.FH);
    store<u64>(body, offset, FuseWriteIn.OFFSET);
    store<u32>(body, size, FuseWriteIn.SIZE);
    this.request.sendData(buffer, size);
    const error = this.call(FuseWriteOut.SIZEOF);
    if (error != 0) return error;
    this.dataLength = load<u32>(this.request.reply, FuseWriteOut.SIZE);
    if (this.dataLength > size) this.giveUp("it says that it wrote more than it was given");
    return 0;
  }

  /** FUSE_MKDIR: `node`. */
  mkdir(parent: u64, name: usize, length: u32, mode: u32): i32 {
    const body = this.request.begin(FUSE_MKDIR, parent, FuseMkdirIn.SIZEOF);
    store<u32>(body, mode, FuseMkdirIn.MODE);
    return this.callForEntry(name, length, FuseEntryOut.SIZEOF);
  }

  /** FUSE_UNLINK or FUSE_RMDIR. */
  remove(opcode: u32, parent: u64, name: usize, length: u32): i32 {
    this.request.begin(opcode, parent, 0);
    if (!this.request.name(name, length)) return ENAMETOOLONG;
    return this.call(0);
  }

  /** FUSE_RENAME. */
  rename(parent: u64, name: usize, length: u32, newParent: u64, newName: usize, newLength: u32): i32 {
    const body = this.request.begin(FUSE_RENAME, parent, FuseRenameIn.SIZEOF);
    store<u64>(body, newParent, FuseRenameIn.NEWDIR);
    if (!this.request.name(name, length) || !this.request.name(newName, newLength)) return ENAMETOOLONG;
    return this.call(0);
  }

  /** FUSE_STATFS: `statfsOut`. */
  statfs(node: u64): i32 {
    this.prepareStatfs(this.request, node);
    this.statfsOut = this.request.reply;
    return this.exchange();
  }

  /** The same for a request that is in flight beside others, as prepareRead. */
  prepareStatfs(request: FuseRequest, node: u64): void {
    request.begin(FUSE_STATFS, node, 0);
    request.expect(FuseStatfsOut.SIZEOF);
    this.number(request);
  }

  /** FUSE_FLUSH of an open file. */
  flush(node: u64, handle: u64): i32 {
    const body = this.request.begin(FUSE_FLUSH, node, FuseFlushIn.SIZEOF);
    store<u64>(body, handle, FuseFlushIn.FH);
    return this.call(0);
  }

  /** FUSE_RELEASE or FUSE_RELEASEDIR: at a close, whose answer nobody can use. */
  release(opcode: u32, node: u64, handle: u64): void {
    const body = this.request.begin(opcode, node, FuseReleaseIn.SIZEOF);
    store<u64>(body, handle, FuseReleaseIn.FH);
    this.call(0);
  }

  giveUp(reason: string): void {
    this.transport.device.giveUp(reason);
  }

  /** A request by a name whose reply begins with an entry_out. */
  private callForEntry(name: usize, length: u32, bytes: u32): i32 {
    if (!this.request.name(name, length)) return ENAMETOOLONG;
    const error = this.call(bytes);
    if (error != 0) return error;
    const reply = this.request.reply;
    this.node = load<u64>(reply, FuseEntryOut.NODEID);
    this.attr = reply + FuseEntryOut.ATTR;
    this.mode = load<u32>(this.attr, FuseAttr.MODE);
    return this.node == 0 ? ENOENT : 0; // an entry_out without a node is an ENOENT that may be cached
  }

  private callForAttr(): i32 {
    const error = this.call(FuseAttrOut.SIZEOF);
    if (error != 0) return error;
    this.attr = this.request.reply + FuseAttrOut.ATTR;
    this.size = load<u64>(this.attr, FuseAttr.SIZE);
    return 0;
  }

  /** A request whose reply has a structure of just `bytes`. */
  private call(bytes: u32): i32 {
    this.request.expect(bytes);
    this.number(this.request);
    return this.exchange();
  }

  private number(request: FuseRequest): void {
    this.unique += this.transport.uniqueStep();
    request.setUnique(this.unique);
    request.seal();
  }

  private exchange(): i32 {
    this.transport.exchange(this.request);
    const error = this.request.check();
    this.dataLength = this.request.bodyBytes;
    return error;
  }
}
