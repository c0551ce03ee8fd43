/** `hft drill feeds`: every venue is made to fail in every way while market-data runs, and its books are held against the truth. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FeedVenue, type SwitchName, VENUES } from "@tidegate/venue-sim/feeds/switches";
import type { TruthEntry } from "@tidegate/venue-sim/feeds/truth";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { fatalCodes, hold } from "./fatal.ts";
import { Judge } from "./judge.ts";
import { type Throw, throwsOf } from "./plan.ts";
import { Control, Process } from "./processes.ts";
import { instrumentsOf, tableFile } from "./table.ts";
import { Watch } from "./watch.ts";

export const BREAKS = ["hide-gap", "retry-fatal"] as const;
/** How long a venue may take to be VALID and fresh again, ms. */
export const RECOVERED_WITHIN_MS = 120_000;
const INJECTED_WITHIN_MS = 100_000;
const POLL_MS = 100;
/** Rule time runs so fast at the simulator: its 60 s without a pong are over in 6 s. */
const SCALE = 10;
const SETTLE_MS = 400;

export interface FeedDrillOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly plant: string | null;
  readonly venues?: readonly FeedVenue[];
  readonly switches?: readonly SwitchName[];
  /** Fewest books to compare. */
  readonly comparedMin?: number;
  readonly progress?: (line: string) => void;
}

