import { defineConfig } from "vitest/config";

// No test is decided by time; this only ends a run that would never end.
const HUNG = 600_000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "node",
          environment: "node",
          include: ["test/**/*.test.ts"],
          pool: "forks",
          testTimeout: HUNG,
          hookTimeout: HUNG,
        },
      },
    ],
  },
});
