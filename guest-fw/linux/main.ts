// A Linux guest, as far as a virtio file system sees one: the probe at boot, which sends nothing; the mount some time
// later, which sends FUSE_INIT; and, if asked for, a file read with many requests in flight (readahead), or requests on
// both queues at once.
//
//   linux [--mount-delay-us N]                   boots and mounts
//   linux [--mount-delay-us N] reads N PATH      then prints a file of the share, with up to N reads in flight
//   linux [--mount-delay-us N] forget PATH       then looks a path up and forgets it beside another request
//
// Exit codes: 0; 1 when the file or the device fails; 2 for wrong usage. One line on standard error says which.

import { commandLine } from "../lib/command-line";
import { dieOfUsage, dieOnPath } from "../lib/console";
import { errnoName } from "../lib/errno-name";
import { findVirtioFs } from "../lib/find-device";
import { mount } from "../lib/mount-linux";
import { wholeNumber } from "../lib/number";
import { sleep } from "../lib/time";
import { VirtioFsLinux } from "../lib/virtio-fs-linux";
import { VirtioPciModern } from "../lib/virtio-pci-modern";
import { forget } from "./forget";
import { reads } from "./reads";

const USAGE = "linux [--mount-delay-us N] [reads N PATH | forget PATH]";

/** From the probe to the mount: what a boot has to do besides takes longer, but tests are to end. */
const MOUNT_DELAY_MICROS: i32 = 10_000;
/** As many as a request queue of virtiofsd's largest size could ever hold. */
const MOST_READS: i32 = 32768;

export function _start(): void {
  const words = commandLine();
  let at = 0;
  let delay = MOUNT_DELAY_MICROS;
  if (words.length >= 2 && words[0].toString() == "--mount-delay-us") {
    delay = wholeNumber(words[1]);
    at = 2;
  }
  const operands = words.length - at - 1;
  const command = operands >= 0 ? words[at].toString() : "";
  const reading = command == "reads" && operands == 2;
  const most = reading ? wholeNumber(words[at + 1]) : 1;
  const understood = operands < 0 || reading || (command == "forget" && operands == 1);
  if (delay < 0 || !understood || most < 1 || most > MOST_READS) dieOfUsage(USAGE);

  const fs = new VirtioFsLinux(new VirtioPciModern(findVirtioFs()));
  fs.probed();
  sleep(delay as u32);
  const fuse = mount(fs).fuse;
  if (operands < 0) return;

  const path = words[words.length - 1];
  const error = reading ? reads(fs, fuse, path, most as u32) : forget(fs, fuse, path);
  if (error != 0) dieOnPath(command, path, errnoName(error));
}
