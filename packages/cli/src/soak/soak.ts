/** `hft soak paper`: recorded sessions run through paper one after the other, each judged, and a report of all. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readCases } from "@tidegate/monitor/recon";
import { fileHash, GO_LIVE_SESSIONS_MIN } from "@tidegate/service-kit/control";
import { loadSample, venueTruth } from "@tidegate/venue-sim";
import { verifySession } from "../replay/verify.ts";
import { type Result, result } from "../result.ts";
import { makeRunDir, removeRunDir } from "../sim/cluster.ts";
import { MARKET_IDS } from "../sim/facts.ts";
import { parseSimOptions, type SimOptions, UsageError } from "../sim/options.ts";
import { sampleFiles, simulate } from "../sim/run.ts";
import {
  type BookRow,
  judgeSession,
  judgeSoak,
  type SessionFacts,
  type SessionVerdict,
} from "./criteria.ts";
import { soakPage } from "./page.ts";

/** Faults that can be planted into the second session, and the criterion that must notice each. */
export const PLANTS = {
  fill: "pnl_minus_cash",
  parity: "parity_unequal",
  case: "cases_unsigned",
  reject: "rejects_unexplained",
} as const;
export type Plant = keyof typeof PLANTS;

export interface SoakWords {
  readonly sessions: string;
  readonly duration: string;
  readonly speed: string;
  readonly seed: string;
  readonly data?: readonly string[];
  readonly strategy: string;
  readonly latencyUs: string;
  readonly explained?: string;
  readonly out?: string;
  readonly plant?: string;
  /** Least sessions for GO; only a test lowers it. */
  readonly sessionsMin?: number;
}

/** Most sessions of one soak. */
const SESSIONS_MAX = 1_000;

interface Soak {
  readonly sessions: number;
  readonly options: SimOptions;
  readonly spanS: number;
  readonly budget: { readonly tickToWireUsP99: number; readonly explained: readonly string[] };
  readonly plant: Plant | null;
}

function parse(root: string, words: SoakWords): Soak {
  const whole = (flag: string, text: string, max: number): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new UsageError(`${flag} ${text}: want a whole number between 1 and ${max}`);
  };
  if (words.plant !== undefined && !(words.plant in PLANTS))
    throw new UsageError(`--break ${words.plant}: want ${Object.keys(PLANTS).join(", ")}`);
  const { duration, speed, seed, strategy, data } = words;
  const raw = { duration, speed, seed, strategy, portBase: "0", clickhouse: "none" };
  const options = parseSimOptions(
    { ...raw, capture: true, ...(data === undefined ? {} : { data }) },
    root,
    sampleFiles(root),
  );
  return {
    sessions: whole("--sessions", words.sessions, SESSIONS_MAX),
    options,
    spanS: loadSample(options.data).spanNs / 1e9,
    budget: {
      tickToWireUsP99: whole("--latency-us", words.latencyUs, 1e9),
      explained: (words.explained ?? "").split(",").filter((code) => code !== ""),
    },
    plant: words.plant === undefined ? null : (words.plant as Plant),
  };
}

/** Wall seconds beside its trading in which a session's market goes on: its start, its drain, and some to spare. */
const AROUND_S = 20;

/** Within how many recorded seconds sessions may begin: each ends before the recording does, or its market would go away and come again. */
function roomOf({ durationS, speed }: SimOptions, spanS: number): number {
  const needS = (durationS + AROUND_S) * speed;
  if (needS <= spanS) return spanS - needS;
  throw new UsageError(
    `--duration ${durationS}: with its start and end a session takes ${needS} recorded seconds, and the recording has ${Math.floor(spanS)}; want shorter sessions or a longer recording`,
  );
}

/**
 * Runs the sessions and writes `report.json` and `report.html` into the folder. The sessions begin at even distances over the
 * recording. A session that fails keeps its files.
 *
 * Errors  UsageError for a wrong flag; a session that cannot start at all
 */
