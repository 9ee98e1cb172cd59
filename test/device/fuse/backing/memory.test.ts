import { expect, it } from "vitest";
import { MemoryBacking, MemorySymlink } from "../../../../device/fuse/backing/memory.js";
import type { DirectoryNode } from "../../../../device/fuse/backing/memory-node.js";

const TREE = { b: "text", a: { é: Uint8Array.of(1, 2, 3) }, link: new MemorySymlink("b") };

function found(backing: MemoryBacking, name: Uint8Array, parent = backing.root) {
  const result = backing.lookup(parent, name);
  if (typeof result === "number") throw new Error(`errno ${-result}`);
  return result;
}

it("is the same tree on every run: inode numbers and names in the order written down", () => {
  const [one, other] = [new MemoryBacking(TREE, () => 5n), new MemoryBacking(TREE, () => 5n)];
  expect(one.root.attr).toEqual(other.root.attr);
  expect(one.readdir(one.root).map((name) => new TextDecoder().decode(name))).toEqual(["b", "a", "link"]);
  const inos = one.readdir(one.root).map((name) => found(one, name).attr.ino);
  expect(inos).toEqual([2n, 3n, 5n]);
});

it("keeps names as UTF-8 bytes", () => {
  const backing = new MemoryBacking(TREE);
  const dir = found(backing, Uint8Array.of(0x61)).node as DirectoryNode;
  expect(found(backing, Uint8Array.of(0xc3, 0xa9), dir).attr.size).toBe(3n);
  expect(backing.lookup(dir, Uint8Array.of(0xe9))).toBe(-2); // ENOENT: Latin-1 is another name
});

it("gives symlinks the size of their target", () => {
  const { attr } = found(new MemoryBacking(TREE), new TextEncoder().encode("link"));
  expect([attr.mode, attr.size]).toEqual([0o120777, 1n]);
});
