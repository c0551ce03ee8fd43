import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// The many processes that tests start, and vitest's own, compile what they load once for all of them.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL(".tools/compile-cache", import.meta.url),
);

/** Files that take longest, in the order in which they begin: one that began last would run alone at the end. */
const LONG = [
  "packages/cli/src/store/store.test.ts",
  "tests/conformance/",
  "tests/integration/sim.test.ts",
  "tests/integration/poison.test.ts",
  "tests/integration/",
  "services/venue-sim/src/feeds/",
  "packages/rust-core/leak.test.ts",
];
/** These ask cargo for what `cargo test` builds: they come last, so that in `./hft test` it is there. */
const BUILT = ["tests/integration/bus-wire.test.ts", "bench/chain.test.ts"];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      if (BUILT.some((file) => moduleId.endsWith(`/${file}`))) return LONG.length + 1;
      const at = LONG.findIndex((part) => moduleId.includes(`/${part}`));
      return at < 0 ? LONG.length : at;
    };
    // Within a rank as vitest has it: what failed or took long the last time comes first.
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ["{packages,services,strategies,tests,bench,scripts}/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    // Of two cores a test waits for processes, timers and disks half of its time.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
