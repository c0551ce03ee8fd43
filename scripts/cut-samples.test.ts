import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cut, cutAll, SAMPLES, sha256 } from "./cut-samples.ts";

const here = dirname(fileURLToPath(import.meta.url));
const samples = join(here, "..", "data", "samples");
const sums = new Map(
  readFileSync(join(samples, "SHA256SUMS"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split("  ") as [string, string])
    .map(([sum, name]) => [name, sum]),
);

describe("cut-samples", () => {
  it("the shipped samples have the sums of SHA256SUMS, packed and unpacked", () => {
    for (const { to } of SAMPLES) {
      const packed = readFileSync(join(samples, to));
      expect(sha256(packed)).toBe(sums.get(to));
      expect(sha256(gunzipSync(packed))).toBe(sums.get(to.replace(/\.gz$/, "")));
    }
  });

  it.skipIf(!process.env["TIDEGATE_DATA"])(
    "the samples cut again from the capture are the same (needs TIDEGATE_DATA)",
    () => {
      for (const { name, text } of cutAll(process.env["TIDEGATE_DATA"] ?? "")) {
        expect(sha256(text)).toBe(sums.get(name.replace(/\.gz$/, "")));
      }
    },
  );

  it("cut() keeps whole lines, in order, up to the window", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200)), fc.nat(200), (times, end) => {
        const lines = times.map((t, i) => `${i} {"data":{"E":${t}}}\n`);
        const past = times.findIndex((t) => t > end);
        expect(cut(lines.join(""), end)).toBe(
          lines.slice(0, past < 0 ? lines.length : past).join(""),
        );
      }),
    );
  });

  it("without a data folder it refuses with usage, with a wrong one it says what is missing", () => {
    const script = join(here, "cut-samples.ts");
    const run = (args: string[]) =>
      spawnSync(process.execPath, [script, ...args], {
        env: { ...process.env, TIDEGATE_DATA: "" },
        encoding: "utf8",
      });
    expect(run([])).toMatchObject({ status: 2, stderr: expect.stringContaining("TIDEGATE_DATA") });
    const wrong = run(["--data", "/nonexistent"]);
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("/nonexistent/binance-raw-2024-08/spot_btcusdt");
  });
});
