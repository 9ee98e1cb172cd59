// Mounting the share under Linux: fuse_send_init and process_init_reply of fs/fuse/inode.c. virtio_fs_get_tree sends no
// other request.

import {
  FUSE_ABORT_ERROR,
  FUSE_ASYNC_DIO,
  FUSE_ASYNC_READ,
  FUSE_ATOMIC_O_TRUNC,
  FUSE_AUTO_INVAL_DATA,
  FUSE_BIG_WRITES,
  FUSE_CACHE_SYMLINKS,
  FUSE_DONT_MASK,
  FUSE_DO_READDIRPLUS,
  FUSE_EXPLICIT_INVAL_DATA,
  FUSE_EXPORT_SUPPORT,
  FUSE_FLOCK_LOCKS,
  FUSE_HANDLE_KILLPRIV,
  FUSE_HANDLE_KILLPRIV_V2,
  FUSE_HAS_IOCTL_DIR,
  FUSE_INIT_EXT,
  FUSE_KERNEL_VERSION,
  FUSE_MAX_PAGES,
  FUSE_NO_OPENDIR_SUPPORT,
  FUSE_NO_OPEN_SUPPORT,
  FUSE_PARALLEL_DIROPS,
  FUSE_POSIX_ACL,
  FUSE_POSIX_LOCKS,
  FUSE_READDIRPLUS_AUTO,
  FUSE_SETXATTR_EXT,
  FUSE_SPLICE_MOVE,
  FUSE_SPLICE_READ,
  FUSE_SPLICE_WRITE,
  FUSE_SUBMOUNTS,
  FUSE_WRITEBACK_CACHE,
  FuseInitExtIn,
} from "../../device/spec/fuse";
import { die } from "./console";
import { errnoName } from "./errno-name";
import { FuseClient, InitOffer, InitReply } from "./fuse";
import { FuseTransport } from "./fuse-transport";

/** Linux 6.18. */
const MINOR: u32 = 45;
/** VM_READAHEAD_PAGES of 4 KiB. */
export const MAX_READAHEAD: u32 = 131072;

/** Its offer on virtiofs: that on /dev/fuse, 0x73fffffb, and FUSE_SUBMOUNTS. */
const FLAGS: u32 =
  FUSE_ASYNC_READ |
  FUSE_POSIX_LOCKS |
  FUSE_ATOMIC_O_TRUNC |
  FUSE_EXPORT_SUPPORT |
  FUSE_BIG_WRITES |
  FUSE_DONT_MASK |
  FUSE_SPLICE_WRITE |
  FUSE_SPLICE_MOVE |
  FUSE_SPLICE_READ |
  FUSE_FLOCK_LOCKS |
  FUSE_HAS_IOCTL_DIR |
  FUSE_AUTO_INVAL_DATA |
  FUSE_DO_READDIRPLUS |
  FUSE_READDIRPLUS_AUTO |
  FUSE_ASYNC_DIO |
  FUSE_WRITEBACK_CACHE |
  FUSE_NO_OPEN_SUPPORT |
  FUSE_PARALLEL_DIROPS |
  FUSE_HANDLE_KILLPRIV |
  FUSE_POSIX_ACL |
  FUSE_ABORT_ERROR |
  FUSE_MAX_PAGES |
  FUSE_CACHE_SYMLINKS |
  FUSE_NO_OPENDIR_SUPPORT |
  FUSE_EXPLICIT_INVAL_DATA |
  FUSE_SUBMOUNTS |
  FUSE_HANDLE_KILLPRIV_V2 |
  FUSE_SETXATTR_EXT |
  FUSE_INIT_EXT;
/** Security contexts, supplementary groups, expiry, shared mappings, passthrough, export, resend, idmaps, time-outs. */
const FLAGS2: u32 = 0x5fd;

/** A mounted share. */
export class Mount {
  constructor(
    readonly fuse: FuseClient,
    /** The flags that the server granted. */
    readonly flags: u32,
    /** The most bytes of a WRITE. */
    readonly maxWrite: u32,
  ) {}
}

export function mount(transport: FuseTransport): Mount {
  const fuse = new FuseClient(transport);
  const offer = new InitOffer();
  offer.minor = MINOR;
  offer.maxReadahead = MAX_READAHEAD;
  offer.flags = FLAGS;
  offer.flags2 = FLAGS2;
  offer.bytes = FuseInitExtIn.SIZEOF;
  const reply = new InitReply();
  const error = fuse.init(offer, reply);
  if (error != 0) die("mount: the server refuses FUSE_INIT: " + errnoName(error));
  if (reply.major != FUSE_KERNEL_VERSION) die("mount: the server speaks FUSE " + reply.major.toString());
  // process_init_reply: max_t(unsigned, 4096, arg->max_write)
  return new Mount(fuse, reply.flags, min(max<u32>(4096, reply.maxWrite), transport.maxData()));
}
