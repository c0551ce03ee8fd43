import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{packages,services,strategies,tests,bench,scripts}/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    // Of two cores a test waits for processes, timers and disks half of its time.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
