import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { hft } from "../../packages/cli/src/program.ts";

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

describe("examples in the docs of a crate", () => {
  const crates = "packages/rust-core/crates";
  const example = /^\s*\/\/[/!] *```/m;

  it.each(readdirSync(join(root, crates)))("%s runs those it has", (name) => {
    const sources = readdirSync(join(root, crates, name, "src"), {
      recursive: true,
      encoding: "utf8",
    }).filter((file) => file.endsWith(".rs"));
    const has = sources.some((file) => example.test(read(`${crates}/${name}/src/${file}`)));
    // Rustdoc reads a whole crate to find none: one without examples says so.
    const runs = !read(`${crates}/${name}/Cargo.toml`).includes("doctest = false");
    expect(runs).toBe(has);
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

  it.each(commands)("./hft %s is one the command line knows [B103]", async (text) => {
    const words = text.split(/\s+/);
    const named = words.filter((word) => /^[a-z]+(-[a-z]+)*$/.test(word)).slice(0, 2);
    let help = "";
    const out = vi.spyOn(process.stdout, "write").mockImplementation((shown) => {
      help += shown;
      return true;
    });
    try {
      // Of the program that main.ts runs; a process for each would do nothing but start.
      await expect(
        hft(root).parseAsync([...named, "--help"], { from: "user" }),
      ).rejects.toMatchObject({ code: "commander.helpDisplayed", exitCode: 0 });
    } finally {
      out.mockRestore();
    }
    for (const flag of words.filter((word) => word.startsWith("--"))) expect(help).toContain(flag);
  });
});