export async function soakPaper(root: string, words: SoakWords): Promise<Result> {
  const { sessions, options, spanS, budget, plant } = parse(root, words);
  const out = resolve(words.out ?? join(root, "var/soak", stamp(new Date())));
  mkdirSync(out, { recursive: true });
  const judged: SessionVerdict[] = [];
  const roomS = roomOf(options, spanS);
  for (let at = 0; at < sessions; at += 1) {
    const skipS = Math.floor((at * roomS) / Math.max(1, sessions - 1));
    const paper = { kind: "recorded", from: "files", skipS } as const;
    const own = { ...options, seed: options.seed + at, paper };
    const facts = await session(root, own, `session ${at + 1}, from second ${skipS}`, plant, at);
    const verdict = judgeSession(facts, budget);
    judged.push(verdict);
    const why = verdict.why.length === 0 ? "" : `: ${verdict.why.join("; ")}`;
    process.stderr.write(`hft: ${facts.name}: ${verdict.verdict}${why}\n`);
  }
  const checks = judgeSoak(judged, words.sessionsMin ?? GO_LIVE_SESSIONS_MIN);
  const ok = checks.every((each) => each.ok);
  const value = result(
    "soak paper",
    checks,
    {
      verdict: ok ? "GO" : "NO-GO",
      mode: "paper",
      why: judged.flatMap(({ name, why }) => why.map((each) => `${name}: ${each}`)),
      sessions: judged,
      budget,
      planted: plant,
      session_seconds: options.durationS,
      speed: options.speed,
      strategy: options.strategy,
      data: options.data,
      hashes: {
        instruments: fileHash(join(root, "config/instruments.json")),
        limits: fileHash(join(root, "config/limits.json")),
        strategy: fileHash(options.strategy),
      },
      report: out,
    },
    options.seed,
  );
  writeFileSync(join(out, "report.json"), `${JSON.stringify(value, null, 2)}\n`);
  writeFileSync(join(out, "report.html"), soakPage(value, judged));
  return value;
}

const stamp = (now: Date): string => now.toISOString().replace(/[:.]/g, "-");

/** One session in a folder of its own, and what it left. */
async function session(
  root: string,
  options: SimOptions,
  name: string,
  plant: Plant | null,
  at: number,
): Promise<SessionFacts> {
  const runDir = makeRunDir(root, options);
  let good = false;
  try {
    const run = await simulate(root, runDir, options);
    const planted = at === 1 ? plant : null;
    const parity = await verifySession(
      "soak paper",
      root,
      runDir,
      planted === "parity" ? "drop" : null,
    );
    const figures = run.figures as {
      replies: Record<string, number>;
      order_states: Record<string, number>;
      books: BookRow[];
      latency_us: { tick_to_wire?: { p99: number } };
    };
    const { fills } = venueTruth(join(runDir, "venue/log.ndjson"));
    const facts: SessionFacts = {
      name,
      run: run.checks,
      parity: parity.checks,
      replies: figures.replies,
      orderStates: figures.order_states,
      books: figures.books,
      fills,
      instruments: Object.fromEntries(
        Object.entries(MARKET_IDS).map(([market, { instrument }]) => [market, instrument]),
      ),
      cases: openCases(join(runDir, "recon")),
      tickToWireUsP99: figures.latency_us.tick_to_wire?.p99 ?? null,
    };
    good = [...run.checks, ...parity.checks].every(({ ok }) => ok);
    return withPlant(facts, planted);
  } finally {
    if (good) removeRunDir(root, runDir);
    else process.stderr.write(`hft: ${name}: its files are kept in ${runDir}\n`);
    rmSync(join(runDir, "s"), { recursive: true, force: true });
  }
}

/** Cases of the reconciliation that nobody has signed, as `venue: kind of subject`. */
function openCases(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(".ndjson"))
    .flatMap((name) =>
      readCases(readFileSync(join(dir, name), "utf8"))
        .cases.filter(({ state }) => state !== "SIGNED")
        .map(({ kind, subject }) => `${name.replace(".ndjson", "")}: ${kind} of ${subject}`),
    );
}

function withPlant(facts: SessionFacts, plant: Plant | null): SessionFacts {
  switch (plant) {
    case "fill":
      return { ...facts, fills: facts.fills.slice(0, -1) };
    case "case":
      return { ...facts, cases: [...facts.cases, "planted: POSITION of BTCUSDT"] };
    case "reject":
      return { ...facts, replies: { ...facts.replies, JOURNAL_UNAVAILABLE: 1 } };
    default:
      return facts;
  }
}
