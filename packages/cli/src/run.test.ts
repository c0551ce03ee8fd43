import { describe, expect, it } from "vitest";
import { run } from "./run.ts";

describe("running a tool", () => {
  it("keeps the order of lines over both outputs", async () => {
    const script = 'for i in 1 2 3 4 5 6 7 8 9; do echo "out $i"; echo "err $i" >&2; done';
    const { code, output } = await run("sh", ["-c", script], { cwd: "/" });
    const wanted = Array.from({ length: 9 }, (_, i) => `out ${i + 1}\nerr ${i + 1}\n`).join("");
    expect({ code, output }).toEqual({ code: 0, output: wanted });
  });

  it("gives the tool's exit code, and 127 for one that is not there", async () => {
    expect((await run("sh", ["-c", "exit 3"], { cwd: "/" })).code).toBe(3);
    expect((await run("/nonexistent-tool", [], { cwd: "/" })).code).toBe(127);
  });

  it("hands every argument over as it is", async () => {
    const args = ["a b", "$HOME", "'", '"', "*"];
    const { output } = await run("printf", ["%s\\n", ...args], { cwd: "/" });
    expect(output).toBe(`${args.join("\n")}\n`);
  });
});
