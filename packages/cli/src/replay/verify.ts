/** `hft verify parity` and `hft replay verify`: a captured session, run again through the same cores, gives the same. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GatewayReplay } from "@tidegate/rust-core";
import { dataFolder } from "../commands/measured.ts";
import { type Check, check, type Result, result } from "../result.ts";
import { makeRunDir, removeRunDir } from "../sim/cluster.ts";
import { parseSimOptions, shippedStrategies, UsageError } from "../sim/options.ts";
import { sampleFiles, simulate } from "../sim/run.ts";
import { Session, type StrategyPlant, type StrategyTold, strategyTold } from "./session.ts";

/** Each fault that can be planted, and the check that must notice it. */
export const PLANTS = {
  drop: "live_vs_replay_unequal",
  reorder: "live_vs_replay_unequal",
  price: "live_vs_replay_unequal",
  event: "live_vs_replay_unequal",
  recorded: "live_vs_backtest_unequal",
  twice: "runs_unequal",
  lockstep: "lockstep",
} as const;
export type Plant = keyof typeof PLANTS;

/** The least of market time that a session must hold. */
const MARKET_SECONDS_MIN = 600;

export function plantOf(text: string | undefined): Plant | null {
  if (text === undefined) return null;
  if (text in PLANTS) return text as Plant;
  throw new UsageError(`--break ${text}: want ${Object.keys(PLANTS).join(", ")}`);
}

/** How much a comparison must have looked at to say anything. */
export interface Least {
  readonly intents: number;
  readonly records: number;
  readonly marketEvents: number;
  readonly strategies: number;
  readonly marketSeconds: number;
}

interface Told {
  readonly gateway: GatewayReplay;
  readonly gatewayAgain: GatewayReplay;
  readonly strategies: readonly StrategyTold[];
  /** Intents the gateway was given that no replay sends. */
  readonly unsent: number;
  readonly given: number;
  /** By the venue's stamps. */
  readonly marketSeconds: number;
}

