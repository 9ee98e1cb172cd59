// The shape of the two built modules: nothing in them may live between calls or wait, and each step of the device side
// reaches at most one word that the driver shares.

import { describe, expect, it } from "vitest";
import { builtWasm } from "../../driver/wasm.js";

/** Ids of the sections of a wasm binary, in order, custom sections left out. */
function sections(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at++]!;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (id !== 0) ids.push(id);
    at += size;
  }
  return ids;
}

const MEMORY = 5;
const START = 8;
const DATA = 11;
const DATA_COUNT = 12;

/** The text of each defined function, by its name. */
function functions(text: string): Map<string, string> {
  const parts = text.split(/^ \(func /m).slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.search(/[\s)]/)), part]));
}

/** The exported functions: export name -> text. */
function exportedFunctions(text: string): Map<string, string> {
  const bodies = functions(text);
  const exports = [...text.matchAll(/\(export "(\w+)" \(func (\S+?)\)\)/g)];
  return new Map(exports.map(([, name, internal]) => [name!, bodies.get(internal!)!]));
}

function atomics(body: string): string[] {
  return body.match(/\S*\batomic\.\S+/g) ?? [];
}

describe.each(["ring", "driver"] as const)("%s.wasm", (name) => {
  const { bytes, text } = builtWasm(name);
  const module = new WebAssembly.Module(bytes);

  it("imports the memory and nothing else", () => {
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  });

  it("has no memory of its own, no data segment and no start function", () => {
    const ids = sections(bytes);
    expect(ids).toContain(10); // the code section: the walk over the sections has worked
    for (const id of [MEMORY, START, DATA, DATA_COUNT]) expect(ids).not.toContain(id);
  });

  it("has no fence (the optimiser drops it), and never waits or notifies", () => {
    expect(Buffer.from(bytes).includes(Buffer.from([0xfe, 0x03, 0x00]))).toBe(false);
    expect(text).not.toMatch(/atomic\.(fence|wait|notify)|memory\.atomic/);
  });

  it("accesses shared words by 16-bit sequentially consistent loads and stores only", () => {
    const used = new Set(atomics(text));
    expect([...used].toSorted()).toEqual(["i32.atomic.load16_u", "i32.atomic.store16"]);
  });
});

describe("ring.wasm", () => {
  const { bytes, text } = builtWasm("ring");
  const module = new WebAssembly.Module(bytes);
  const bodies = exportedFunctions(text);

  it("exports exactly the device's steps, its runs over many chains and the result registers", () => {
    const exports = WebAssembly.Module.exports(module);
    const named = (kind: string): string[] => exports.filter((e) => e.kind === kind).map((e) => e.name);
    expect(named("function").toSorted()).toEqual([
      "availFlags",
      "availHead",
      "availIdx",
      "chainStep",
      "consume",
      "setAvailEvent",
      "setUsedFlags",
      "usedEvent",
      "usedFill",
      "usedPublish",
      "walk",
    ]);
    expect(named("global").toSorted()).toEqual([
      "descAddrHi",
      "descAddrLo",
      "descFlags",
      "descLen",
      "descNext",
      "ranAvail",
      "ranSum",
      "ranUsed",
      "walkState",
      "walkTotal",
    ]);
    expect(exports).toHaveLength(21);
  });

  it("has no mutable state but the exported result registers, which no function reads before it writes them", () => {
    const globals = [...text.matchAll(/^ \(global (\S+)/gm)].map(([, internal]) => internal!);
    const exported = [...text.matchAll(/\(export "\w+" \(global (\S+?)\)\)/g)].map(([, internal]) => internal!);
    expect(globals.toSorted()).toEqual(exported.toSorted());
    for (const body of bodies.values()) {
      for (const [, global] of body.matchAll(/global\.get (\S+)/g)) {
        expect(body.indexOf(`global.set ${global}`)).toBeGreaterThanOrEqual(0);
        expect(body.indexOf(`global.set ${global}`)).toBeLessThan(body.indexOf(`global.get ${global}`));
      }
    }
  });

  it("makes one atomic access in each step on an index, flag or event word, none in the others, and calls nothing", () => {
    const steps = [...bodies].filter(([name]) => name !== "consume");
    const found = Object.fromEntries(steps.map(([name, body]) => [name, atomics(body)]));
    expect(found).toEqual({
      availHead: [],
      availIdx: ["i32.atomic.load16_u"],
      chainStep: [],
      availFlags: ["i32.atomic.load16_u"],
      usedEvent: ["i32.atomic.load16_u"],
      setUsedFlags: ["i32.atomic.store16"],
      setAvailEvent: ["i32.atomic.store16"],
      usedFill: [],
      usedPublish: ["i32.atomic.store16"],
      walk: [],
    });
    for (const [, body] of steps) expect(body).not.toMatch(/^\s+(call|call_indirect)\b/m);
  });

  it.each([
    ["chainStep", ["i64.load", "i32.load offset=8", "i32.load16_u offset=12", "i32.load16_u offset=14"]],
    ["walk", ["i64.load offset=8", "i64.load"]], // len, flags and next as one word
  ])("R20: %s loads each field of a descriptor once", (name, fields) => {
    const copied = /v128\.load|i32\.load8_u/; // buffers
    const loads = bodies.get(name)!.match(/\b(i32|i64|v128)\.load\S*( offset=\d+)?/g)!;
    expect(loads.filter((load) => !copied.test(load))).toEqual(fields);
  });
});