interface Thrown {
  readonly venue: FeedVenue;
  readonly name: SwitchName;
  readonly injected: boolean;
  readonly recoveredMs: number | null;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The median of a third of the samples; 0 without any. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function percentiles(values: readonly number[]): Record<string, number> {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return { n: values.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function marketDataArgs(
  dir: string,
  caFile: string,
  ports: Readonly<Record<FeedVenue, number>>,
  venues: readonly FeedVenue[],
): string[] {
  const at = (scheme: string, venue: FeedVenue) => `${scheme}://127.0.0.1:${ports[venue]}`;
  const flags: Record<FeedVenue, string[]> = {
    BINANCE_SPOT: [
      "--spot-stream-url",
      at("wss", "BINANCE_SPOT"),
      "--spot-rest-url",
      at("https", "BINANCE_SPOT"),
    ],
    BINANCE_USDM: [
      "--usdm-stream-url",
      at("wss", "BINANCE_USDM"),
      "--usdm-rest-url",
      at("https", "BINANCE_USDM"),
    ],
    BINANCE_COINM: [
      "--coinm-stream-url",
      at("wss", "BINANCE_COINM"),
      "--coinm-rest-url",
      at("https", "BINANCE_COINM"),
    ],
    ALPACA: ["--alpaca-stream-url", at("wss", "ALPACA")],
    ALPACA_CRYPTO: ["--alpaca-crypto-stream-url", at("wss", "ALPACA_CRYPTO")],
    // The drill runs on any day, at any hour.
    SHIOAJI: ["--shioaji-url", at("https", "SHIOAJI"), "--shioaji-hours", "always"],
  };
  return [
    ...venues.flatMap((venue) => flags[venue]),
    ...["--alpaca-key-file", join(dir, "key.json"), "--ca-file", caFile],
    ...["--instruments-file", join(dir, "instruments.json"), "--reconnect-ms-min", "200"],
  ];
}

export async function drillFeeds(
  root: string,
  command: string,
  options: FeedDrillOptions,
): Promise<Result> {
  const { minutes, seed, plant, progress } = options;
  if (plant !== null && !(BREAKS as readonly string[]).includes(plant)) {
    throw new UsageError(`--break ${plant}: want ${BREAKS.join(" or ")}`);
  }
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new UsageError("--minutes: want 0 to 1440");
  const venues = options.venues ?? VENUES;
  const dir = mkdtempSync(join(tmpdir(), "drill-feeds-"));
  mkdirSync(join(dir, "s"), { mode: 0o700 });
  try {
    return await drill();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }

  async function drill(): Promise<Result> {
    const instruments = instrumentsOf(venues);
    writeFileSync(join(dir, "instruments.json"), tableFile(instruments, VENUES));
    writeFileSync(join(dir, "key.json"), '{"key":"sim","secret":"sim-secret"}', { mode: 0o600 });
    await using sim = new Process(root, "venue-sim", dir, [
      ...["--feeds", "true", "--feeds-tls", "true", "--feeds-scale", String(SCALE)],
      ...["--feeds-seed", String(seed)],
    ]);
    type FeedsFile = { control: number; ports: Record<FeedVenue, number> };
    const { control: port, ports } = await sim.file<FeedsFile>(join(dir, "venue/feeds.json"));
    const control = new Control(port);
    const caFile = join(dir, "venue/ca.pem");
    const args = marketDataArgs(dir, caFile, ports, venues);
    await using md = new Process(root, "market-data", dir, args, { NODE_EXTRA_CA_CERTS: caFile });
    await md.file(join(dir, "state/market-data.json"));
    const judge = new Judge(instruments);
    await using watch = new Watch(instruments, judge);
    await watch.connect(`ipc://${join(dir, "s/md.sock")}`);

    let running = true;
    let stats = await control.stats();
    let truthFrom = 0;
    let forgotten = 0;
    const rss: number[] = [];
    let looks = 0;
    const pull = async (): Promise<void> => {
      for (;;) {
        const { lines, forgotten: lost } = await control.truth(truthFrom);
        forgotten += lost;
        truthFrom += lost + lines.length;
        for (const line of lines) judge.onTruth(JSON.parse(line) as TruthEntry);
        if (lines.length < 1_000) break;
      }
    };
    const poll = (async () => {
      while (running) {
        await pull();
        stats = await control.stats();
        judge.judge(performance.now());
        looks += 1;
        if (looks % 10 === 0) rss.push(md.rssKib());
        await sleep(POLL_MS);
      }
    })();
    let pollFault: unknown = null;
    poll.catch((error: unknown) => {
      pollFault = error;
    });

    const alive = (): void => {
      for (const process of [sim, md]) {
        if (!process.running)
          throw new Error(`${process.name} ended: ${process.text.slice(-1_500)}`);
      }
      if (pollFault !== null) throw pollFault;
    };
    /** Waits for `held`; null when it took longer than `msMax`. */
    const wait = async (held: () => boolean, msMax: number): Promise<number | null> => {
      const started = performance.now();
      while (!held()) {
        alive();
        if (performance.now() - started > msMax) return null;
        await sleep(POLL_MS / 2);
      }
      return performance.now() - started;
    };
    const injected = (venue: FeedVenue, name: SwitchName) =>
      stats.venues[venue]?.injected[name] ?? 0;

    const thrown: Thrown[] = [];
    const begun = await Promise.all(
      venues.map((venue) => wait(() => watch.fresh(venue, 0), RECOVERED_WITHIN_MS)),
    );
    for (const [at, ms] of begun.entries()) {
      const venue = venues[at];
      if (ms === null)
        throw new Error(
          `${venue} never became VALID: ${JSON.stringify(watch.states())} ${md.text.slice(-1_500)}`,
        );
    }
    progress?.(
      `every venue is VALID after ${Math.round(Math.max(...begun.map((ms) => ms ?? 0)))} ms`,
    );

    const throwOne = async ({ venue, name, kick, withGap }: Throw): Promise<void> => {
      const before = injected(venue, name);
      if (name === "second_connection") await second(venue);
      else if (name !== "tls") await control.inject({ venue, switch: name, kick });
      if (withGap) await control.inject({ venue, switch: "gap" });
      const happened =
        name === "tls"
          ? await wait(() => injected(venue, name) > 0, INJECTED_WITHIN_MS)
          : await wait(() => injected(venue, name) > before, INJECTED_WITHIN_MS);
      const since = performance.now();
      await sleep(SETTLE_MS);
      const recoveredMs = await wait(() => watch.fresh(venue, since), RECOVERED_WITHIN_MS);
      thrown.push({ venue, name, injected: happened !== null, recoveredMs });
      const said = recoveredMs === null ? "NOT RECOVERED" : `${Math.round(recoveredMs)} ms`;
      progress?.(`${venue} ${name}: ${happened === null ? "NOT INJECTED" : said}`);
    };
    /** A client of the same account, which the venue has to refuse while ours goes on. */
    const second = async (venue: FeedVenue): Promise<void> => {
      const ca = readFileSync(caFile, "utf8");
      const path = venue === "ALPACA" ? "/v2/iex" : "/v1beta3/crypto/us";
      await hold(ports[venue], ca, "sim", "sim-secret", path).then(
        (socket) => socket.terminate(),
        () => undefined,
      );
    };

    const probes = async () => {
      if (!venues.includes("ALPACA")) return [];
      const retry = plant === "retry-fatal";
      return fatalCodes({ root, dir, control, port: ports.ALPACA, caFile, retry });
    };
    // Before any switch: one that ends a connection would free the place whose being taken is the point.
    const fatal = await probes();

    const started = performance.now();
    const deadline = started + minutes * 60_000;
    const venueLoop = async (venue: FeedVenue): Promise<void> => {
      const list = throwsOf(venue, options.switches ?? null);
      // Once through whatever it takes; then again and again until the time is up.
      for (let round = 0; round === 0 || performance.now() < deadline; round += 1) {
        for (const each of list) {
          const long = each.name === "half_open" || each.name === "pong_lost";
          if (round > 0 && (long || performance.now() >= deadline)) continue;
          await throwOne(each);
        }
        if (list.length === 0 || list.every(({ name }) => name === "tls")) await sleep(SETTLE_MS);
      }
    };
    const hide = async (): Promise<void> => {
      if (plant !== "hide-gap") return;
      const venue = venues.find((each) => each.startsWith("BINANCE"));
      if (venue === undefined) throw new UsageError("--break hide-gap: want a Binance venue");
      await control.inject({ venue, switch: "gap", count: 60, hidden: true });
    };
    await Promise.all([hide(), ...venues.map(venueLoop)]);
    // What was published last is judged too.
    await sleep(3_500);
    running = false;
    await poll;
    await pull();
    judge.judge(Number.POSITIVE_INFINITY);
    alive();

    const sum = (map: ReadonlyMap<string, number>) => [...map.values()].reduce((a, b) => a + b, 0);
    const wanted = venues.flatMap((venue) => throwsOf(venue, options.switches ?? null));
    const absent = wanted.filter(({ venue, name }) => injected(venue, name) === 0);
    const part = Math.max(1, Math.floor(rss.length / 5));
    // Growth from where the warm-up is over: the second fifth of the run against the last.
    const early = median(rss.slice(part, 2 * part));
    const late = median(rss.slice(-part));
    const growth = early === 0 ? Number.NaN : ((late - early) / early) * 100;
    const unrecovered = thrown.filter(({ recoveredMs }) => recoveredMs === null);
    const matrix = Object.fromEntries(
      venues.map((venue) => [
        venue,
        Object.fromEntries(
          throwsOf(venue, options.switches ?? null).map(({ name }) => {
            const times = thrown.filter((t) => t.venue === venue && t.name === name);
            const worst = Math.max(0, ...times.map((t) => Math.round(t.recoveredMs ?? -1)));
            return [name, { injected: injected(venue, name), fresh_after_ms_max: worst }];
          }),
        ),
      ]),
    );
    const figures = {
      minutes: (performance.now() - started) / 60_000,
      switches: matrix,
      repair_ms: {
        all: percentiles([...watch.repairsMs.values()].flat()),
        ...Object.fromEntries([...watch.repairsMs].map(([venue, ms]) => [venue, percentiles(ms)])),
      },
      compared: Object.fromEntries(judge.compared),
      wrong: Object.fromEntries(judge.wrong),
      wrong_examples: judge.examples,
      not_recovered: unrecovered.map(({ venue, name }) => `${venue} ${name}`),
      not_injected: absent.map(({ venue, name }) => `${venue} ${name}`),
      fatal,
      rss_kib: { early, late, samples: rss.length },
      stream_frames_lost: watch.lost,
      envelopes_refused: watch.refused,
      truth_entries: truthFrom,
      truth_forgotten: forgotten,
    };
    const retried = fatal.reduce((total, each) => total + each.retried, 0);
    return result(
      command,
      [
        check("valid_and_wrong", sum(judge.wrong), "=", 0, "books"),
        check(
          "valid_and_wrong_of",
          sum(judge.compared),
          ">=",
          options.comparedMin ?? 1_000,
          "books",
        ),
        check("sessions_not_recovered", unrecovered.length, "=", 0, "switches"),
        check("sessions_not_recovered_of", thrown.length, ">=", wanted.length, "switches"),
        check("fatal_codes_retried", retried, "=", 0, "attempts"),
        check(
          "fatal_codes_retried_of",
          fatal.length,
          ">=",
          venues.includes("ALPACA") ? 4 : 0,
          "codes",
        ),
        check("rss_growth_percent", growth, "<=", 5, "%"),
        check("switches_not_injected", absent.length, "=", 0, "switches"),
        check("switches_not_injected_of", wanted.length, ">=", 1, "switches"),
      ],
      figures,
      seed,
    );
  }
}
