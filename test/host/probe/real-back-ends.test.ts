// Real programs, where they are to be had: those of back-ends.sh, in the folder that VHOSTLAB_BACK_ENDS names.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probe, type ProbeOptions } from "../../../host/probe/probe.js";
import { SOCKET_FRONT_ENDS, STORIES, STORY_NAMES } from "../../../host/probe/stories.js";

const FOLDER = process.env.VHOSTLAB_BACK_ENDS ?? "";
const C = "virtiofsd-c";
const RUST_1_13 = "virtiofsd-rust-trixie";
const RUST_1_14 = "virtiofsd-rust-sid";
const BLK = "qemu-storage-daemon";

const present = (name: string): boolean => FOLDER !== "" && existsSync(join(FOLDER, name));
for (const name of [C, RUST_1_13, RUST_1_14, BLK].filter((each) => !present(each)))
  console.warn(`skipped: the tests of ${name}, which is not in VHOSTLAB_BACK_ENDS (test/host/native/back-ends.sh)`);

const TRIALS = 20;
const OPTIONS: ProbeOptions = {
  stories: STORY_NAMES,
  frontEnds: SOCKET_FRONT_ENDS,
  trials: TRIALS,
  seed: 1,
  conformance: false,
};

let share: string;
beforeAll(() => {
  share = mkdtempSync(join(tmpdir(), "vhostlab-share-"));
  writeFileSync(join(share, "image"), Buffer.alloc(1024 * 1024));
});
afterAll(() => rmSync(share, { recursive: true }));

const probed = (name: string, options: Partial<ProbeOptions>, served = share) =>
  probe({ command: [join(FOLDER, name), "{socket}", served] }, { ...OPTIONS, ...options });

describe.skipIf(!present(RUST_1_13))("Rust virtiofsd 1.13", () => {
  it("loses the first request of every start whose kick it takes before SET_VRING_ENABLE", async () => {
    const stories = ["kick-before-enable", "kick-before-enable-again"] as const;
    const { scenarios } = await probed(RUST_1_13, { stories });
    expect(scenarios).toMatchObject(stories.map((story) => ({ story, trials: TRIALS, lost: TRIALS })));
    // The seed's order: the kick is out of the eventfd, then SET_VRING_ENABLE comes, and nobody looks at the ring.
    const log = scenarios[0]!.firstLoss!;
    const taken = log.indexOf("q1.kick is taken (eventfd-count 0)");
    expect(taken).toBeGreaterThan(log.indexOf("kick q1.kick"));
    expect(log.indexOf("SET_VRING_ENABLE q1 num=1")).toBeGreaterThan(taken);
  });

  it("loses a request whose kick it takes while the ring is disabled, by every front-end that has it so", async () => {
    const { scenarios } = await probed(RUST_1_13, { stories: ["toggle", "resume"], trials: 3 });
    expect(scenarios.length).toBe(STORIES.toggle.frontEnds.length + STORIES.resume.frontEnds.length);
    expect(scenarios.filter(({ trials, lost }) => lost !== trials)).toEqual([]);
  });

  it("loses nothing where its control plane is waited for", async () => {
    const { scenarios } = await probed(RUST_1_13, {
      stories: ["first", "reboot", "requests"],
      frontEnds: ["qemu-8.2"],
    });
    expect(scenarios.map(({ id, answered }) => [id, answered])).toEqual(
      ["first", "reboot", "requests"].map((story) => [`${story}/qemu-8.2`, TRIALS]),
    );
  });

  it("breaks no rule", async () => {
    const { conformance } = await probed(RUST_1_13, { stories: [], conformance: true });
    expect(conformance.length).toBeGreaterThan(30);
    expect(conformance.filter(({ verdict }) => verdict === "FAIL" || verdict === "WEDGED")).toEqual([]);
  });
});

describe.skipIf(!present(C))("C virtiofsd of QEMU 7.2", () => {
  it("loses nothing in any order, as QEMU's front-ends have it", async () => {
    const frontEnds = SOCKET_FRONT_ENDS.filter((name) => name !== "cloud-hypervisor");
    // libvhost-user.c reads last_avail_idx for GET_VRING_BASE before it joins the queue's thread, which can still serve:
    // then that request is served again after the restart. A coincidence, which the explorer finds each time.
    const stories = STORY_NAMES.filter((name) => name !== "stop-race");
    const { scenarios } = await probed(C, { stories, frontEnds, trials: 2 });
    expect(scenarios.length).toBeGreaterThan(20);
    expect(scenarios.filter(({ lost, wedged, broken }) => lost + wedged + broken > 0)).toEqual([]);
  });

  // fuse_virtio.c: a second SET_VRING_KICK without GET_VRING_BASE between them is an assertion.
  it("is ended by a front-end that does not stop its rings at a reset", async () => {
    const { scenarios } = await probed(C, { stories: ["reboot"], frontEnds: ["cloud-hypervisor"], trials: 1 });
    expect(scenarios).toMatchObject([{ broken: 1, why: expect.stringMatching(/it ended by SIGABRT; .*Assertion/) }]);
  });

  it("breaks the rules of SET_VRING_ENABLE, and three of replies and ends", async () => {
    const { conformance } = await probed(C, { stories: [], conformance: true });
    expect(conformance.filter(({ verdict }) => verdict === "FAIL").map(({ id }) => id)).toEqual([
      "ack-failure",
      "need-reply-with-own-reply",
      "need-reply-not-negotiated",
      "disabled-at-first",
      "disable",
      "half-message-and-end",
    ]);
  });
});

describe.skipIf(!present(RUST_1_14))("Rust virtiofsd 1.14", () => {
  it("loses nothing in any order", async () => {
    const { scenarios } = await probed(RUST_1_14, { trials: 1 });
    expect(scenarios.filter(({ lost, wedged, broken }) => lost + wedged + broken > 0)).toEqual([]);
  });
});

describe.skipIf(!present(BLK))("QEMU's vhost-user-blk", () => {
  it("loses nothing in any order, of a device that is no file system", async () => {
    const { scenarios } = await probed(BLK, { otherQueue: 0, trials: 1 }, join(share, "image"));
    expect(scenarios.length).toBeGreaterThan(20);
    expect(scenarios.filter(({ answered, trials }) => answered !== trials)).toEqual([]);
  });
});
