import { describe, expect, it } from "vitest";
import { findings } from "./determinism.ts";

const GOOD = `import { defineStrategy, Side } from "@tidegate/strategy-sdk";
import { z } from "zod";
// Date.now() would be a clock; import("x") too.
const text = "Math.random() and process.exit()"; const re = /fetch|Date/;
export default defineStrategy({ id: "x", params: z.object({ process: z.number() }),
  onTimer(ctx) { ctx.state.Date = ctx.now(); ctx.random(); \`\${ctx.now()} await\`; } });
`;

describe("the lint of strategies [A11]", () => {
  it("has nothing to say of one that keeps to ctx, whatever its comments and texts speak of", () => {
    expect(findings(GOOD)).toEqual([]);
  });
  it.each([
    ["const t = Date.now();", "Date", "ctx.now()"],
    ["new Date()", "Date", "ctx.now()"],
    ["performance.now()", "performance", "ctx.now()"],
    ["setTimeout(() => {}, 1)", "setTimeout", "onTimer"],
    ["const r = Math.random();", "Math.random", "ctx.random()"],
    ["const r = Math\n  .random();", "Math .random", "ctx.random()"],
    ["crypto.randomUUID()", "crypto", "ctx.random()"],
    ['import net from "node:net";', "import of node:net", "alone"],
    ['import "./helper.ts";', "import of ./helper.ts", "alone"],
    ['import {\n  a,\n} from "lodash";', "import of lodash", "alone"],
    ['const m = import("node:fs");', "import(", "top of the file"],
    ['require("fs")', "require", "no other way out"],
    ["process.exit()", "process", "no other way out"],
    ["globalThis.x", "globalThis", "no other way out"],
    ["fetch(url)", "fetch", "no other way out"],
    ["new WebSocket(url)", "WebSocket", "no other way out"],
    ["new Function('x')", "new Function", "no other way out"],
    ["await later()", "await", "synchronous"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the code of a strategy, as text
    ["const s = `${Date.now()}`;", "Date", "ctx.now()"],
  ])("%s: names the line, the word and the remedy", (line, what, remedy) => {
    const [first] = findings(`${GOOD}${line}\n`);
    expect(first?.what).toBe(what);
    expect(first?.remedy).toContain(remedy);
    // An import over several lines is found at its module.
    expect([7, 9]).toContain(first?.line);
  });
});
