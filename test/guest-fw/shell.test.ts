// The shell before the real FUSE server over memory, on a machine from tables.

import { describe, expect, it } from "vitest";
import { MemoryBacking } from "../../device/fuse/backing/memory.js";
import { FuseSession } from "../../device/fuse/session.js";
import { FakeLinuxMachine, type LinuxSetting } from "./fake-linux-machine.js";
import { RAM_BASE, type Request } from "./fake-machine.js";
import { boot, type Outcome } from "./guest.js";

const OPCODES: Readonly<Record<number, string>> = {
  1: "LOOKUP",
  2: "FORGET",
  4: "SETATTR",
  9: "MKDIR",
  10: "UNLINK",
  11: "RMDIR",
  12: "RENAME",
  14: "OPEN",
  16: "WRITE",
  18: "RELEASE",
  25: "FLUSH",
  26: "INIT",
  35: "CREATE",
};

/** A share that outlives the guests that use it. MemoryBacking lists names in the order in which they were made. */
class Share {
  readonly session = new FuseSession(
    new MemoryBacking({ dir: { "nested.txt": "nested\n" }, "hello.txt": "Hello.\n", "two words": "" }),
  );

  run(
    args: readonly string[],
    stdin: string | Buffer = "",
    setting: LinuxSetting = {},
  ): Outcome & { vm: FakeLinuxMachine } {
    const vm: FakeLinuxMachine = new FakeLinuxMachine({
      pages: 128,
      serve: ({ readable, writable }) => {
        const at = ({ gpa, length }: { gpa: bigint; length: number }) => ({ offset: Number(gpa) - RAM_BASE, length });
        const usedLength = this.session.handle({
          memory: new Uint8Array(vm.memory.buffer),
          readable: readable.map(({ gpa, bytes }) => at({ gpa, length: bytes.length })),
          writable: writable.map(at),
        });
        return { bytes: Buffer.alloc(0), usedLength };
      },
      ...setting,
    });
    const outcome = boot(vm, args, "shell", Buffer.from(stdin));
    // Whatever a command looked up or opened it has given back: the root's own reference is all that is left.
    expect([this.session.inodes.size, this.session.handles.size]).toEqual([1, 0]);
    return { ...outcome, vm };
  }

  /** The output of a command that succeeds. */
  out(...args: string[]): string {
    const { code, stdout, stderr } = this.run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout.toString();
  }
}

const names = (requests: readonly Request[]): string[] =>
  requests.map(({ bytes }) => OPCODES[bytes.readUInt32LE(4)] ?? `${bytes.readUInt32LE(4)}`);

