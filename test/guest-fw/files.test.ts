import { describe, expect, it } from "vitest";
import * as errnos from "../../device/spec/errno.js";
import { FakeMachine } from "./fake-machine.js";
import { FakeShare, type Tree } from "./fake-share.js";
import { boot, type Outcome } from "./guest.js";

function tree(entries: Record<string, Tree>): Map<string, Tree> {
  return new Map(Object.entries(entries));
}

/** Bytes that differ from one another wherever a chunk may begin. */
function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + (i >> 16)) & 0xff));
}

function run(share: FakeShare, args: readonly (string | Buffer)[], pages = 64): Outcome & { log: string[] } {
  const vm = new FakeMachine({ pages, serve: share.serve });
  const outcome = boot(vm, args);
  // One request in flight at a time, numbered from 1, and nothing kept.
  expect(vm.requests.map(({ bytes }) => bytes.readBigUInt64LE(8))).toEqual(vm.requests.map((_, i) => BigInt(i + 1)));
  expect([...share.lookups].filter(([, count]) => count !== 0)).toEqual([]);
  expect([...share.handles]).toEqual([]);
  return { ...outcome, log: share.log };
}

describe("cat", () => {
  it("makes VirtioFsDxe's requests: volume, walk with forgets, open, size, read, close", () => {
    const share = new FakeShare(tree({ etc: tree({ conf: tree({ hosts: Buffer.from("127.0.0.1\n") }) }) }));
    expect(run(share, ["cat", "etc/conf/hosts"])).toMatchObject({
      code: 0,
      stdout: Buffer.from("127.0.0.1\n"),
      stderr: "",
      log: [
        "INIT",
        "OPENDIR 1",
        "LOOKUP 1 etc",
        "LOOKUP 2 conf",
        "FORGET 2",
        "LOOKUP 3 hosts",
        "FORGET 3",
        "OPEN 4",
        "GETATTR 4",
        "READ 4 0 10",
        "FLUSH 4",
        "RELEASE 4",
        "FORGET 4",
        "RELEASEDIR 1",
      ],
    });
  });

  it.each(["/etc//./hosts", "./etc/hosts/", "etc/hosts"])("walks %s as etc, hosts", (path) => {
    const share = new FakeShare(tree({ etc: tree({ hosts: Buffer.from("x") }) }));
    const { log } = run(share, ["cat", path]);
    expect(log.filter((line) => line.startsWith("LOOKUP"))).toEqual(["LOOKUP 1 etc", "LOOKUP 2 hosts"]);
  });

  it("reads in chunks of 1 MiB where guest RAM has the room", () => {
    const data = pattern(2 * 1048576 + 5);
    const { stdout, log } = run(new FakeShare(tree({ f: data })), ["cat", "f"], 64);
    expect(stdout.equals(data)).toBe(true);
    expect(log.filter((line) => line.startsWith("READ"))).toEqual([
      "READ 2 0 1048576",
      "READ 2 1048576 1048576",
      "READ 2 2097152 5",
    ]);
  });

  it("reads in smaller chunks of whole pages in 2 MiB of RAM", () => {
    const data = pattern(2 * 1048576 + 5);
    const { stdout, log } = run(new FakeShare(tree({ f: data })), ["cat", "f"], 32);
    expect(stdout.equals(data)).toBe(true);
    const size = Number(log.find((line) => line.startsWith("READ"))!.split(" ")[3]);
    expect(size % 4096).toBe(0);
    expect(size).toBeGreaterThan(512 * 1024);
    expect(size).toBeLessThan(1048576);
  });

  it("says when there is no memory for a buffer", () => {
    // 32768 entries are 832 KiB of rings and 512 KiB of the driver's own notes: too much for the MiB above memoryBase.
    const vm = new FakeMachine({ pages: 32, queueSize: 32768 });
    expect(boot(vm)).toMatchObject({ code: 1, stderr: "firmware: out of memory\n" });
    // 64 pages have the room; a command line of 3 MiB beside it does not.
    const path = "x".repeat(3 * 1048576);
    expect(boot(new FakeMachine({ pages: 64 }), ["cat", path]).stderr).toBe("firmware: out of memory\n");
  });

  it("ends where the file has become shorter than its size said", () => {
    const file = Buffer.from("0123456789");
    const share = new FakeShare(tree({ f: file }));
    const serve = (request: Parameters<typeof share.serve>[0]) => {
      const answer = share.serve(request);
      if (share.log.at(-1)!.startsWith("GETATTR")) answer.bytes.writeBigUInt64LE(1000n, 16 + 16 + 8);
      return answer;
    };
    expect(boot(new FakeMachine({ serve }), ["cat", "f"])).toMatchObject({ code: 0, stdout: file });
    expect(share.log.filter((line) => line.startsWith("READ"))).toEqual(["READ 2 0 1000", "READ 2 10 990"]);
  });

  it("does not read an empty file", () => {
    const { code, stdout, log } = run(new FakeShare(tree({ f: Buffer.alloc(0) })), ["cat", "f"]);
    expect([code, stdout.length]).toEqual([0, 0]);
    expect(log.some((line) => line.startsWith("READ"))).toBe(false);
  });

  it("passes names on as bytes: not UTF-8, and 255 long", () => {
    const odd = "\u00ff\u00fe caf\u00e9";
    const long = "n".repeat(255);
    const share = new FakeShare(tree({ [odd]: tree({ [long]: Buffer.from("found") }) }));
    expect(run(share, ["cat", Buffer.from(`${odd}/${long}`, "latin1")]).stdout.toString()).toBe("found");
  });

  it.each<[string, string, string]>([
    ["a missing file", "etc/nothing", "ENOENT"],
    ["a missing directory", "nothing/at/all", "ENOENT"],
    ["a directory", "etc", "EISDIR"],
    ["the root", "/", "EISDIR"],
    ["a symbolic link", "link", "ELOOP"],
    ["a file taken for a directory", "f/x", "ENOENT"], // as this server answers
  ])("names the path and the errno of %s", (_, path, errno) => {
    const share = new FakeShare(tree({ etc: tree({}), link: "f", f: Buffer.from("x") }));
    const outcome = run(share, ["cat", path]);
    expect(outcome).toMatchObject({ code: 1, stdout: Buffer.alloc(0), stderr: `cat: ${path}: ${errno}\n` });
  });

  it("writes a path that is not UTF-8 as it came", () => {
    const path = Buffer.from([0xff, 0xfe]);
    const vm = new FakeMachine({ serve: new FakeShare(tree({})).serve });
    expect(boot(vm, ["cat", path]).stderrBytes).toEqual(
      Buffer.concat([Buffer.from("cat: "), path, Buffer.from(": ENOENT\n")]),
    );
  });

  it.each<[string, number, string]>([
    ["OPENDIR", -13, "EACCES"],
    ["LOOKUP", -36, "ENAMETOOLONG"],
    ["OPEN", -24, "EMFILE"],
    ["GETATTR", -116, "ESTALE"],
    ["READ", -5, "EIO"],
    ["READ", -133, "errno 133"],
  ])("reports an error of %s (%i) and closes what it opened", (opcode, error, name) => {
    const share = new FakeShare(tree({ f: Buffer.from("x") }), { [opcode]: error });
    expect(run(share, ["cat", "f"])).toMatchObject({ code: 1, stdout: Buffer.alloc(0), stderr: `cat: f: ${name}\n` });
  });

  it.each(Object.entries(errnos).filter(([name]) => name !== "ERRNO_MAX"))(
    "knows the name of %s (%i)",
    (name, errno) => {
      const share = new FakeShare(tree({}), { LOOKUP: -errno });
      expect(run(share, ["cat", "f"]).stderr).toBe(`cat: f: ${name}\n`);
    },
  );

  it("takes an entry without a node for ENOENT (virtiofs.md 1.3)", () => {
    const share = new FakeShare(tree({ f: Buffer.from("x") }));
    const serve = (request: Parameters<typeof share.serve>[0]) => {
      const answer = share.serve(request);
      if (share.log.at(-1)!.startsWith("LOOKUP")) answer.bytes.writeBigUInt64LE(0n, 16);
      return answer;
    };
    expect(boot(new FakeMachine({ serve }), ["cat", "f"]).stderr).toBe("cat: f: ENOENT\n");
    expect(share.log.at(-1)).toBe("RELEASEDIR 1");
  });
});

