import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROUNDS = 16;
const CALLS = 4_000;

/** Growth of the memory in use over the later half of the rounds, in bytes a call of each module. */
function growth(keep: string): number {
  const script = fileURLToPath(new URL("leak-rounds.ts", import.meta.url));
  const args = ["--expose-gc", "--disable-warning=ExperimentalWarning", script];
  const out = execFileSync(process.execPath, [...args, String(ROUNDS), String(CALLS), keep]);
  const { used } = JSON.parse(out.toString("utf8")) as { used: number[] };
  const half = ROUNDS / 2;
  // The first rounds fill caches and arenas; what leaks goes on growing.
  return (Math.min(...used.slice(-2)) - Math.min(...used.slice(half - 2, half))) / (half * CALLS);
}

it("the addon gives back what its calls took: less than 150 bytes a call stay [B074]", () => {
  expect(growth("none")).toBeLessThan(150);
}, 120_000);

it("what is kept is seen: the same rounds with their frames held grow by more [B074]", () => {
  expect(growth("frames")).toBeGreaterThan(450);
}, 120_000);
