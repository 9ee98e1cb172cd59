// What is published: the built program with what it needs at run time, and nothing else.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { GUESTS } from "../host/scenario/occupants.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}/${path}`, "utf8");

const manifest: {
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
} = JSON.parse(read("package.json"));
const bin = manifest.bin.vhostlab!;

/** Loaded by path, so that no import leads to it. */
const WORKER = "dist/host/threads/actor.worker.js";
const RING_WORKER = "dist/host/bench/ring/ring.worker.js";

/** What `npm pack` would put into the tarball, of the build that is there. */
function packed(): string[] {
  const npm = ["pack", "--dry-run", "--json", "--ignore-scripts", "--offline"];
  const output = execFileSync("npm", npm, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const [tarball] = JSON.parse(output) as [{ files: { path: string }[] }];
  return tarball.files.map(({ path }) => path);
}

/** What a built module imports, statically or not. */
function importsOf(path: string): string[] {
  const statement = /^(?:import|export) (?:[^;"]* from )?"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...read(path).matchAll(statement)].map((match) => match[1] ?? match[2]!);
}

describe("the package", () => {
  const files = packed();

  it("holds built modules, the wasm, the C twin of the ring, the recorded matrix, the documents and nothing else", () => {
    const expected =
      /^((package|matrix)\.json|LICENSE|(README|ARCHITECTURE|CHANGELOG)\.md|dist\/wasm\/[\w.-]+\.wasm|dist\/(vm|device|host)\/.+\.js|host\/bench\/ring\/twin\.c)$/;
    expect(files.filter((path) => !expected.test(path))).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"]));
  });

  it.each([
    bin,
    WORKER,
    RING_WORKER,
    "host/bench/ring/twin.c",
    "matrix.json",
    "dist/wasm/ring.wasm",
    "dist/wasm/driver.wasm",
    ...GUESTS.flatMap((guest) => [`dist/wasm/${guest}.wasm`, `dist/wasm/${guest}.explored.wasm`]),
  ])("holds %s", (path) => {
    expect(files).toContain(path);
  });

  it("holds every module that the command and its Workers import, and depends on every package", () => {
    const reached = new Set([bin, WORKER, RING_WORKER]);
    const packages = new Set<string>();
    for (const path of reached) {
      for (const imported of importsOf(path)) {
        if (imported.startsWith(".")) reached.add(posix.join(posix.dirname(path), imported));
        else if (!imported.startsWith("node:")) packages.add(/^(@[^/]+\/)?[^/]+/.exec(imported)![0]);
      }
    }
    expect(reached).toContain("dist/device/back-end/rust.js"); // the walk went all the way down
    expect([...reached].filter((path) => !files.includes(path))).toEqual([]);
    const depended = { ...manifest.dependencies, ...manifest.optionalDependencies };
    expect([...packages].filter((name) => !(name in depended))).toEqual([]);
  });

  it("has a bin that Node runs", () => {
    expect(Object.keys(manifest.bin)).toEqual(["vhostlab"]);
    expect(read(bin).split("\n")[0]).toBe("#!/usr/bin/env node");
  });
});

describe("its dependencies", () => {
  const lock: {
    readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string }>>;
  } = JSON.parse(read("package-lock.json"));
  const locked = Object.entries(lock.packages).filter(([path]) => path !== "");

  it("are locked by content, not by the address of a registry", () => {
    expect(locked.length).toBeGreaterThan(0);
    expect(locked.filter(([, { integrity }]) => !integrity?.startsWith("sha512-"))).toEqual([]);
    expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  it("are pinned to one version each", () => {
    const versions = Object.values({
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.devDependencies,
    });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