describe("ls", () => {
  it("lists the names of a directory, with a slash behind directories, without . and ..", () => {
    const share = new FakeShare(
      tree({ d: tree({ sub: tree({}), file: Buffer.from("x"), link: "file", "...": Buffer.from("") }) }),
    );
    const { code, stdout, log } = run(share, ["ls", "d"]);
    expect([code, stdout.toString()]).toEqual([0, "sub/\nfile\nlink\n...\n"]);
    expect(log).toEqual([
      "INIT",
      "OPENDIR 1",
      "LOOKUP 1 d",
      "OPENDIR 2",
      "READDIRPLUS 2 0",
      "FORGET 3",
      "FORGET 4",
      "FORGET 5",
      "FORGET 6",
      "READDIRPLUS 2 6",
      "RELEASEDIR 2",
      "FORGET 2",
      "RELEASEDIR 1",
    ]);
  });

  it.each(["", "/", "."])("lists the root as '%s'", (path) => {
    expect(run(new FakeShare(tree({ a: Buffer.from("") })), ["ls", path]).stdout.toString()).toBe("a\n");
  });

  it.each([1, 3, 1000])("lists 1000 entries once each, %i a reply", (entriesPerReply) => {
    const names = Array.from({ length: 1000 }, (_, i) => `name-${i}-${"x".repeat(i % 240)}`);
    const share = new FakeShare(new Map(names.map((name) => [name, Buffer.from(name)])), {}, entriesPerReply);
    expect(run(share, ["ls", "."]).stdout.toString()).toBe(names.map((name) => `${name}\n`).join(""));
  });

  it("writes names as bytes, of 1 and of 255 too", () => {
    const names = ["\u00ff", "n".repeat(255), "caf\u00e9"];
    const share = new FakeShare(new Map(names.map((name) => [name, new Map() as Tree])));
    expect(run(share, ["ls", "."]).stdout.toString("latin1")).toBe(names.map((name) => `${name}/\n`).join(""));
  });

  it.each(["f", "link"])("names the path and ENOTDIR for %s, which is no directory", (path) => {
    const share = new FakeShare(tree({ f: Buffer.from("x"), link: "f" }));
    expect(run(share, ["ls", path])).toMatchObject({ code: 1, stderr: `ls: ${path}: ENOTDIR\n` });
  });

  it("reports an error of READDIRPLUS and closes the directory", () => {
    const share = new FakeShare(tree({}), { READDIRPLUS: -5 });
    expect(run(share, ["ls", "/"])).toMatchObject({ code: 1, stderr: "ls: /: EIO\n" });
  });

  it.each<[string, number, number, string]>([
    ["namelen 0", 128 + 16, 0, "a directory entry's name length is impossible"],
    ["namelen beyond the reply", 128 + 16, 9, "a directory entry's name length is impossible"],
    ["namelen 2^32 - 1", 128 + 16, 0xffffffff, "a directory entry's name length is impossible"],
  ])("gives a device up that answers READDIRPLUS with %s", (_, offset, value, reason) => {
    const share = new FakeShare(tree({}), {}, 1);
    const serve = (request: Parameters<typeof share.serve>[0]) => {
      const answer = share.serve(request);
      if (share.log.at(-1)!.startsWith("READDIRPLUS")) answer.bytes.writeUInt32LE(value, 16 + offset);
      return answer;
    };
    const vm = new FakeMachine({ serve });
    expect(boot(vm, ["ls", "."])).toMatchObject({ code: 1, stderr: `firmware: virtio device refused: ${reason}\n` });
    expect(vm.trace.at(-1)).toBe("W8 common+20 0x0");
  });

  it("gives a device up that cuts a directory entry off", () => {
    const share = new FakeShare(tree({}), {}, 1);
    const serve = (request: Parameters<typeof share.serve>[0]) => {
      const answer = share.serve(request);
      if (!share.log.at(-1)!.startsWith("READDIRPLUS")) return answer;
      const bytes = answer.bytes.subarray(0, 16 + 151);
      bytes.writeUInt32LE(bytes.length, 0);
      return { bytes };
    };
    expect(boot(new FakeMachine({ serve }), ["ls", "."]).stderr).toBe(
      "firmware: virtio device refused: a directory entry is cut off\n",
    );
  });
});

describe("the command line", () => {
  it.each([[["rm", "x"]], [["ls"]], [["cat", "a", "b"]], [[""]], [["LS", "x"]]])(
    "%j is wrong usage: exit 2, one line, and no device is touched",
    (args) => {
      const vm = new FakeMachine();
      expect(boot(vm, args)).toMatchObject({ code: 2, stderr: "usage: ovmf [ls PATH | cat PATH]\n" });
      expect([vm.trace, vm.configTrace]).toEqual([[], []]);
    },
  );
});
