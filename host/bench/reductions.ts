// What `npm run bench` says of the explorer's reductions: how many schedules five scenarios have, and what each leaves of
// them. Counts only, the same on any machine; as the README's table.

import { createWorld } from "../explore/explore.js";
import { POLICY } from "../explore/policies/index.js";
import { parseSchedule } from "../explore/schedule.js";
import { search } from "../explore/visited.js";
import { big } from "../report/explore-words.js";
import { nodePlatform } from "../threads/spawn.js";

const SCENARIOS = [
  "ovmf:qemu-8.1:rust-0.10:driver-ok:first",
  "ovmf:qemu-8.2:rust-0.10:driver-ok:first",
  "ovmf:qemu-8.1:c:driver-ok:first",
  "ovmf:cloud-hypervisor:rust-0.22:driver-ok:toggle",
  "ovmf:ioctl:kernel:driver-ok:toggle",
];
const LIMIT = 1_000_000;

console.log("| scenario | schedules | states | eager: schedules | eager: states | dpor: executions | final states |");
console.log("|---|---|---|---|---|---|---|");
for (const name of SCENARIOS) {
  const world = await createWorld(nodePlatform, parseSchedule(`${name}/`).scenario);
  const naive = search(world, { maxExecutions: LIMIT, eager: false });
  const eager = search(world, { maxExecutions: LIMIT, eager: true });
  const dpor = POLICY.dpor(world, { maxSchedules: LIMIT, seed: 1 });
  const all = [naive, eager, dpor];
  const finals = naive.ends.length;
  if (!all.every(({ complete, ends }) => complete && ends.length === finals))
    throw new Error(`${name}: a method is not complete, or has other final states`);
  const paths = [naive, eager].map((each) => big(each.paths.toString()));
  const cells = [`\`${name}\``, paths[0], naive.states, paths[1], eager.states, dpor.executions, finals];
  console.log(`| ${cells.join(" | ")} |`);
}
