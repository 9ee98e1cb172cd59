import { existsSync } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { chromium } from "./test/host/web/chromium.js";

// No test is decided by time; this only ends a run that would never end.
const HUNG = { testTimeout: 600_000, hookTimeout: 600_000 };

const IN_A_BROWSER = "test/**/*.browser.test.ts";

const node: TestProjectInlineConfiguration = {
  test: {
    name: "node",
    environment: "node",
    include: ["test/**/*.test.ts"],
    exclude: [IN_A_BROWSER],
    pool: "forks",
    ...HUNG,
  },
};

const web: TestProjectInlineConfiguration = {
  extends: "./vite.config.ts",
  root: ".",
  test: {
    name: "web",
    include: [IN_A_BROWSER],
    globalSetup: "test/host/web/explored.ts",
    ...HUNG,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: chromium }),
      instances: [{ browser: "chromium" }],
    },
  },
};

const present = existsSync(chromium.executablePath);
if (!present) {
  console.warn(
    `Project "web" is skipped: no Chromium at ${chromium.executablePath} (VHOSTLAB_CHROMIUM names another).`,
  );
}

export default defineConfig({ test: { projects: present ? [node, web] : [node] } });
