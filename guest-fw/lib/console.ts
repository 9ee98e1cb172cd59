// Standard output, standard error and the exit code, by WASI preview 1: the program's serial port. A failure is one
// line on standard error and an exit code; nothing is ever thrown to the host.

import { Bytes } from "./bytes";

@external("wasi_snapshot_preview1", "fd_write")
declare function fdWrite(fd: u32, vectors: usize, count: u32, written: usize): u32;

@external("wasi_snapshot_preview1", "proc_exit")
declare function procExit(code: u32): void;

const STDOUT = 1;
const STDERR = 2;

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** 128 + SIGABRT, as a shell reports it. */
const EXIT_ABORT = 134;

/** struct ciovec { u32 buf; u32 len } of the one fd_write at a time, and the count of bytes that it answers. */
const VECTOR = memory.data(8, 4);
const WRITTEN = memory.data(4, 4);

/** Writes raw bytes to standard output. */
export function print(at: usize, length: u32): void {
  if (!write(STDOUT, at, length)) die("cannot write to standard output");
}

/** Text to standard output. */
export function printText(text: string): void {
  const bytes = String.UTF8.encode(text);
  print(changetype<usize>(bytes), bytes.byteLength);
}

/** One line on standard error. */
export function say(line: string): void {
  writeText(line + "\n");
}

/** On standard error, without a line's end: what a person is to type comes behind it. */
export function prompt(text: string): void {
  writeText(text);
}

/** The machine did what the firmware does not expect of it. */
export function die(reason: string): void {
  end("firmware: " + reason, EXIT_FAILURE);
}

/** A command failed on a path, which is written as the bytes that it is: it need not be UTF-8. */
export function sayOnPath(command: string, path: Bytes, reason: string): void {
  writeText(command + ": ");
  write(STDERR, path.at, path.length);
  say(": " + reason);
}

export function dieOnPath(command: string, path: Bytes, reason: string): void {
  sayOnPath(command, path, reason);
  exitFailed();
}

/** Why has been said. */
export function exitFailed(): void {
  procExit(EXIT_FAILURE);
  unreachable();
}

export function dieOfUsage(line: string): void {
  end("usage: " + line, EXIT_USAGE);
}

/** Compiled code comes here when one of its own checks fails (asc: --use abort=...). */
export function abort(message: string | null, file: string | null, line: u32, _column: u32): void {
  const what = message === null ? "" : message;
  const where = file === null ? "" : file;
  end("firmware: abort " + what + " " + where + ":" + line.toString(), EXIT_ABORT);
}

function end(line: string, code: u32): void {
  say(line);
  procExit(code);
  unreachable();
}

function writeText(text: string): void {
  const bytes = String.UTF8.encode(text);
  write(STDERR, changetype<usize>(bytes), bytes.byteLength);
}

function write(fd: u32, at: usize, length: u32): bool {
  while (length != 0) {
    store<u32>(VECTOR, at as u32);
    store<u32>(VECTOR, length, 4);
    if (fdWrite(fd, VECTOR, 1, WRITTEN) != 0) return false;
    const written = load<u32>(WRITTEN);
    if (written == 0 || written > length) return false;
    at += written;
    length -= written;
  }
  return true;
}
