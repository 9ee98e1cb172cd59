// One FUSE request in guest memory, by the layouts of device/spec/fuse.ts, and the buffers by which a device finds it
// (virtio 1.4, 5.11.6.1): in_header, arguments, data; then out_header, the reply's structure or its data. What Linux
// calls a fuse_req (fs/fuse/fuse_i.h), and EDK2 a VIRTIO_FS_SCATTER_GATHER_LIST.

import { ERRNO_MAX } from "../../device/spec/errno";
import { FuseInHeader, FuseOutHeader, NAME_MAX } from "../../device/spec/fuse";
import { VIRTQ_DESC_F_WRITE, VirtqDesc } from "../../device/spec/virtq";
import { allocatePages } from "./pages";
import { gpa } from "./shared";
import { VirtioPci } from "./virtio-pci";

/** One page holds all but the data: header and arguments of the request, header and structure of the reply. */
const PAGE_BYTES: u32 = 4096;
const ARGUMENTS: u32 = FuseInHeader.SIZEOF;
const OUT_HEADER: u32 = 2048;
const OUT_BODY: u32 = OUT_HEADER + FuseOutHeader.SIZEOF;

/** Buffers besides the data's: both headers, arguments, the reply's structure (Linux: FUSE_HEADER_OVERHEAD). */
export const FUSE_HEADER_BUFFERS: u32 = 4;

export class FuseRequest {
  private readonly page: usize;
  /** Its buffers as struct virtq_desc, 16-byte aligned, once it is sealed. */
  readonly buffers: usize;
  count: u32 = 0;

  private argumentBytes: u32 = 0;
  private data: usize = 0;
  private dataBytes: u32 = 0;
  /** The data is what the device writes, not what it reads. */
  private receives: bool = false;
  /** Bytes of the reply's structure; -1: there is no reply. */
  private replyBytes: i32 = 0;

  /** It is back from the device, which says that it wrote `used` bytes. */
  done: bool = false;
  used: u32 = 0;
  /** What `check` found: bytes of the reply behind its header. */
  bodyBytes: u32 = 0;

  /** @param dataBuffer the most bytes of data that go into one buffer  @param dataBuffers how many of them there are */
  constructor(
    private readonly device: VirtioPci,
    private readonly dataBuffer: u32,
    dataBuffers: u32,
  ) {
    this.page = allocatePages(PAGE_BYTES + (FUSE_HEADER_BUFFERS + dataBuffers) * VirtqDesc.SIZEOF);
    this.buffers = this.page + PAGE_BYTES;
  }

  /** in_header, and the body that follows it: zeroed, and to be filled in at the address that is returned. */
  begin(opcode: u32, node: u64, bodyBytes: u32): usize {
    const page = this.page;
    memory.fill(page, 0, PAGE_BYTES);
    store<u32>(page, opcode, FuseInHeader.OPCODE);
    store<u64>(page, node, FuseInHeader.NODEID);
    store<u32>(page, 1, FuseInHeader.PID); // uid and gid are 0: root
    this.argumentBytes = bodyBytes;
    this.dataBytes = 0;
    this.receives = false;
    this.replyBytes = 0;
    this.done = false;
    return page + ARGUMENTS;
  }

  setUnique(unique: u64): void {
    store<u64>(this.page, unique, FuseInHeader.UNIQUE);
  }
  setPid(pid: u32): void {
    store<u32>(this.page, pid, FuseInHeader.PID);
  }

  /** One more argument: a name, and its NUL. Returns false for one that is longer than any name may be. */
  name(at: usize, length: u32): bool {
    if (length > <u32>NAME_MAX) return false;
    memory.copy(this.page + ARGUMENTS + this.argumentBytes, at, length);
    this.argumentBytes += length + 1; // the page is zeroed
    return true;
  }

  /** The data behind the arguments. */
  sendData(at: usize, length: u32): void {
    this.data = at;
    this.dataBytes = length;
  }
  /** Room for up to `length` bytes of data, where the reply would have its structure. */
  receiveData(at: usize, length: u32): void {
    this.sendData(at, length);
    this.receives = true;
  }

  /** The reply is a structure of `bytes` bytes. */
  expect(bytes: u32): void {
    this.replyBytes = bytes;
  }
  /** There will be no reply: no writable buffer, and a used length of 0. */
  expectNothing(): void {
    this.replyBytes = -1;
  }

  /** The request is whole. All buffers that the device reads come before those that it writes (virtio 1.4, 2.7.4.2). */
  seal(): void {
    store<u32>(this.page, this.receives ? this.inBytes : this.inBytes + this.dataBytes, FuseInHeader.LEN);
    this.count = 0;
    this.append(this.page, FuseInHeader.SIZEOF, 0);
    this.append(this.page + ARGUMENTS, this.argumentBytes, 0);
    if (!this.receives) this.appendData(0);
    if (this.replyBytes < 0) return;
    this.append(this.page + OUT_HEADER, FuseOutHeader.SIZEOF, VIRTQ_DESC_F_WRITE);
    this.append(this.page + OUT_BODY, this.replyBytes as u32, VIRTQ_DESC_F_WRITE);
    if (this.receives) this.appendData(VIRTQ_DESC_F_WRITE);
  }

  private appendData(flags: i32): void {
    for (let at: u32 = 0; at < this.dataBytes; at += this.dataBuffer) {
      this.append(this.data + at, min(this.dataBuffer, this.dataBytes - at), flags);
    }
  }

  private append(at: usize, length: u32, flags: i32): void {
    if (length == 0) return;
    const buffer = this.buffers + this.count++ * VirtqDesc.SIZEOF;
    store<u64>(buffer, gpa(at), VirtqDesc.ADDR);
    store<u32>(buffer, length, VirtqDesc.LEN);
    store<u16>(buffer, flags as u16, VirtqDesc.FLAGS);
  }

  /** in_header and arguments lie behind one another: a request without data, in one piece. */
  get inAddress(): usize {
    return this.page;
  }
  get inBytes(): u32 {
    return FuseInHeader.SIZEOF + this.argumentBytes;
  }

  /** The reply's structure. */
  get reply(): usize {
    return this.page + OUT_BODY;
  }

  /**
   * Judges the reply against the used length, as VirtioFsFuseCheckResponse does (Linux leaves that to a later day).
   * Returns 0 or the server's errno. A reply that is none by the protocol is the end of the device.
   */
  check(): i32 {
    const header = this.page + OUT_HEADER;
    const used = this.used;
    if (used < <u32>FuseOutHeader.SIZEOF) this.device.giveUp("a FUSE reply is shorter than its header");
    if (load<u32>(header, FuseOutHeader.LEN) != used) {
      this.device.giveUp("a FUSE reply's len differs from the used length");
    }
    if (load<u64>(header, FuseOutHeader.UNIQUE) != load<u64>(this.page, FuseInHeader.UNIQUE)) {
      this.device.giveUp("a FUSE reply answers another request");
    }
    const error = load<i32>(header, FuseOutHeader.ERROR);
    if (error > 0 || error < -ERRNO_MAX) this.device.giveUp("a FUSE reply's error is no errno");
    this.bodyBytes = used - FuseOutHeader.SIZEOF;
    if (error != 0 && this.bodyBytes != 0) this.device.giveUp("a FUSE reply has both an error and a body");
    if (error == 0 && !this.receives && this.bodyBytes != <u32>this.replyBytes) {
      this.device.giveUp("a FUSE reply has not the size of its structure");
    }
    return -error;
  }
}
