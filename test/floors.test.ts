// The import floors. A folder is a role of the real world, and what are separate processes there may not import one
// another here; what may is written down below, once. Type imports count too: they are knowledge.

import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Source files: path -> text. */
type Tree = ReadonlyMap<string, string>;

const SPEC = ["vm/spec", "device/spec"];
const VM = ["vm", "vm/pci", "vm/spec", "vm/sync"];
const DEVICE = ["front-end", "back-end", "fuse", "vhost-user", "virtqueue", "spec"].map((part) => `device/${part}`);

/**
 * Each floor, and what it may import besides itself. A file belongs to the floor of the longest matching prefix. The
 * AssemblyScript floors (device/ring, guest-fw) are in no list: everybody else knows them as built wasm.
 */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  "vm/spec": [],
  "vm/sync": [],
  "vm/wasm": [],
  "vm/pci": VM,
  vm: VM,
  "device/spec": [],
  "device/ring": ["device/spec", "vm/wasm"],
  "device/virtqueue": ["device/spec", ...VM],
  "device/vhost-user": ["device/spec", ...VM],
  "device/front-end": ["device/vhost-user", "device/virtqueue", "device/spec", ...VM],
  "device/back-end": ["device/vhost-user", "device/virtqueue", "device/fuse", "device/spec", ...VM],
  "device/fuse": ["device/spec"],
  "guest-fw": [...SPEC, "vm/wasm"],
  host: [...DEVICE, ...VM],
  dist: [],
  test: ["host", "dist", ...DEVICE, ...VM],
};

/** Who may import a package; the first row that matches counts. */
const PACKAGES: readonly { readonly name: RegExp; readonly from: readonly string[] }[] = [
  { name: /^node:/, from: ["host", "device/fuse/backing/host-dir", "test"] },
  { name: /^koffi$/, from: ["host/native"] },
  { name: /^comlink(\/|$)/, from: ["host/bench", "host/threads", "host/web", "test"] },
  { name: /^@wasmer\/wasi$/, from: ["vm/guest-wasi"] },
  { name: /^(vitest|fast-check|assemblyscript)(\/|$)/, from: ["test"] },
  { name: /^/, from: ["host", "test"] },
];

/** Words that only some may use, comments and strings apart. */
const WORDS: readonly { readonly word: RegExp; readonly from: readonly string[] }[] = [
  { word: /\bAtomics\b/, from: ["vm/sync", "host/bench/ring", "test"] },
  { word: /\bpostMessage\b/, from: ["host/threads", "test"] },
];

/** Compiled by asc. */
const ASSEMBLYSCRIPT = ["device/ring", "guest-fw", "vm/wasm"];

