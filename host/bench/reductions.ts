// What `npm run reductions` prints: how many schedules five scenarios have, and what is left of them by each reduction.
// Counts only: the same on any machine. As rows of the README's table.

import { createWorld } from "../explore/explore.js";
import { POLICY } from "../explore/policies/index.js";
import { parseSchedule } from "../explore/schedule.js";
import { search } from "../explore/visited.js";
import { big } from "../report/explore-words.js";
import { nodePlatform } from "../threads/spawn.js";

const SCENARIOS = [
  "ovmf:qemu-8.1:rust-0.10:driver-ok:first",
  "ovmf:qemu-8.2:rust-0.10:driver-ok:first",
  "ovmf:qemu-8.1:rekick:driver-ok:first",
  "ovmf:cloud-hypervisor:rust-0.22:driver-ok:resume",
  "ovmf:ioctl:kernel:driver-ok:toggle",
];
const LIMIT = 1_000_000;

console.log("| scenario | schedules | states | eager: schedules | states | partial-order: executions | final states |");
console.log("|---|---|---|---|---|---|---|");
for (const name of SCENARIOS) {
  const world = await createWorld(nodePlatform, parseSchedule(`${name}/`).scenario);
  const naive = search(world, { maxExecutions: LIMIT, eager: false });
  const eager = search(world, { maxExecutions: LIMIT, eager: true });
  const dpor = POLICY.dpor(world, { maxSchedules: LIMIT, seed: 1 });
  const all = [naive, eager, dpor];
  if (!all.every(({ complete }) => complete)) throw new Error(`${name}: not complete`);
  const cells = [
    `\`${name}\``,
    big(naive.paths.toString()),
    naive.states,
    big(eager.paths.toString()),
    eager.states,
    dpor.executions,
    all.map(({ ends }) => ends.length).join(", "),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
