import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{packages,services,strategies,tests,bench,scripts}/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
