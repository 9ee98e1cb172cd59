// The page as it is built and served: each Worker and module where the bundler put it, under its own headers.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium as driver, type Page } from "playwright";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROWS } from "../../../host/scenario/rows.js";
import { chromium } from "./chromium.js";

describe.skipIf(!existsSync(chromium.executablePath))("the built page", () => {
  let outDir: string;
  let server: PreviewServer;
  let browser: Browser;

  beforeAll(async () => {
    outDir = mkdtempSync(join(tmpdir(), "vhostlab-web-"));
    await build({ logLevel: "error", build: { outDir } });
    server = await preview({ build: { outDir } });
    browser = await driver.launch(chromium);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(outDir, { recursive: true });
  });

  /** A page, and everything that went wrong in it. */
  async function open(query = ""): Promise<{ page: Page; wrong: string[] }> {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    const wrong: string[] = [];
    page.on("pageerror", (error) => wrong.push(String(error)));
    page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
    await page.goto(`${server.resolvedUrls!.local[0]}${query}`);
    return { page, wrong };
  }

  it("runs all of it with ?auto, and gives the results as JSON and as text", async () => {
    const { page, wrong } = await open("?auto");
    const json = await page.locator('#results[data-state="done"], #results[data-state="failed"]').textContent();
    const { hang, explore, failure } = JSON.parse(json!);
    expect({ failure, wrong }).toEqual({ failure: undefined, wrong: [] });
    expect(hang.rows).toMatchObject(
      ["seed", "fix"].flatMap((id) => ["first", "reboot"].map((phase) => ({ id, phase, undecided: 0, held: true }))),
    );
    expect(explore).toMatchObject(
      ROWS.map(({ id, expected }) => ({ id, complete: true, verdict: expected === "hangs" ? "can" : "never" })),
    );
    expect(await page.locator("#hang-found tbody tr").count()).toBe(hang.rows.length);
    expect(await page.locator("#hang-found dl").first().textContent()).toContain("kick-consumed-while-disabled");
    expect(await page.locator("#explore-found tbody tr").count()).toBe(explore.length);
  });

  it("runs one of them by its button, and nothing beside it", async () => {
    const { page, wrong } = await open();
    await page.getByRole("button", { name: "Explore" }).click();
    await page.getByText(/^row \w+: \d+ states …$/).waitFor();
    expect(await page.getByRole("button", { disabled: true }).count()).toBe(2);
    expect(await page.locator("#results").getAttribute("data-state")).toBe("running");
    expect(await page.locator("#hang-status").textContent()).toBe("");
    expect(wrong).toEqual([]);
    await page.close();
  });

  it("says what is missing when its server does not isolate it", async () => {
    const page = await browser.newPage();
    await page.route("**/*", async (route) => {
      const response = await route.fetch();
      const { "cross-origin-opener-policy": _, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    await page.goto(server.resolvedUrls!.local[0]!);
    expect(await page.getByRole("alert").textContent()).toContain("Cross-Origin-Opener-Policy: same-origin");
    expect(await page.getByRole("button", { disabled: true }).count()).toBe(2);
  });
});
