import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

function npmDependencies(): Map<string, string> {
  const manifests = [
    "package.json",
    ...["packages", "services"].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `${folder}/${name}/package.json`),
    ),
    "strategies/package.json",
    "tests/package.json",
  ];
  const all = new Map<string, string>();
  for (const manifest of manifests) {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
      read(manifest),
    ) as Manifest;
    for (const [name, version] of Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    })) {
      if (!version.startsWith("workspace:")) all.set(name, version);
    }
  }
  return all;
}

function rustDependencies(): Map<string, string> {
  const section = /\[workspace\.dependencies\]\n([\s\S]*?)\n\n/.exec(read("Cargo.toml"))?.[1] ?? "";
  const all = new Map<string, string>();
  for (const line of section.split("\n")) {
    const [, name = "", version = ""] =
      /^([a-z0-9_-]+) = (?:"|.*version = ")=?([^"]+)"/.exec(line) ?? [];
    if (name !== "") all.set(name, version);
  }
  return all;
}

describe("docs/dependencies.md", () => {
  const rows = new Map(
    [...read("docs/dependencies.md").matchAll(/^\| (\S+) \| (\S+) \| (.+) \|$/gm)]
      .map(([, name = "", version = ""]) => [name, version] as const)
      .filter(([name]) => !["package", "crate"].includes(name) && !/^-+$/.test(name)),
  );

  it("has one row for each direct dependency, with its version, and no other", () => {
    const wanted = new Map([...npmDependencies(), ...rustDependencies()]);
    expect([...rows].sort()).toEqual([...wanted].sort());
  });

  it("every npm version is exact", () => {
    for (const [name, version] of npmDependencies())
      expect(`${name} ${version}`).toMatch(/ \d+\.\d+\.\d+$/);
  });
});

describe("what the project says of itself", () => {
  const FILES = [
    "README.md",
    "CONTRIBUTING.md",
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];

  it.each(FILES)("%s links only to files that exist", (file) => {
    const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to = ""]) => to);
    for (const to of links) {
      const from = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : "";
      expect(() => readdirSync(join(root, from, to, "..")), `${file} -> ${to}`).not.toThrow();
      const name = to.replace(/\/$/, "");
      const folder = join(root, from, name, "..");
      expect(readdirSync(folder), `${file} -> ${to}`).toContain(
        name.slice(name.lastIndexOf("/") + 1),
      );
    }
  });
});
