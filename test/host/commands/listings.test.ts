import { describe, expect, it } from "vitest";
import { parseSchedule } from "../../../host/explore/schedule.js";
import { SCRIPT } from "../../../host/scenario/catalog/index.js";
import { OCCUPANTS } from "../../../host/scenario/occupants.js";
import { SCRIPTS } from "../../../host/scenario/scenario.js";
import { runWith } from "../fakes.js";

describe("vhostlab scenarios", () => {
  it("lists what a scenario is made of; ioctl and kernel go together only", async () => {
    const { exitCode, data } = await runWith({}, ["scenarios"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(/^ +ioctl +kernel$/m);
    expect(data).toMatch(/^ +qemu-8.2 +rekick, rust-0.10, .*, c$/m);
    for (const script of SCRIPTS) expect(data).toMatch(new RegExp(`^  ${script} +${SCRIPT[script].about}$`, "m"));
    expect(data).toMatch(/^ +two-queues .*\n +for linux only$/m);
    expect(data).toMatch(/^ +no-event-idx +--no-event-idx$/m);
    expect(data).toMatch(/^ +kick-count-0 +--kick-count 0$/m);
  });

  it("--json: every combination is the head of a schedule", async () => {
    const { data } = await runWith({}, ["scenarios", "--json"]);
    const { guests, pairs, enableAt, scripts, options } = JSON.parse(data);
    expect(pairs).toHaveLength(5 * 6 + 1);
    for (const guest of guests)
      for (const { frontEnd, backEnd } of pairs)
        for (const write of enableAt)
          for (const { name } of scripts)
            for (const option of ["", ...options.map((each: { name: string }) => `:${each.name}`)]) {
              const { scenario } = parseSchedule(`${guest}:${frontEnd}:${backEnd}:${write}:${name}${option}/`);
              expect(scenario).toMatchObject({ guest, frontEnd, backEnd, enableAt: write, script: name });
            }
  });
});

describe("vhostlab occupants", () => {
  it("says for each of them what it stands for, and how that is known", async () => {
    const { exitCode, data } = await runWith({}, ["occupants"]);
    expect(exitCode).toBe(0);
    expect(data).toMatch(
      /^front-end qemu-8.1\n +stands for +QEMU 7.2 to 8.1\n +does .*\n +known +measured: traces of 7.2.22$/m,
    );
    expect(data).toMatch(/^back-end rust-0.12\n.*\n.*\n +known +read: .*is not known: as rust-0.10$/m);
    for (const { name } of OCCUPANTS) expect(data).toContain(` ${name}\n`);
  });

  it("--json: one record an occupant", async () => {
    const { data } = await runWith({}, ["occupants", "--json"]);
    const { schemaVersion, occupants } = JSON.parse(data);
    expect(schemaVersion).toBe(1);
    expect(occupants).toEqual(OCCUPANTS);
    expect(Object.keys(occupants[0])).toEqual(["seat", "name", "standsFor", "does", "certainty", "source"]);
  });
});
