/** `hft conformance fix`: the acceptance scripts, and FIX engines that are not ours at the other end of a socket. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { built, measured } from "../commands/measured.ts";
import { type Check, type Result, result } from "../result.ts";
import { run } from "../run.ts";
import { UsageError } from "../sim/options.ts";
import { judged } from "./cards.ts";

/** Each fault that can be planted, and the parts that must notice it. */
export const PLANTS: Readonly<Record<string, readonly string[]>> = {
  "withhold-orders": ["scripts"],
  lenient: ["scripts"],
  "keep-numbers": ["scripts"],
  "wrong-peer": ["quickfix_initiator", "jspurefix"],
};
/** What can be run alone, and the fewest cards of each that say anything. */
export const PARTS = {
  scripts: 117,
  quickfix_initiator: 20,
  quickfix_acceptor: 12,
  jspurefix: 12,
} as const;
type Part = keyof typeof PARTS;

/** An end that does not say its port, or does not end, is given up after this. */
const START_MS_MAX = 20_000;
const CARDS_MS_MAX = 180_000;

interface Card {
  readonly name: string;
  readonly fault: string;
}

interface Flags {
  readonly data: () => string;
  readonly only: string | null;
  readonly plant: string | null;
}

/** One end that serves until its input is closed. */
class Served implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(file: string, args: readonly string[]): Promise<Served> {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"] });
    const lines = createInterface({ input: child.stdout });
    const first = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${file}: no port`)), START_MS_MAX);
      const end = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`${file}: ${why}`));
      };
      child.once("error", (error) => end(error.message));
      child.once("exit", (code) => end(`ended with ${code} before it served`));
      lines.once("line", (line) => {
        clearTimeout(timer);
        resolve(line);
      });
    }).catch((error: unknown) => {
      child.kill();
      throw error;
    });
    lines.on("line", () => {});
    return new Served(child, Number(first));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), START_MS_MAX);
    await ended;
    clearTimeout(timer);
  }
}

/** What a peer that plays cards printed as its last line. */
function cardsOf(output: string): Card[] {
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(last) as Card[];
  } catch {
    return [{ name: "the peer", fault: `printed no cards: ${output.trimEnd().slice(-400)}` }];
  }
}

async function limited(work: Promise<Card[]>): Promise<Card[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Card[]>((resolve) => {
    const card = { name: "the peer", fault: `not done within ${CARDS_MS_MAX} ms` };
    timer = setTimeout(() => resolve([card]), CARDS_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function fix(root: string, flags: Flags): Promise<Result> {
  const { only, plant } = flags;
  if (only !== null && !(only in PARTS)) {
    throw new UsageError(`--only ${only}: want ${Object.keys(PARTS).join(", ")}`);
  }
  const noticing = plant === null ? null : PLANTS[plant];
  if (noticing === undefined) {
    throw new UsageError(`--break ${plant}: want ${Object.keys(PLANTS).join(", ")}`);
  }
  if (only !== null && noticing?.includes(only) === false) {
    throw new UsageError(`--break ${plant}: noticed by ${noticing.join(", ")}, not by ${only}`);
  }
  const parts = only === null ? (Object.keys(PARTS) as Part[]) : [only as Part];
  const tools = join(root, ".tools/fix-peers");
  const java = ["-cp", `${join(tools, "classes")}:${join(tools, "lib/*")}`, "QuickFixPeer"];
  const installed = {
    quickfix_initiator: join(tools, "classes/QuickFixPeer.class"),
    quickfix_acceptor: join(tools, "classes/QuickFixPeer.class"),
    jspurefix: join(tools, "node_modules/jspurefix/package.json"),
  };
  for (const part of parts) {
    if (part !== "scripts" && !existsSync(installed[part])) {
      throw new UsageError(
        `${part}: the engine is not installed; run scripts/fix-peers install, or ask for --only scripts`,
      );
    }
  }
  const data = parts.includes("scripts") ? flags.data() : "";
  const proof = await built(root, "tidegate-proof");
  const folder = mkdtempSync(join(tmpdir(), "tidegate-fix-"));
  const peer = plant === "wrong-peer" ? ["--peer", "SOMEBODY"] : [];
  const served = (part: Part): Promise<Served> =>
    Served.start(proof, ["fix", "acceptor", "--store", join(folder, part), ...peer]);
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {};
  const judge = (part: Part, cards: readonly Card[]): void => {
    checks.push(...judged(part, cards, PARTS[part]));
    figures[part] = cards;
  };
  try {
    for (const part of parts) {
      if (part === "scripts") {
        const planted = plant === null || plant === "wrong-peer" ? [] : ["--break", plant];
        const args = ["conformance", "fix", "--data", data, ...planted];
        const read = measured("conformance fix", await run(proof, args, { cwd: root }));
        checks.push(...read.checks);
        Object.assign(figures, read.figures);
      } else if (part === "quickfix_initiator") {
        await using acceptor = await served(part);
        const args = [...java, "initiator", String(acceptor.port)];
        judge(
          part,
          await limited(run("java", args, { cwd: root }).then(({ output }) => cardsOf(output))),
        );
      } else if (part === "quickfix_acceptor") {
        await using acceptor = await Served.start("java", [...java, "acceptor"]);
        const args = ["fix", "initiator", "--port", String(acceptor.port)];
        const played = run(proof, [...args, "--store", join(folder, part)], { cwd: root });
        const read = measured("fix initiator", await played);
        judge(part, read.figures["cards"] as readonly Card[]);
      } else {
        await using acceptor = await served(part);
        const script = join(root, "packages/cli/fix-peers/jspurefix-peer.mjs");
        const args = [script, tools, String(acceptor.port)];
        const played = run(process.execPath, args, { cwd: tools });
        judge(part, await limited(played.then(({ output }) => cardsOf(output))));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  figures["peers"] = { "quickfixj-core": "2.3.2", jspurefix: "5.11.4" };
  return result("conformance fix", checks, figures);
}