/** Reads a captured session and runs it again. */
async function tell(root: string, session: Session, plant: Plant | null): Promise<Told> {
  const scratch = mkdtempSync(join(tmpdir(), "tidegate-parity-"));
  try {
    const { limitsFile } = JSON.parse(
      readFileSync(join(session.dir, "config/gateway.json"), "utf8"),
    ) as { limitsFile: string };
    const files = { instrumentsFile: join(root, "config/instruments.json"), limitsFile };
    const ofGateway =
      plant === "drop" || plant === "reorder" || plant === "price" ? plant : undefined;
    const gateway = await session.gateway(files, scratch, ofGateway);
    const gatewayAgain = await session.gateway(files, scratch, ofGateway);
    const [market, given] = [session.market(), session.given()];
    const ofStrategy: StrategyPlant | null =
      plant === null || ofGateway !== undefined ? null : (plant as StrategyPlant);
    const strategies: StrategyTold[] = [];
    for (const each of session.strategies) {
      if (process.stderr.isTTY) {
        process.stderr.write(`hft: strategy ${each.strategy}, session ${each.epoch}\n`);
      }
      strategies.push(await strategyTold(each, market, given, ofStrategy));
    }
    const sent = new Set(strategies.flatMap(({ ids }) => ids));
    // A sweep of a dead strategy's orders is the platform's, under an epoch that has no log.
    const logged = new Set(
      strategies.map(({ strategy, epoch }) => `${hex8(strategy)}${hex8(epoch)}`),
    );
    const unsent = [...given.keys()].filter((id) => logged.has(id.slice(0, 16)) && !sent.has(id));
    return {
      ...{ gateway, gatewayAgain, strategies, unsent: unsent.length, given: given.size },
      marketSeconds: market.seconds,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const hex8 = (value: number): string => value.toString(16).padStart(8, "0");
const sum = <T>(list: readonly T[], of: (each: T) => number): number =>
  list.reduce((total, each) => total + of(each), 0);

/** Sessions that say anything of it: shorter ones may have met no two events at once. */
const LOCKSTEP_EVENTS_MIN = 500;

/** The checks of a session. */
export function judge(told: Told, least: Least): Check[] {
  const { gateway, gatewayAgain, strategies } = told;
  const runs =
    Number(gateway.replayHash !== gatewayAgain.replayHash) +
    sum(strategies, ({ replay, again }) => Number(replay.replayHash !== again.replayHash));
  const long = strategies.filter(({ replay }) => replay.events >= LOCKSTEP_EVENTS_MIN);
  const named = new Set(strategies.map(({ name }) => name));
  return [
    check(
      "live_vs_replay_unequal",
      gateway.unequal +
        gateway.statesUnequal +
        told.unsent +
        sum(strategies, ({ replay, givenUnequal }) => replay.unequal + givenUnequal),
      "=",
      0,
    ),
    check(
      "live_vs_backtest_unequal",
      sum(strategies, ({ backtest, marketUnequal }) => backtest.unequal + marketUnequal),
      "=",
      0,
    ),
    check("runs_unequal", runs, "=", 0),
    // Of sessions in which no event ever waited for another to be handled.
    check(
      "lockstep",
      sum(long, ({ free }) => Number(free === 0)),
      "=",
      0,
    ),
    check("strategies", named.size, ">=", least.strategies),
    check(
      "strategies_with_intents",
      new Set(strategies.filter(({ replay }) => replay.replayed > 0).map(({ name }) => name)).size,
      ">=",
      Math.ceil(least.strategies / 2),
    ),
    check(
      "intents_compared",
      sum(strategies, ({ replay }) => replay.replayed),
      ">=",
      least.intents,
    ),
    check("journal_records_compared", gateway.records, ">=", least.records),
    check(
      "market_events_compared",
      sum(strategies, ({ marketEvents }) => marketEvents),
      ">=",
      least.marketEvents,
    ),
    check("market_seconds", told.marketSeconds, ">=", least.marketSeconds, "s"),
  ];
}

/** What was looked at, and the first difference of each kind in words. */
export function figuresOf(told: Told): Record<string, unknown> {
  const { gateway, strategies } = told;
  return {
    gateway,
    intents_given: told.given,
    intents_unsent: told.unsent,
    free_events: sum(strategies, ({ free }) => free),
    strategies: strategies.map(
      ({
        strategy,
        epoch,
        name,
        replay,
        again,
        backtest,
        marketUnequal,
        marketEvents,
        givenUnequal,
        torn,
      }) => ({
        ...{ strategy, session: epoch, name, turns: replay.turns, events: replay.events },
        ...{ intents: replay.replayed, unanswered: replay.unanswered, torn_bytes: torn },
        fills: replay.stats.fills,
        overruns: replay.stats.overruns,
        live_hash: replay.liveHash,
        replay_hash: replay.replayHash,
        again_hash: again.replayHash,
        backtest_hash: backtest.replayHash,
        unequal: {
          replay: replay.unequal,
          backtest: backtest.unequal,
          given: givenUnequal,
          market: marketUnequal,
        },
        market_events: marketEvents,
        first: replay.first ?? backtest.first,
      }),
    ),
  };
}

/** `hft replay verify`: a captured run through the cores alone. */
export async function verifySession(
  command: string,
  root: string,
  dir: string,
  plant: Plant | null,
  least: Least = { intents: 1, records: 1, marketEvents: 1, strategies: 1, marketSeconds: 1 },
  more: { readonly checks: readonly Check[]; readonly figures: Record<string, unknown> } = {
    checks: [],
    figures: {},
  },
): Promise<Result> {
  const told = await tell(root, new Session(dir), plant);
  return result(command, [...judge(told, least), ...more.checks], {
    ...figuresOf(told),
    ...more.figures,
    session: dir,
  });
}

/** `hft verify parity`: records a session of separate processes that run freely, two of which are killed, and runs it again. */
export async function verifyParity(
  root: string,
  words: {
    readonly data: string | undefined;
    readonly duration: string;
    readonly speed: string;
    readonly seed: string;
    readonly session: string | undefined;
    readonly keep: boolean;
    readonly plant: string | undefined;
  },
): Promise<Result> {
  const plant = plantOf(words.plant);
  const least: Least = {
    intents: 1_000,
    records: 5_000,
    marketEvents: 10_000,
    strategies: shippedStrategies(root).length,
    marketSeconds: MARKET_SECONDS_MIN,
  };
  if (words.session !== undefined) {
    return verifySession("verify parity", root, words.session, plant, least);
  }
  const files = words.data === undefined ? undefined : captures(words.data);
  const seconds = Number(words.duration);
  const options = parseSimOptions(
    {
      ...{ duration: words.duration, speed: words.speed, seed: words.seed, capture: true },
      ...{ strategy: "shipped", portBase: "0", clickhouse: "none" },
      ...(files === undefined ? {} : { data: files }),
      chaos: `kill:gateway@${(seconds * 0.4).toFixed(1)}s,kill:strategy-runner@${(seconds * 0.7).toFixed(1)}s`,
    },
    root,
    sampleFiles(root),
  );
  const runDir = makeRunDir(root, options);
  let kept = words.keep;
  try {
    const run = await simulate(root, runDir, options);
    const failed = run.checks.filter(({ ok }) => !ok);
    const value = await verifySession("verify parity", root, runDir, plant, least, {
      checks: [check("session_faults", failed.length, "=", 0)],
      figures: {
        session_checks: run.checks,
        kills: options.chaos,
        speed: options.speed,
        data: options.data,
      },
    });
    kept ||= !value.ok && plant === null;
    if (kept) process.stderr.write(`hft: the session is kept in ${runDir}\n`);
    return value;
  } finally {
    if (!kept) removeRunDir(root, runDir);
  }
}

/** The recorded spot and USD-M days of the reference data. */
function captures(data: string): string[] {
  const folder = join(dataFolder(data), "binance-raw-2024-08");
  return ["spot_btcusdt_20240808.jsonl.gz", "usdm_btcusdt_20240808.jsonl.gz"].map((name) =>
    join(folder, name),
  );
}
