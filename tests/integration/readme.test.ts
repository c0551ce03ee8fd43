import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** What the test asks of a zod schema. */
interface Schema {
  safeParse(value: unknown): { readonly success: boolean; readonly data?: unknown };
}

const services = readdirSync(join(root, "services"));

/** The first cells of the README's rows of settings: names and default. A row may hold settings that belong together. */
function rows(readme: string): { keys: string[]; shown: string }[] {
  return [...readme.matchAll(/^\| ((?:`\w+`,? *)+?) *\| (.*?) +\|/gm)].map(
    ([, first = "", shown = ""]) => ({
      keys: [...first.matchAll(/`(\w+)`/g)].map(([, key = ""]) => key),
      shown: shown.replaceAll(/[`,]/g, ""),
    }),
  );
}

/** A default as a README writes it, or null where there is none or it is no single value. */
function defaultOf(schema: Schema): string | null {
  const read = schema.safeParse(undefined);
  if (!read.success || !["string", "number", "boolean"].includes(typeof read.data)) return null;
  const text = String(read.data);
  return text.startsWith(root) ? relative(root, text) : text;
}

describe.each(services)("%s's README", (service) => {
  const readme = readFileSync(join(root, "services", service, "README.md"), "utf8");

  it("has a row for each setting, and each row its default", async () => {
    const { Settings } = (await import(join(root, "services", service, "src/config.ts"))) as {
      Settings: { readonly shape: Readonly<Record<string, Schema>> };
    };
    const shown = rows(readme);
    for (const [key, schema] of Object.entries(Settings.shape)) {
      const row = shown.find((each) => each.keys.includes(key));
      expect(row, `no row for ${key}`).toBeDefined();
      const value = defaultOf(schema);
      if (value !== null) expect(row?.shown, key).toContain(value);
    }
  });

  it("begins with what the service is, and ends with its map", () => {
    expect(readme).toMatch(new RegExp(`^# ${service}\\n\\n[A-Z]`));
    expect(readme).toMatch(/\n## Map\n/);
    expect(readme).toContain(`node services/${service}/src/main.ts`);
  });
});