/** What a file that both compilers take may consist of, line by line outside of functions and enums. */
const PORTABLE_LINE = /^(export const enum \w+ \{|export const \w+ = .+;|export function \w+\(.*|\s.*|\}|)$/;
const NOT_PORTABLE = /\b(number|string|bigint|BigInt|any|unknown|[iu](8|16|64)|load|store|let|Math)\b|\d+n\b|[@"'`]/;

function within(path: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`) || path.startsWith(`${prefix}.`));
}

function floorOf(path: string): string | undefined {
  const floors = Object.keys(FLOORS).filter((floor) => within(path, [floor]));
  return floors.sort((a, b) => b.length - a.length)[0];
}

/** The text without comments, and without what strings say unless it is what an import names; lines stay in place. */
function code(text: string): string {
  const token = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/.*|\/\*[\s\S]*?\*\//g;
  const blank = (found: string): string => found.replace(/[^\n]/g, " ");
  return text.replace(token, (found: string, at: number) => {
    if (found.startsWith("/")) return blank(found);
    if (/\b(from|import)\s*\(?\s*$/.test(text.slice(0, at))) return found;
    return found[0] + blank(found.slice(1, -1)) + found[0];
  });
}

/** Every import of a file: static, re-exported, for side effects, or dynamic; a path that is no literal is "?". */
function importsOf(text: string): { line: number; path: string }[] {
  const statement = /\bfrom\s*"([^"]+)"|\bimport\s*"([^"]+)"|\bimport\s*\((?:\s*"([^"]+)"\s*\))?/g;
  const source = code(text);
  return [...source.matchAll(statement)].map((match) => ({
    line: source.slice(0, match.index + match[0].length).split("\n").length,
    path: match[1] ?? match[2] ?? match[3] ?? "?",
  }));
}

/** `path:line: what is wrong`, a line a breach. */
function breaches(tree: Tree): string[] {
  const found: string[] = [];
  const spec = assemblyScriptSpec(tree);
  for (const [path, text] of tree) {
    const floor = floorOf(path);
    if (floor === undefined) {
      found.push(`${path}:1: belongs to no floor`);
      continue;
    }
    for (const { line, path: imported } of importsOf(text)) {
      const wrong = wrongImport(path, floor, imported);
      if (wrong) found.push(`${path}:${line}: ${wrong}`);
    }
    for (const [i, line] of code(text).split("\n").entries()) {
      for (const { word, from } of WORDS) {
        const [used] = word.exec(line) ?? [];
        if (used && !within(path, from)) found.push(`${path}:${i + 1}: ${used}, for ${from.join(", ")} only`);
      }
    }
    if (spec.has(path)) found.push(...notPortable(path, text));
  }
  return found;
}

function wrongImport(path: string, floor: string, imported: string): string | undefined {
  if (!imported.startsWith(".")) {
    const row = PACKAGES.find(({ name }) => name.test(imported))!;
    return within(path, row.from) ? undefined : `${imported} is for ${row.from.join(", ")} only`;
  }
  const target = posix.join(posix.dirname(path), imported);
  const into = floorOf(target);
  if (into === floor || (into && FLOORS[floor]!.includes(into))) return undefined;
  return `${floor} may not import ${into ?? target}`;
}

/** The files of the spec floors that AssemblyScript sources import, directly or through one another. */
function assemblyScriptSpec(tree: Tree): Set<string> {
  const reached = new Set<string>();
  const open = [...tree.keys()].filter((path) => within(path, ASSEMBLYSCRIPT));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const { path: imported } of importsOf(tree.get(path) ?? "")) {
      const target = `${posix.join(posix.dirname(path), imported).replace(/\.js$/, "")}.ts`;
      if (!within(target, SPEC) || reached.has(target)) continue;
      reached.add(target);
      open.push(target);
    }
  }
  return reached;
}

function notPortable(path: string, text: string): string[] {
  return code(text)
    .split("\n")
    .flatMap((line, i) => {
      const [word] = NOT_PORTABLE.exec(line) ?? [];
      if (word) return [`${path}:${i + 1}: ${word} is not portable`];
      return PORTABLE_LINE.test(line.trimEnd()) ? [] : [`${path}:${i + 1}: not portable: ${line}`];
    });
}

function sources(): Map<string, string> {
  const tree = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(`${ROOT}/${folder}`, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.[cm]?[jt]s$/.test(entry.name)) continue;
      const path = posix.relative(ROOT, `${entry.parentPath}/${entry.name}`);
      tree.set(path, readFileSync(`${ROOT}/${path}`, "utf8"));
    }
  }
  return tree;
}

const FOLDERS = ["device", "guest-fw", "host", "test", "vm"];

describe("the tree", () => {
  const tree = sources();

  it("breaks no floor", () => {
    expect(tree.size).toBeGreaterThan(150);
    expect(breaches(tree)).toEqual([]);
  });

  it("shares its layouts with AssemblyScript: both spec folders are reached", () => {
    const shared = [...assemblyScriptSpec(tree)];
    expect(shared).toEqual(expect.arrayContaining(["device/spec/virtq.ts", "device/spec/fuse.ts", "vm/spec/pci.ts"]));
    expect(shared.filter((path) => !tree.has(path))).toEqual([]);
  });

  it("has the five source folders and plain files at its top, beside dot-folders and what git ignores", () => {
    const ignored = readFileSync(`${ROOT}/.gitignore`, "utf8").split("\n");
    const entries = readdirSync(ROOT, { withFileTypes: true }).filter(({ name }) => !name.startsWith("."));
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    expect(folders.filter((name) => !ignored.includes(`${name}/`)).sort()).toEqual(FOLDERS);
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    expect(files).toEqual(expect.arrayContaining(["package.json", "asconfig.json", "README.md", "LICENSE"]));
    expect(files.filter((name) => /\.[cm]?[jt]sx?$/.test(name))).toEqual(["vite.config.ts", "vitest.config.ts"]);
  });
});

describe("planted breaches", () => {
  const clean: Tree = new Map([
    ["vm/spec/board.ts", "// \"gpa\" of RAM: 1n, @here\nexport const RAM = 0x80000000; // a 'base'\n"],
    ["vm/sync/words.ts", "export const load = Atomics.load;\n"],
    ["vm/bus.ts", '// Atomics\nimport type { Op } from "./sync/op.js";\nexport const said = "Atomics";\n'],
    [
      "device/spec/virtq.ts",
      "export const enum Virtq {\n  IDX = 2,\n}\nexport function twice(n: i32): i32 {\n  return 2 * n;\n}\n",
    ],
    ["device/spec/refusal.ts", 'import { Virtq } from "./virtq.js";\nexport const RULE = "in words";\n'],
    ["device/ring/used.ts", 'import { Virtq } from "../spec/virtq";\nexport { a } from "./avail";\n'],
    ["device/virtqueue.ts", 'import { RegionTable } from "../vm/regions.js";\n'],
    ["device/front-end/pci.ts", 'import { ring } from "../virtqueue.js";\nimport "../../vm/pci/function.js";\n'],
    ["device/back-end/rust.ts", 'import { FuseSession } from "../fuse/session.js";\n'],
    ["device/fuse/backing/host-dir.ts", 'import fs from "node:fs";\n'],
    ["guest-fw/lib/pci.ts", 'import { RAM } from "../../vm/spec/board";\n'],
    ["host/threads/spawn.ts", 'import { wrap } from "comlink";\nport.postMessage(1);\n'],
    ["host/cli.ts", 'const a = await import("./threads/spawn.js");\nimport { Command } from "commander";\n'],
    ["host/report/said.ts", "const said = 'import { x } from \"../../guest-fw/a\"';\n"],
    ["host/native/libc.ts", 'import koffi from "koffi";\n'],
    ["test/a.test.ts", 'import { it } from "vitest";\nimport { run } from "../host/cli.js";\n'],
  ]);

  it("a clean tree has none", () => {
    expect(breaches(clean)).toEqual([]);
  });

  it.each([
    [
      "device/front-end/a.ts",
      'import { x } from "../back-end/rust.js";',
      "device/front-end may not import device/back-end",
    ],
    [
      "device/back-end/a.ts",
      'export { x } from "../front-end/pci.js";',
      "device/back-end may not import device/front-end",
    ],
    [
      "device/front-end/a.ts",
      'import type { x } from "../fuse/session.js";',
      "device/front-end may not import device/fuse",
    ],
    ["device/fuse/a.ts", 'import { x } from "../virtqueue.js";', "device/fuse may not import device/virtqueue"],
    ["device/fuse/a.ts", 'import { x } from "../../vm/bus.js";', "device/fuse may not import vm"],
    ["device/spec/a.ts", 'import { x } from "../virtqueue.js";', "device/spec may not import device/virtqueue"],
    ["device/ring/a.ts", 'import { x } from "../../vm/spec/board";', "device/ring may not import vm/spec"],
    ["device/virtqueue.ts", 'import { x } from "./ring/used.js";', "device/virtqueue may not import device/ring"],
    ["vm/a.ts", 'import { x } from "../device/virtqueue.js";', "vm may not import device/virtqueue"],
    ["vm/sync/a.ts", 'import { x } from "../bus.js";', "vm/sync may not import vm"],
    ["guest-fw/a.ts", 'import { x } from "../device/virtqueue";', "guest-fw may not import device/virtqueue"],
    ["host/a.ts", 'import "../guest-fw/lib/pci.js";', "host may not import guest-fw"],
    ["host/a.ts", 'await import("../test/a.test.js");', "host may not import test"],
    ["host/a.ts", 'import { x } from "../dist/a.js";', "host may not import dist"],
    ["vm/a.ts", "await import(name);", "? is for host, test only"],
    ["vm/a.ts", 'import { x } from "node:os";', "node:os is for host, device/fuse/backing/host-dir, test only"],
    ["device/fuse/backing/memory.ts", 'import fs from "fs";', "fs is for host, test only"],
    ["host/threads/a.ts", 'import koffi from "koffi";', "koffi is for host/native only"],
    [
      "host/report/a.ts",
      'import { wrap } from "comlink";',
      "comlink is for host/bench, host/threads, host/web, test only",
    ],
    ["host/a.ts", 'import { WASI } from "@wasmer/wasi";', "@wasmer/wasi is for vm/guest-wasi only"],
    ["host/a.ts", 'import { it } from "vitest";', "vitest is for test only"],
    ["host/a.ts", "Atomics.wait(a, 0, 0); // Atomics", "Atomics, for vm/sync, host/bench/ring, test only"],
    ["vm/sync/a.ts", "port.postMessage(1);", "postMessage, for host/threads, test only"],
    ["tools/a.ts", "export {};", "belongs to no floor"],
    ["device/spec/virtq.ts", "export const WIDE = 1n;", "1n is not portable"],
    ["device/spec/virtq.ts", 'export const RULE = "words";', '" is not portable'],
    ["device/spec/virtq.ts", "export function f(n: number): number {", "number is not portable"],
    ["vm/spec/board.ts", "const hidden = 1;", "not portable: const hidden = 1;"],
  ])("%s: %s", (path, text, wrong) => {
    const planted = new Map([...clean, [path, text]]);
    expect(breaches(planted)).toEqual([`${path}:1: ${wrong}`]);
  });

  it("are found on their line", () => {
    const text = '/* two\n lines */\nimport {\n  x,\n} from "../back-end/rust.js";\n';
    expect(breaches(new Map([["device/front-end/a.ts", text]]))).toEqual([
      "device/front-end/a.ts:5: device/front-end may not import device/back-end",
    ]);
  });
});
