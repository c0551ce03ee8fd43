import { spawnSync } from "node:child_process";
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
    "packages/cli/fix-peers/package.json",
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
  const all = new Map<string, string>();
  for (const manifest of ["Cargo.toml", "bench/peers/Cargo.toml"]) {
    const section = /\[workspace\.dependencies\]\n([\s\S]*?)\n\n/.exec(read(manifest))?.[1] ?? "";
    for (const line of section.split("\n")) {
      const [, name = "", version = ""] =
        /^([a-z0-9_-]+) = (?:"|.*version = ")=?([^"]+)"/.exec(line) ?? [];
      if (name !== "") all.set(name, version);
    }
  }
  return all;
}

function mavenDependencies(): Map<string, string> {
  const found = read("packages/cli/fix-peers/pom.xml").matchAll(
    /<dependency><groupId>(.+?)<\/groupId><artifactId>(.+?)<\/artifactId><version>(.+?)<\/version>/g,
  );
  return new Map([...found].map(([, group, name, version = ""]) => [`${group}:${name}`, version]));
}

const PIP = ["packages/cli/venue-peers", "bench/peers/python"];

function pipDependencies(folders = PIP): Map<string, string> {
  const lines = folders.flatMap((folder) => [
    ...read(`${folder}/requirements.txt`).matchAll(/^(\S+)==(\S+)$/gm),
  ]);
  return new Map(lines.map(([, name = "", version = ""]) => [name, version]));
}

describe("docs/dependencies.md", () => {
  const rows = new Map(
    [...read("docs/dependencies.md").matchAll(/^\| (\S+) \| (\S+) \| (.+) \|$/gm)]
      .map(([, name = "", version = ""]) => [name, version] as const)
      .filter(([name]) => !["package", "crate"].includes(name) && !/^-+$/.test(name)),
  );

  it("has one row for each direct dependency, with its version, and no other", () => {
    const wanted = new Map([
      ...npmDependencies(),
      ...rustDependencies(),
      ...mavenDependencies(),
      // hftbacktest is a crate and a package of Python, of two versions.
      ...[...pipDependencies()].map(
        ([name, version]) => [name === "hftbacktest" ? "pypi:hftbacktest" : name, version] as const,
      ),
    ]);
    expect([...rows].sort()).toEqual([...wanted].sort());
  });

  it.each(PIP)("pip's lock in %s has every direct one in its version", (folder) => {
    const lock = read(`${folder}/requirements.lock`).split("\n");
    for (const [name, version] of pipDependencies([folder]))
      expect(lock).toContain(`${name}==${version}`);
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

describe("commands in the docs", () => {
  const files = [
    "README.md",
    "CONTRIBUTING.md",
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];
  /** Every `./hft …` of a code block or of inline code, without its comment. */
  const commands = [
    ...new Set(
      files.flatMap((file) =>
        [...read(file).matchAll(/(?:^|`)\.\/hft ([^`\n#]*)/gm)].map(([, text = ""]) => text.trim()),
      ),
    ),
  ].filter((text) => text !== "" && !text.includes("…"));

  it("there are some", () => {
    expect(commands.length).toBeGreaterThan(5);
  });

  it.each(commands)("./hft %s is one the command line knows [B103]", (text) => {
    const words = text.split(/\s+/);
    const help = spawnSync(
      process.execPath,
      [
        join(root, "packages/cli/src/main.ts"),
        ...words.filter((word) => /^[a-z]+(-[a-z]+)*$/.test(word)).slice(0, 2),
        "--help",
      ],
      { cwd: root, encoding: "utf8" },
    );
    expect(help.status, help.stderr).toBe(0);
    for (const flag of words.filter((word) => word.startsWith("--")))
      expect(help.stdout).toContain(flag);
  });
});
