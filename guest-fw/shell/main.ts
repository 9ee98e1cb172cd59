// A shell on the share, above the driver of guest `linux`: mounts it, and does what it is told.
//
//   shell                  asks for commands on standard error and takes them from standard input, a line each
//   shell COMMAND ARG...   does one command
//
// Commands: COMMANDS below. Exit codes: 0; 1 when the one command or the device fails; 2 for wrong usage. Failures are a line
// each on standard error.

import { EINVAL } from "../../device/spec/errno";
import { Bytes } from "../lib/bytes";
import { cat } from "../lib/cat";
import { commandLine } from "../lib/command-line";
import { dieOfUsage, exitFailed, prompt, say, sayOnPath } from "../lib/console";
import { errnoName } from "../lib/errno-name";
import { findVirtioFs } from "../lib/find-device";
import { ls } from "../lib/ls";
import { mount } from "../lib/mount-linux";
import { wholeNumber } from "../lib/number";
import { Node } from "../lib/path";
import { Stdin } from "../lib/stdin";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";
import { VirtioPciModern } from "../lib/virtio-pci-modern";
import { bulk } from "./bulk";
import { cp, write } from "./files";
import { df, stat } from "./info";
import { mkdir, mv, rm } from "./names";
import { Share } from "./share";

const COMMANDS =
  "ls [PATH] | cat PATH | stat PATH | write PATH | cp FROM TO | mv FROM TO | mkdir PATH | rm PATH | df | bulk N";
const USAGE = "shell [" + COMMANDS + "]";

const PROMPT = "share> ";

export function _start(): void {
  const words = commandLine();
  if (words.length != 0 && !isCommand(words)) dieOfUsage(USAGE);
  const fs = new VirtioFsLinux(new VirtioPciModern(findVirtioFs()));
  fs.probed();
  const share = new Share(fs, mount(fs), new Stdin());
  if (words.length != 0) {
    const done = run(share, words);
    fs.drain();
    if (!done) exitFailed();
  } else {
    converse(share);
    fs.drain();
  }
}

/** Lines until there are no more of them, or one of them is `exit`. */
function converse(share: Share): void {
  for (;;) {
    prompt(PROMPT);
    const line = share.stdin.line();
    if (line === null) return prompt("\n");
    const words = split(line);
    if (words.length == 0) continue;
    if (words.length == 1 && words[0].toString() == "exit") return;
    if (isCommand(words)) run(share, words);
    else say("usage: " + COMMANDS + " | exit");
  }
}

function isCommand(words: Bytes[]): bool {
  const command = words[0].toString();
  const operands = words.length - 1;
  if (command == "df") return operands == 0;
  if (command == "ls") return operands <= 1;
  if (command == "cp" || command == "mv") return operands == 2;
  if (command == "bulk") return operands == 1 && wholeNumber(words[1]) >= 0;
  const one = command == "cat" || command == "stat" || command == "write" || command == "mkdir" || command == "rm";
  return one && operands == 1;
}

/** Returns whether it succeeded; if not, it has been said why. */
function run(share: Share, words: Bytes[]): bool {
  const command = words[0].toString();
  share.at = words.length > 1 ? words[1] : new Bytes(0, 0);
  const error = perform(share, command, words);
  if (error == 0) return true;
  sayOnPath(command, share.at, errnoName(error));
  return false;
}

function perform(share: Share, command: string, words: Bytes[]): i32 {
  if (command == "df") return df(share);
  if (command == "ls" || command == "cat") return show(share, command, share.at);
  if (command == "stat") return stat(share, words[1]);
  if (command == "write") return write(share, words[1]);
  if (command == "mkdir") return mkdir(share, words[1]);
  if (command == "rm") return rm(share, words[1]);
  if (command == "cp") return cp(share, words[1], words[2]);
  if (command == "mv") return mv(share, words[1], words[2]);
  if (command == "bulk") return bulk(share, wholeNumber(words[1]) as u32);
  return EINVAL;
}

function show(share: Share, command: string, path: Bytes): i32 {
  const node = new Node();
  let error = share.walk(node, path);
  if (error == 0) {
    error = command == "ls" ? ls(share.fuse, node, share.buffer) : cat(share.fuse, node, share.buffer);
  }
  node.forget(share.fuse);
  return error;
}

const SPACE: u8 = 0x20;
const TAB: u8 = 0x09;

/** The words of a line, between blanks. */
function split(line: Bytes): Bytes[] {
  const words: Bytes[] = [];
  let start: u32 = 0;
  for (let at: u32 = 0; at <= line.length; at++) {
    const byte = at < line.length ? load<u8>(line.at + at) : SPACE;
    if (byte != SPACE && byte != TAB) continue;
    if (at > start) words.push(new Bytes(line.at + start, at - start));
    start = at + 1;
  }
  return words;
}
