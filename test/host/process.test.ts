import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("whoever writes faster than standard output is read waits, without a word on standard error", () => {
  const program = `
    import { processOutput } from ${JSON.stringify(new URL("../../dist/host/process.js", import.meta.url))};
    const { data } = processOutput();
    const waits = Array.from({ length: 50 }, () => data(new Uint8Array(100_000)));
    if (!(waits[49] instanceof Promise)) throw new Error("nobody waits");
    await Promise.all(waits);`;
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", program], { maxBuffer: 1 << 24 });
  expect([ran.status, ran.stdout.length, ran.stderr.toString()]).toEqual([0, 5_000_000, ""]);
});