describe("one command", () => {
  it("ls lists the root, or a directory", () => {
    const share = new Share();
    expect(share.out("ls")).toBe("dir/\nhello.txt\ntwo words\n");
    expect(share.out("ls", "/dir/")).toBe("nested.txt\n");
  });

  it("cat prints a file, stat what is known of it", () => {
    const share = new Share();
    expect(share.out("cat", "dir/nested.txt")).toBe("nested\n");
    expect(share.out("stat", "hello.txt")).toBe("type file\nmode 0644\nlinks 1\nowner 0:0\nsize 7\nmodified 0\n");
    expect(share.out("stat", "dir")).toMatch(/^type directory\nmode 0755\n/);
    expect(share.out("stat", "/")).toMatch(/^type directory\n/);
  });

  it.each([0, 1, 507904, 507905, 1_500_000])("write takes %i bytes of standard input, cp copies them", (length) => {
    const share = new Share();
    const bytes = Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + (i >> 16)) & 0xff));
    const { code, vm } = share.run(["write", "dir/new"], bytes);
    expect(code).toBe(0);
    // virtiofs.md 4: max_pages is the ring's size less 4, so a WRITE has 124 pages at most.
    const writes = vm.requests.filter(({ bytes }) => bytes.readUInt32LE(4) === 16);
    expect(writes.map(({ bytes }) => bytes.readUInt32LE(40 + 16))).toEqual(
      Array.from({ length: Math.ceil(length / 507904) }, (_, i) => Math.min(507904, length - i * 507904)),
    );
    expect(share.out("cp", "dir/new", "copy")).toBe("");
    expect(share.run(["cat", "copy"]).stdout.equals(bytes)).toBe(true);
  });

  it("write and cp replace what a file had (O_TRUNC)", () => {
    const share = new Share();
    share.run(["write", "hello.txt"], "x");
    expect(share.out("cat", "hello.txt")).toBe("x");
    share.out("cp", "dir/nested.txt", "hello.txt");
    expect(share.out("cat", "hello.txt")).toBe("nested\n");
  });

  it("write makes these requests for a file that is not there, and for one that is", () => {
    const share = new Share();
    const requests = (): string[] =>
      names(share.run(["write", "f"], "x").vm.requests.filter(({ queue }) => queue === 1));
    expect(requests()).toEqual(["INIT", "LOOKUP", "CREATE", "WRITE", "FLUSH", "RELEASE"]);
    expect(requests()).toEqual(["INIT", "LOOKUP", "OPEN", "WRITE", "FLUSH", "RELEASE"]);
  });

  it("a server that does not grant ATOMIC_O_TRUNC is asked to truncate by SETATTR", () => {
    const share = new Share();
    const { session } = share;
    const handle = session.handle.bind(session);
    session.handle = (message) => {
      const used = handle(message);
      const opcode = new DataView(message.memory.buffer).getUint32(message.readable[0]!.offset + 4, true);
      // init_out.flags is 12 bytes into the second writable buffer.
      if (opcode === 26) message.memory[message.writable[1]!.offset + 12]! &= ~(1 << 3);
      return used;
    };
    const { vm } = share.run(["write", "hello.txt"], "x");
    expect(names(vm.requests)).toEqual(["INIT", "LOOKUP", "OPEN", "SETATTR", "WRITE", "FLUSH", "RELEASE", "FORGET"]);
    expect(share.out("cat", "hello.txt")).toBe("x");
  });

  it("mkdir, mv and rm change names", () => {
    const share = new Share();
    share.out("mkdir", "made");
    share.out("mv", "hello.txt", "made/moved");
    expect(share.out("cat", "made/moved")).toBe("Hello.\n");
    share.out("mv", "dir/nested.txt", "made/moved"); // replaces it
    expect(share.out("cat", "made/moved")).toBe("nested\n");
    share.out("rm", "made/moved");
    share.out("rm", "made/");
    expect(share.out("ls")).toBe("dir/\ntwo words\n");
  });

  it("df counts bytes and files", () => {
    const lines = new Share().out("df");
    expect(lines).toMatch(/^size \d+\nfree \d+\navailable \d+\nfiles \d+\nfree files \d+\n$/);
  });

  it("bulk makes, renames, lists and removes files, through both queues", () => {
    const share = new Share();
    const output = share.out("bulk", "300");
    expect(output).toMatch(/^made 300\nrenamed 300\nlisted 300\nremoved 300\n\d+ \+ \d+ kicks, \d+ interrupts, /);
    // Per file CREATE, WRITE, FLUSH, RELEASE, RENAME, UNLINK and two FORGETs: of its making, and of its listing.
    const [, requests, forgets] = /, (\d+) \+ (\d+) requests\n$/.exec(output)!.map(Number);
    expect(requests).toBeGreaterThanOrEqual(6 * 300);
    expect(forgets).toBeGreaterThanOrEqual(2 * 300);
    expect(share.out("ls")).toBe("dir/\nhello.txt\ntwo words\n");
  });

  it.each<[string[], string]>([
    [["cat", "nothing"], "cat: nothing: ENOENT"],
    [["cat", "dir"], "cat: dir: EISDIR"],
    [["ls", "hello.txt"], "ls: hello.txt: ENOTDIR"],
    [["stat", "dir/nothing"], "stat: dir/nothing: ENOENT"],
    [["write", "dir"], "write: dir: EISDIR"],
    [["write", "nothing/f"], "write: nothing/f: ENOENT"],
    [["write", "hello.txt/f"], "write: hello.txt/f: ENOTDIR"],
    [["write", "/"], "write: /: EINVAL"],
    [["write", "n".repeat(256)], `write: ${"n".repeat(256)}: ENAMETOOLONG`],
    [["cp", "nothing", "f"], "cp: nothing: ENOENT"],
    [["cp", "dir", "f"], "cp: dir: EISDIR"],
    [["cp", "hello.txt", "nothing/f"], "cp: nothing/f: ENOENT"],
    [["cp", "hello.txt", "./hello.txt"], "cp: ./hello.txt: EINVAL"],
    [["mkdir", "dir"], "mkdir: dir: EEXIST"],
    [["rm", "nothing"], "rm: nothing: ENOENT"],
    [["rm", "dir"], "rm: dir: ENOTEMPTY"],
    [["mv", "nothing", "f"], "mv: nothing: ENOENT"],
    [["mv", "hello.txt", "nothing/f"], "mv: nothing/f: ENOENT"],
    [["mv", "dir", "dir/below"], "mv: dir: EINVAL"],
  ])("%j fails with a line, exit code 1, and the share as it was", (args, line) => {
    const share = new Share();
    const { code, stdout, stderr } = share.run(args, "bytes");
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 1, stdout: "", stderr: `${line}\n` });
    expect(share.out("ls")).toBe("dir/\nhello.txt\ntwo words\n");
    expect(share.out("cat", "hello.txt")).toBe("Hello.\n");
  });

  it.each([
    [["nope"]],
    [["cat"]],
    [["ls", "a", "b"]],
    [["cp", "a"]],
    [["df", "x"]],
    [["bulk", "-1"]],
    [["exit"]],
    [[""]],
  ])("%j is wrong usage: exit 2, one line, and no device is touched", (args) => {
    const vm = new FakeLinuxMachine();
    const { code, stderr } = boot(vm, args, "shell");
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^usage: shell \[.*\]\n$/) });
    expect(vm.trace).toEqual([]);
  });
});

