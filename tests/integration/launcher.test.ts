import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "launcher-"));
  mkdirSync(join(home, "bin"));
});

afterEach(() => rmSync(home, { recursive: true }));

/** Runs launcher functions with a PATH of the named tools only. */
function launcher(
  script: string,
  tools: readonly string[],
): { status: number | null; text: string } {
  for (const tool of tools) {
    const found = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
    symlinkSync(found, join(home, "bin", tool));
  }
  const parts = ["say", "toolchain", "build"].map((name) => `. ${root}/scripts/lib/${name}.sh`);
  const { status, stdout, stderr } = spawnSync(
    "/bin/sh",
    ["-eu", "-c", [...parts, script].join("\n")],
    {
      encoding: "utf8",
      env: { PATH: join(home, "bin"), HOME: home, ROOT: home },
    },
  );
  return { status, text: stdout + stderr };
}

describe("the launcher, where something is missing", () => {
  it("says that cargo is not installed and what to do", () => {
    const { status, text } = launcher("toolchain_rust", []);
    expect(text).toContain(
      "hft: cargo is not installed\nhft: to mend it: install a Rust toolchain",
    );
    expect(status).toBe(1);
  });

  it("says that a C++ compiler is not installed and what to do", () => {
    writeFileSync(join(home, "bin/cargo"), "#!/bin/sh\n", { mode: 0o755 });
    const { status, text } = launcher("toolchain_rust", []);
    expect(text).toContain("hft: no C++ compiler is installed");
    expect(text).toContain("apt-get install g++");
    expect(status).toBe(1);
  });

  it("takes both where they are there (control)", () => {
    for (const tool of ["cargo", "g++"])
      writeFileSync(join(home, "bin", tool), "#!/bin/sh\n", { mode: 0o755 });
    expect(launcher("toolchain_rust", [])).toEqual({ status: 0, text: "" });
  });

  it("says that npm is not installed and what to do", () => {
    const { status, text } = launcher("toolchain_node", ["uname", "dirname"]);
    expect(text).toContain("hft: npm is not installed\nhft: to mend it: install Node.js 20");
    expect(status).toBe(1);
  });

  it("says that the registry did not answer and what to check", () => {
    writeFileSync(join(home, "bin/npm"), "#!/bin/sh\necho no network; exit 1\n", { mode: 0o755 });
    const tools = ["uname", "dirname", "mkdir", "tail", "tr", "date"];
    const { status, text } = launcher("toolchain_node", tools);
    expect(text).toContain("no network");
    expect(text).toMatch(/could not be fetched\nhft: to mend it: check the network/);
    expect(status).toBe(1);
  });
});

describe("the launcher's memory", () => {
  it("a step is fresh for the very content it was done with, and for no other", () => {
    const tools = ["find", "sort", "xargs", "sha256sum", "cut", "cat", "mkdir"];
    const script = `
      mkdir -p "$ROOT/in"
      printf a > "$ROOT/in/x"
      done_with step "$(content_hash "$ROOT/in")"
      fresh step "$(content_hash "$ROOT/in")" && echo same
      printf b > "$ROOT/in/x"
      fresh step "$(content_hash "$ROOT/in")" || echo changed
      printf a > "$ROOT/in/x"; printf a > "$ROOT/in/y"
      fresh step "$(content_hash "$ROOT/in")" || echo added`;
    expect(launcher(script, tools)).toEqual({ status: 0, text: "same\nchanged\nadded\n" });
  });
});
