// Names of errno numbers, for messages to a person: those that device/spec/errno.ts knows.

import {
  E2BIG,
  EACCES,
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  ELOOP,
  EMFILE,
  ENAMETOOLONG,
  ENFILE,
  ENOBUFS,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOSYS,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EPROTO,
  ERANGE,
  EROFS,
  ESTALE,
  EXDEV,
} from "../../device/spec/errno";

export function errnoName(errno: i32): string {
  switch (errno) {
    case E2BIG:
      return "E2BIG";
    case EBUSY:
      return "EBUSY";
    case EFAULT:
      return "EFAULT";
    case ENOBUFS:
      return "ENOBUFS";
    case EPERM:
      return "EPERM";
    case ENOENT:
      return "ENOENT";
    case EIO:
      return "EIO";
    case ENXIO:
      return "ENXIO";
    case EBADF:
      return "EBADF";
    case ENOMEM:
      return "ENOMEM";
    case EACCES:
      return "EACCES";
    case EEXIST:
      return "EEXIST";
    case EXDEV:
      return "EXDEV";
    case ENOTDIR:
      return "ENOTDIR";
    case EISDIR:
      return "EISDIR";
    case EINVAL:
      return "EINVAL";
    case ENFILE:
      return "ENFILE";
    case EMFILE:
      return "EMFILE";
    case EFBIG:
      return "EFBIG";
    case ENOSPC:
      return "ENOSPC";
    case EROFS:
      return "EROFS";
    case ERANGE:
      return "ERANGE";
    case ENAMETOOLONG:
      return "ENAMETOOLONG";
    case ENOSYS:
      return "ENOSYS";
    case ENOTEMPTY:
      return "ENOTEMPTY";
    case ELOOP:
      return "ELOOP";
    case EPROTO:
      return "EPROTO";
    case EOPNOTSUPP:
      return "EOPNOTSUPP";
    case ESTALE:
      return "ESTALE";
    default:
      return "errno " + errno.toString();
  }
}