describe("lines from standard input", () => {
  it("are commands, a failing one no end; the prompt goes to standard error", () => {
    const share = new Share();
    const { code, stdout, stderr } = share.run([], "mkdir a\n\n  ls\t a \ncat x\nls\nexit\ncat hello.txt\n");
    expect([code, stdout.toString()]).toEqual([0, "dir/\nhello.txt\ntwo words\na/\n"]);
    expect(stderr).toBe(`${"share> ".repeat(4)}cat: x: ENOENT\n${"share> ".repeat(2)}`);
  });

  it("end with the input, also inside a line", () => {
    const { code, stdout, stderr } = new Share().run([], "cat hello.txt");
    expect([code, stdout.toString(), stderr]).toEqual([0, "Hello.\n", "share> share> \n"]);
  });

  it("say what commands there are for one that is none", () => {
    const { code, stderr } = new Share().run([], "nope\n");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^share> usage: ls \[PATH\] .* \| exit\nshare> \n$/)]);
  });

  it("write takes the lines behind it", () => {
    const share = new Share();
    share.run([], "write f\nthese\nlines\n");
    expect(share.out("cat", "f")).toBe("these\nlines\n");
  });

  it("a line that is too long comes in pieces, none of which is lost", () => {
    const { stderr } = new Share().run([], `${"x".repeat(10_000)}\ncat nothing\n`);
    expect(stderr.match(/usage: /g)).toHaveLength(3);
    expect(stderr).toContain("cat: nothing: ENOENT\n");
  });

  it("are many in one boot: commands take next to nothing from the heap, which gives nothing back", () => {
    const { code, stdout } = new Share().run([], "cat hello.txt\nls dir\n".repeat(2000));
    expect([code, stdout.length]).toEqual([0, 2000 * ("Hello.\n".length + "nested.txt\n".length)]);
  });
});
