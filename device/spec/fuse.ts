// The FUSE protocol (include/uapi/linux/fuse.h): version, flags and the structures of the requests that are served, with
// the mode, type and open bits of Linux that they carry. All fields are little-endian. Opcodes: fuse-opcode.ts.
// Compiled by tsc and asc: numbers only.

/** The version that the server speaks, that of Rust virtiofsd. */
export const FUSE_KERNEL_VERSION = 7;
export const FUSE_KERNEL_MINOR_VERSION = 38;

export const FUSE_ROOT_ID = 1;

/** dirent.ino of an entry whose inode number is not known (libfuse's FUSE_UNKNOWN_INO). */
export const FUSE_UNKNOWN_INO = 0xffffffff;

// --- flags of FUSE_INIT, word `flags` -------------------------------------------------------------------------------
export const FUSE_ASYNC_READ = 1 << 0;
export const FUSE_POSIX_LOCKS = 1 << 1;
export const FUSE_FILE_OPS = 1 << 2;
export const FUSE_ATOMIC_O_TRUNC = 1 << 3;
export const FUSE_EXPORT_SUPPORT = 1 << 4;
export const FUSE_BIG_WRITES = 1 << 5;
export const FUSE_DONT_MASK = 1 << 6;
export const FUSE_SPLICE_WRITE = 1 << 7;
export const FUSE_SPLICE_MOVE = 1 << 8;
export const FUSE_SPLICE_READ = 1 << 9;
export const FUSE_FLOCK_LOCKS = 1 << 10;
export const FUSE_HAS_IOCTL_DIR = 1 << 11;
export const FUSE_AUTO_INVAL_DATA = 1 << 12;
export const FUSE_DO_READDIRPLUS = 1 << 13;
export const FUSE_READDIRPLUS_AUTO = 1 << 14;
export const FUSE_ASYNC_DIO = 1 << 15;
export const FUSE_WRITEBACK_CACHE = 1 << 16;
export const FUSE_NO_OPEN_SUPPORT = 1 << 17;
export const FUSE_PARALLEL_DIROPS = 1 << 18;
export const FUSE_HANDLE_KILLPRIV = 1 << 19;
export const FUSE_POSIX_ACL = 1 << 20;
export const FUSE_ABORT_ERROR = 1 << 21;
export const FUSE_MAX_PAGES = 1 << 22;
export const FUSE_CACHE_SYMLINKS = 1 << 23;
export const FUSE_NO_OPENDIR_SUPPORT = 1 << 24;
export const FUSE_EXPLICIT_INVAL_DATA = 1 << 25;
export const FUSE_MAP_ALIGNMENT = 1 << 26;
export const FUSE_SUBMOUNTS = 1 << 27;
export const FUSE_HANDLE_KILLPRIV_V2 = 1 << 28;
export const FUSE_SETXATTR_EXT = 1 << 29;
export const FUSE_INIT_EXT = 1 << 30;

/** getattr_in.getattr_flags: the fh field is meant. */
export const FUSE_GETATTR_FH = 1 << 0;

/** fsync_in.fsync_flags: the data alone, as fdatasync(2). */
export const FUSE_FSYNC_FDATASYNC = 1 << 0;

// --- setattr_in.valid: the fields that are meant ----------------------------------------------------------------------
export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
/** Beside FATTR_ATIME: the server's clock, not the field. */
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;
export const FATTR_LOCKOWNER = 1 << 9;
export const FATTR_CTIME = 1 << 10;
export const FATTR_KILL_SUIDGID = 1 << 11;

// --- structures -----------------------------------------------------------------------------------------------------
export const enum FuseInHeader {
  /** The whole request with this header, in bytes. */
  LEN = 0,
  OPCODE = 4,
  UNIQUE = 8,
  NODEID = 16,
  UID = 24,
  GID = 28,
  PID = 32,
  /** u16, length of the extensions at the end of the request, in units of 8 bytes. */
  TOTAL_EXTLEN = 36,
  SIZEOF = 40,
}

export const enum FuseOutHeader {
  LEN = 0,
  /** -errno, 0 for success. */
  ERROR = 4,
  UNIQUE = 8,
  SIZEOF = 16,
}

export const enum FuseInitIn {
  MAJOR = 0,
  MINOR = 4,
  MAX_READAHEAD = 8,
  FLAGS = 12,
  /** Without FUSE_INIT_EXT. */
  SIZEOF = 16,
}

/** What FUSE_INIT_EXT adds: flags2, and words that are reserved. */
export const enum FuseInitExtIn {
  FLAGS2 = 16,
  SIZEOF = 64,
}

export const enum FuseInitOut {
  MAJOR = 0,
  MINOR = 4,
  MAX_READAHEAD = 8,
  FLAGS = 12,
  MAX_BACKGROUND = 16,
  CONGESTION_THRESHOLD = 18,
  MAX_WRITE = 20,
  TIME_GRAN = 24,
  MAX_PAGES = 28,
  MAP_ALIGNMENT = 30,
  FLAGS2 = 32,
  SIZEOF = 64,
}

export const enum FuseAttr {
  INO = 0,
  SIZE = 8,
  BLOCKS = 16,
  ATIME = 24,
  MTIME = 32,
  CTIME = 40,
  ATIMENSEC = 48,
  MTIMENSEC = 52,
  CTIMENSEC = 56,
  MODE = 60,
  NLINK = 64,
  UID = 68,
  GID = 72,
  RDEV = 76,
  BLKSIZE = 80,
  FLAGS = 84,
  SIZEOF = 88,
}

