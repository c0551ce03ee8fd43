import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/tutorial/your-first-strategy.md"), "utf8");
/** Inside strategies/, where the tutorial puts its files, so that they find the SDK as a reader's do. */
const dir = mkdtempSync(join(root, "strategies/.tutorial-"));
afterAll(() => rmSync(dir, { recursive: true }));

const blocks = [...page.matchAll(/```(\w+) (file|run)=(\S+)\n([\s\S]*?)```/g)].map(
  ([, lang, kind, name, text]) => {
    return { lang, kind, name: name ?? "", text: text ?? "" };
  },
);

describe("the tutorial `your first strategy`", () => {
  it("every code block is a file or a command a test runs [B103]", () => {
    expect([...page.matchAll(/^```\w/gm)]).toHaveLength(blocks.length);
    expect(blocks.map(({ name }) => name)).toEqual([
      "my-follower.ts",
      "my-follower.check.ts",
      "check",
      "sim",
    ]);
  });

  it("the strategy and its check run as printed", () => {
    for (const { kind, name, text } of blocks)
      if (kind === "file") writeFileSync(join(dir, name), text);
    const command = blocks.find(({ name }) => name === "check")?.text.trim() ?? "";
    const [program, path] = command.split(" ");
    expect(program).toBe("node");
    const ran = spawnSync(process.execPath, [join(dir, (path ?? "").replace("strategies/", ""))], {
      encoding: "utf8",
      cwd: root,
    });
    expect([ran.stdout, ran.status]).toEqual(["my-follower behaves\n", 0]);
  });

  it("the runner loads the file from where the tutorial left it", () => {
    const loader = JSON.stringify(join(root, "services/strategy-runner/src/load.ts"));
    const script = `import(${loader}).then((m) => m.loadStrategy(${JSON.stringify(join(dir, "my-follower.ts"))})).then((s) => console.log(s.id))`;
    const ran = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", cwd: root });
    expect(ran.stdout).toBe("my-follower\n");
  });
});
