/** One test that ran, of whichever runner. */
export interface TestCase {
  readonly runner: "cargo" | "vitest";
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
}

/**
 * Reads the plain output of `cargo test`: one case a line, named `target::path`.
 * A run that dies before its summary leaves a failed case of its own, so that it cannot count as green.
 */
export function parseCargo(output: string): TestCase[] {
  const cases: TestCase[] = [];
  let target = "";
  let open = false;
  for (const line of output.split("\n")) {
    const running = /^\s+(?:Running|Doc-tests) (.*)$/.exec(line);
    if (running !== null) {
      if (open)
        cases.push({ runner: "cargo", name: `${target} (did not finish)`, status: "failed" });
      target = targetName(running[1] ?? "");
      open = false;
    } else if (/^running \d+ tests?$/.test(line)) {
      open = true;
    } else if (/^test result: /.test(line)) {
      open = false;
    } else {
      const test = /^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)/.exec(line);
      if (test !== null) {
        const status = test[2] === "ok" ? "passed" : test[2] === "FAILED" ? "failed" : "skipped";
        cases.push({ runner: "cargo", name: `${target}::${test[1]}`, status });
      }
    }
  }
  if (open) cases.push({ runner: "cargo", name: `${target} (did not finish)`, status: "failed" });
  return cases;
}

function targetName(text: string): string {
  const binary = /\(.*\/([a-z0-9_]+)-[0-9a-f]+\)$/.exec(text)?.[1];
  return binary ?? text.replace(/[()]/g, "").trim();
}

interface VitestJson {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Reads vitest's JSON report; a file that failed to load is a failed case. */
export function parseVitest(text: string, root: string): TestCase[] {
  const report = JSON.parse(text) as VitestJson;
  return report.testResults.flatMap((file) => {
    const name = file.name.startsWith(`${root}/`) ? file.name.slice(root.length + 1) : file.name;
    const cases = file.assertionResults.map(
      (each): TestCase => ({
        runner: "vitest",
        name: `${name} > ${each.fullName}`,
        status:
          each.status === "passed" ? "passed" : each.status === "failed" ? "failed" : "skipped",
      }),
    );
    if (file.status === "failed" && !cases.some((each) => each.status === "failed")) {
      cases.push({ runner: "vitest", name: `${name} (did not load)`, status: "failed" });
    }
    return cases;
  });
}

export interface Skip {
  readonly pattern: string;
  readonly reason: string;
}

/** `docs/skips.tsv`: a part of a test's name and why it may be skipped. */
export function parseSkips(text: string): Skip[] {
  return text
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => {
      const [pattern = "", reason = ""] = line.split("\t");
      if (pattern === "" || reason === "")
        throw new Error(`docs/skips.tsv: "${line}" wants a name part, a tab and a reason`);
      return { pattern, reason };
    });
}

/** The skipped cases that no line of the skips file allows. */
export function skipsNotListed(cases: readonly TestCase[], skips: readonly Skip[]): TestCase[] {
  return cases.filter(
    (each) => each.status === "skipped" && !skips.some((skip) => each.name.includes(skip.pattern)),
  );
}
