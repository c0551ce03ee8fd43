/**
 * What makes a strategy's runs differ or lets it out: clocks, randomness, timers, sockets, imports. Pure, over the text of one
 * file; comments, texts and regular expressions are not looked at. A lint, not a guard: the sandbox is that.
 */

export interface Finding {
  readonly line: number;
  readonly what: string;
  readonly remedy: string;
}

/** What a strategy may import. */
export const IMPORTS_ALLOWED = ["@tidegate/strategy-sdk", "zod"];

const CLOCK = "time is ctx.now(), and what is due later is done in onTimer";
const OUT = "a strategy has no other way out than ctx";
/** Words that are found where they stand alone, not as the name of a member. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bMath\s*\.\s*random\b/g, "randomness is ctx.random(), from the session's seed"],
  [/(?<![.\w$])crypto\b(?!\s*[:=])/g, "randomness is ctx.random(), from the session's seed"],
  [/(?<![.\w$])(?:Date|performance|Temporal)\b(?!\s*:)/g, CLOCK],
  [
    /(?<![.\w$])(?:setTimeout|setInterval|setImmediate|queueMicrotask|requestAnimationFrame)\b/g,
    CLOCK,
  ],
  [
    /(?<![.\w$])(?:async|await|Promise)\b(?!\s*:)/g,
    "handlers are synchronous: keep what you wait for in ctx.state",
  ],
  [
    /(?<![.\w$])(?:fetch|WebSocket|EventSource|XMLHttpRequest|BroadcastChannel|Worker)\b(?!\s*:)/g,
    OUT,
  ],
  [/(?<![.\w$])(?:process|globalThis|global|require|eval)\b(?!\s*:)/g, OUT],
  [/\bnew\s+Function\b/g, OUT],
  [/(?<![.\w$])import\s*\(/g, "import at the top of the file, from the SDK or zod"],
  [/\bimport\s*\.\s*meta\b/g, OUT],
];

/** The text with comments and the insides of texts blanked, each character in its place. */
export function blanked(text: string): string {
  // A regular expression begins where a value cannot have ended.
  const part =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|\$\{[^}]*\}|[^`\\])*`|(?<=[(,=:[!&|?{};\n]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/g;
  return text.replace(part, (found) => {
    // What is put into a template is code.
    if (found.startsWith("`")) {
      return found.replace(/\$\{[^}]*\}|[^\n]/g, (each) => (each.length > 1 ? each : " "));
    }
    return found.replace(/[^\n]/g, " ");
  });
}

/** Everything in the file that a strategy may not have, in the order of its lines. */
export function findings(text: string): Finding[] {
  const code = blanked(text);
  const lineAt = (index: number) => text.slice(0, index).split("\n").length;
  const found: Finding[] = [];
  for (const [word, remedy] of WORDS) {
    for (const hit of code.matchAll(word)) {
      const what = text.slice(hit.index, hit.index + hit[0].length).replaceAll(/\s+/g, " ");
      found.push({ line: lineAt(hit.index), what, remedy });
    }
  }
  // The names of modules are texts: their places are found in the code, the names in the file.
  for (const hit of code.matchAll(/(?:\bfrom|(?<![.\w$])import)\s+(?=\s)/g)) {
    const after = text.slice(hit.index).match(/^(?:from|import)\s*(["'])(.*?)\1/);
    const name = after?.[2];
    if (name === undefined || IMPORTS_ALLOWED.includes(name)) continue;
    const remedy = `a strategy imports ${IMPORTS_ALLOWED.join(" and ")} alone`;
    found.push({ line: lineAt(hit.index), what: `import of ${name}`, remedy });
  }
  return found.toSorted((a, b) => a.line - b.line);
}