export const enum FuseEntryOut {
  NODEID = 0,
  GENERATION = 8,
  ENTRY_VALID = 16,
  ATTR_VALID = 24,
  ENTRY_VALID_NSEC = 32,
  ATTR_VALID_NSEC = 36,
  ATTR = 40,
  SIZEOF = 128,
}

export const enum FuseForgetIn {
  NLOOKUP = 0,
  SIZEOF = 8,
}

export const enum FuseBatchForgetIn {
  COUNT = 0,
  SIZEOF = 8,
}

export const enum FuseForgetOne {
  NODEID = 0,
  NLOOKUP = 8,
  SIZEOF = 16,
}

export const enum FuseGetattrIn {
  GETATTR_FLAGS = 0,
  FH = 8,
  SIZEOF = 16,
}

export const enum FuseAttrOut {
  ATTR_VALID = 0,
  ATTR_VALID_NSEC = 8,
  ATTR = 16,
  SIZEOF = 104,
}

export const enum FuseSetattrIn {
  VALID = 0,
  FH = 8,
  SIZE = 16,
  LOCK_OWNER = 24,
  ATIME = 32,
  MTIME = 40,
  CTIME = 48,
  ATIMENSEC = 56,
  MTIMENSEC = 60,
  CTIMENSEC = 64,
  MODE = 68,
  UID = 76,
  GID = 80,
  SIZEOF = 88,
}

/** The name follows, as it does in the other structures of makers. */
export const enum FuseMknodIn {
  MODE = 0,
  RDEV = 4,
  UMASK = 8,
  SIZEOF = 16,
}

export const enum FuseMkdirIn {
  MODE = 0,
  UMASK = 4,
  SIZEOF = 8,
}

/** The new name follows; the request's nodeid is the directory for it. */
export const enum FuseLinkIn {
  OLDNODEID = 0,
  SIZEOF = 8,
}

/** The old name and the new one follow; the request's nodeid is the old directory. */
export const enum FuseRenameIn {
  NEWDIR = 0,
  SIZEOF = 8,
}

export const enum FuseRename2In {
  NEWDIR = 0,
  FLAGS = 8,
  SIZEOF = 16,
}

/** OPEN and OPENDIR. */
export const enum FuseOpenIn {
  FLAGS = 0,
  OPEN_FLAGS = 4,
  SIZEOF = 8,
}

export const enum FuseOpenOut {
  FH = 0,
  OPEN_FLAGS = 8,
  SIZEOF = 16,
}

/** The reply is an entry_out, then an open_out. */
export const enum FuseCreateIn {
  FLAGS = 0,
  MODE = 4,
  UMASK = 8,
  OPEN_FLAGS = 12,
  SIZEOF = 16,
}

/** READ, READDIR and READDIRPLUS. */
export const enum FuseReadIn {
  FH = 0,
  OFFSET = 8,
  SIZE = 16,
  READ_FLAGS = 20,
  LOCK_OWNER = 24,
  FLAGS = 32,
  SIZEOF = 40,
}

/** The data follows. */
export const enum FuseWriteIn {
  FH = 0,
  OFFSET = 8,
  SIZE = 16,
  WRITE_FLAGS = 20,
  LOCK_OWNER = 24,
  FLAGS = 32,
  SIZEOF = 40,
}

export const enum FuseWriteOut {
  SIZE = 0,
  SIZEOF = 8,
}

/** FSYNC and FSYNCDIR. */
export const enum FuseFsyncIn {
  FH = 0,
  FSYNC_FLAGS = 8,
  SIZEOF = 16,
}

export const enum FuseFlushIn {
  FH = 0,
  LOCK_OWNER = 16,
  SIZEOF = 24,
}

/** RELEASE and RELEASEDIR. */
export const enum FuseReleaseIn {
  FH = 0,
  FLAGS = 8,
  RELEASE_FLAGS = 12,
  LOCK_OWNER = 16,
  SIZEOF = 24,
}

export const enum FuseInterruptIn {
  UNIQUE = 0,
  SIZEOF = 8,
}

export const enum FuseStatfsOut {
  BLOCKS = 0,
  BFREE = 8,
  BAVAIL = 16,
  FILES = 24,
  FFREE = 32,
  BSIZE = 40,
  NAMELEN = 44,
  FRSIZE = 48,
  SIZEOF = 80,
}

/** READDIR: the name follows; then NULs up to a multiple of 8. */
export const enum FuseDirent {
  INO = 0,
  /** The offset with which the next READDIR goes on after this entry. */
  OFF = 8,
  NAMELEN = 16,
  TYPE = 20,
  NAME = 24,
}

/** READDIRPLUS: an entry_out, then a dirent. */
export const enum FuseDirentplus {
  ENTRY_OUT = 0,
  DIRENT = 128,
}

/** A dirent or direntplus takes a multiple of 8 bytes. */
export function fuseDirentAlign(length: i32): i32 {
  return (length + 7) & ~7;
}

// --- Linux: include/uapi/linux/stat.h, limits.h, fs.h, dirent types, asm-generic/fcntl.h -------------------------------
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o010;
export const S_IRWXUGO = 0o777;
/** All of a mode that chmod(2) sets. */
export const S_IALLUGO = 0o7777;

/** dirent.type is the S_IFMT part of the mode, shifted by this. */
export const DT_SHIFT = 12;
export const DT_UNKNOWN = 0;
export const DT_DIR = 4;

/** Longest name in bytes, without its NUL. */
export const NAME_MAX = 255;

/** Longest path in bytes, its NUL among them. */
export const PATH_MAX = 4096;

/** renameat2(2): a name that is there is not replaced. */
export const RENAME_NOREPLACE = 1;

export const O_ACCMODE = 0o3;
export const O_RDONLY = 0o0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
