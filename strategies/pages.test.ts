import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const here = fileURLToPath(new URL(".", import.meta.url));
const pages = join(here, "../docs/reference/strategies");
const files = [here, join(here, "algos")].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => /^[a-z-]+\.ts$/.test(name) && name !== "day.ts")
    .map((name) => join(folder, name)),
);

describe("the pages of the strategies", () => {
  it("there are eight strategies and five execution algorithms", () => {
    expect(files.map((file) => basename(file, ".ts")).toSorted()).toEqual([
      ...["bracket", "cascade-bounce", "grid", "iceberg", "lead-lag", "mm-hawkes"],
      ...["momentum-bounce", "opportunistic-mm", "order-book-imbalance", "pov", "simple-mm"],
      ...["twap", "vwap"],
    ]);
  });
  it.each(files.map((file) => [basename(file, ".ts"), file]))(
    "%s: each parameter with its default",
    async (name, file) => {
      const { default: definition } = await import(file);
      expect(definition.id).toBe(name);
      const own = join(pages, `${name}.md`);
      const page = readFileSync(existsSync(own) ? own : join(pages, "algos.md"), "utf8");
      const { properties = {} } = z.toJSONSchema(definition.params, { io: "input" });
      for (const [key, schema] of Object.entries(properties)) {
        expect(page).toContain(`\`${key}\``);
        const value = (schema as { default?: unknown }).default;
        if (typeof value === "number" || typeof value === "string")
          expect(page).toContain(`| \`${key}\` | ${value} |`);
      }
    },
  );
});
