/** The running venue: files, clock, timers and sockets around the pure parts. */

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { RestClient, VENUES } from "@tidegate/venues";
import { type LivePlace, livePlaces, type VenueSimConfig } from "./config.ts";
import type { SimMarketFactory } from "./core.ts";
import { FeedRecord } from "./feed-record.ts";
import { LiveMarket, type LiveRecord } from "./live.ts";
import { VenueLog } from "./log.ts";
import { coreConfig, MARKET_IDS, MARKETS, type MarketId } from "./markets.ts";
import { Replay, type ReplayEffect, rewrite, type Shift } from "./replay.ts";
import { restoredState } from "./restore.ts";
import { loadSample, type Sample } from "./sample.ts";
import { AlpacaOrders } from "./trading/alpaca/index.ts";
import { orderBoards, throwSwitch } from "./trading/binance/control.ts";
import { type RequestLine, Venue } from "./trading/binance/desk.ts";
import { type ArmedFaults, VenueServer } from "./trading/binance/skin.ts";

export type { BookId } from "./markets.ts";
export { newRustMarket } from "./rust-market.ts";
export { loadSample, SampleError } from "./sample.ts";
export { PortTaken } from "./trading/binance/skin.ts";
export { type TruthFill, type TruthOrder, truthOf, type VenueTruth, venueTruth } from "./truth.ts";

/** Replay effects handled before the event loop gets its turn. */
export const EFFECTS_PER_TURN_MAX = 256;
/** Longest sleep of the replay timer: countdowns and keep-alive are looked at this often. */
export const TICK_MS_MAX = 10;

export interface Clock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number;
}
/** The host's real-time clock, the one clients stamp their requests with; a monotonic clock would drift from it. */
export const systemClock: Clock = { nowMs: () => Date.now() };

export interface VenueSimDeps {
  readonly clock: Clock;
  readonly newMarket: SimMarketFactory;
  /** Told once when the venue cannot go on, e.g. its log cannot be written. */
  readonly onFatal: (error: unknown) => void;
  readonly log?: (level: "info" | "warn", msg: string, fields: Record<string, unknown>) => void;
}

export interface VenueSim extends AsyncDisposable {
  readonly port: number;
  /** Of Alpaca's orders, where they are wanted. */
  readonly alpacaPort: number | null;
  /** Whether every book that is not replayed is whole. */
  readonly synced: boolean;
  /** Counters and position for health, metrics and the run's table. */
  stats(): Record<string, unknown>;
  /** Says goodbye to the clients and stops the replay; the sockets stay for a last cancel until disposal. */
  drain(): void;
}

interface RunFile {
  readonly startedMs: number;
  readonly speed: number;
  readonly data: string;
}

/** The run's start as `venue/run.json` keeps it; a new one when there is none or the recording is another. */
function openRun(
  dir: string,
  speed: number,
  data: string,
  startedMs: number,
  nowMs: number,
): { run: RunFile; resumed: boolean } {
  const path = join(dir, "run.json");
  if (existsSync(path)) {
    const run = JSON.parse(readFileSync(path, "utf8")) as RunFile;
    if (run.data === data && run.speed === speed && run.startedMs <= nowMs)
      return { run, resumed: true };
    throw new Error(
      `cannot resume ${path}: it belongs to another recording or speed; use an empty run folder`,
    );
  }
  const run: RunFile = { startedMs, speed, data };
  writeFileSync(`${path}.new`, `${JSON.stringify(run)}\n`);
  renameSync(`${path}.new`, path);
  return { run, resumed: false };
}

/** What tells one market from another: the bytes of a recording, or where a live one comes from. */
function marketHash(sample: Sample | null, places: ReadonlyMap<MarketId, LivePlace>): string {
  const hash = createHash("sha256");
  if (sample === null) return hash.update(JSON.stringify([...places])).digest("hex");
  for (const { market, atNs, bytes } of sample.records)
    hash.update(`${market} ${atNs} `).update(bytes);
  return hash.digest("hex");
}

/** Nothing is moved of what comes as it is. */
const NO_SHIFT: Shift = {
  timeMs: 0,
  updateId: { spot: 0, usdm: 0 },
  tradeId: { spot: 0, usdm: 0 },
};

/**
 * Starts the venue, on a recording or on the live market of another venue.
 *
 * Errors  SampleError (file and line), PortTaken, a log that cannot be read or belongs to another run, half a live market
 */
export async function startVenueSim(config: VenueSimConfig, deps: VenueSimDeps): Promise<VenueSim> {
  const places = livePlaces(config);
  const sample = places.size === 0 ? loadSample(config.data) : null;
  const venueDir = config.venueDir;
  mkdirSync(venueDir, { recursive: true });
  const started = deps.clock.nowMs();
  const { run, resumed } = openRun(
    venueDir,
    config.speed,
    marketHash(sample, places),
    // A run that begins in the middle is one that began before.
    Math.floor(started - (config.skipS * 1_000) / config.speed),
    Math.floor(started),
  );
  const log = new VenueLog(join(venueDir, "log.ndjson"));
  const replay =
    sample === null
      ? null
      : new Replay(sample, {
          startedMs: run.startedMs,
          speed: run.speed,
          spanMs: sample.spanNs / 1e6,
        });
  let shift: Shift = replay?.shift ?? NO_SHIFT;
  const faults: ArmedFaults = {
    ackLost: 0,
    ackLostEvents: false,
    depthGap: { spot: 0, usdm: 0 },
    clockSkewMs: 0,
  };
  const nowMs = (): number => Math.floor(deps.clock.nowMs() + faults.clockSkewMs);
  const newCore = (market: MarketId) =>
    deps.newMarket(coreConfig(MARKETS[market], config.openOrdersMax));
  const cores = { spot: newCore("spot"), usdm: newCore("usdm") };
  const tickerIds: Record<MarketId, number> = { spot: 0, usdm: 0 };

  /** A snapshot may carry the id of the newest ticker, which its touch is; never that of a depth message to come. */
  const snapshotId = (market: MarketId, bookId: number): number => {
    const next = replay?.nextDepthId(market) ?? null;
    const newest = next === null ? tickerIds[market] : Math.min(tickerIds[market], next - 1);
    return Math.max(bookId, newest) + shift.updateId[market];
  };
  const keys = [
    { key: config.apiKey, secret: config.apiSecret, trade: true },
    { key: config.killKey, secret: config.killSecret, trade: false },
  ];
  const requests = config.requestLog ? openSync(join(venueDir, "requests.ndjson"), "a") : null;
  const onRequest =
    requests === null
      ? null
      : (line: RequestLine): void => void writeSync(requests, `${JSON.stringify(line)}\n`);
  const venue = new Venue(cores, log, keys, snapshotId, config.ratesScale, onRequest);

  /** The book begins from the recorded snapshot, a moment before the collector had it. */
  const feedSnapshots = (): void => {
    for (const [market, record] of sample?.snapshots ?? [])
      venue.onMarket(market, record.bytes, nowMs());
  };

  const midway = resumed || config.skipS > 0;
  if (midway) {
    const { pass, past } = replay?.resume(deps.clock.nowMs()) ?? { pass: 0, past: [] };
    shift = replay?.shift ?? NO_SHIFT;
    feedSnapshots();
    for (const record of past) {
      venue.onMarket(record.market, record.bytes, nowMs());
      if (record.kind === "bookTicker") tickerIds[record.market] = record.id;
    }
    // Only now the orders: what the market did while the venue was away did not meet them.
    for (const market of MARKET_IDS) {
      const state = restoredState(log.restored, market, MARKETS[market]);
      if (state !== null) cores[market].restore(state);
    }
    venue.rebase();
    deps.log?.("info", resumed ? "resumed from the log" : "begun midway", {
      lines: log.lines,
      pass,
      records: past.length,
    });
  }

  let passesStarted = midway ? 1 : 0;
  const boards = orderBoards();
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, act: () => void): void => {
    const each = setTimeout(() => {
      timers.delete(each);
      act();
    }, ms);
    timers.add(each);
  };
  const onControl = (request: Record<string, unknown>): unknown => {
    if (request["switch"] !== undefined) {
      throwSwitch(request, { venue, server, boards, nowMs, later });
      return stats();
    }
    const market: MarketId = request["market"] === "spot" ? "spot" : "usdm";
    const count =
      typeof request["count"] === "number" ? Math.max(0, Math.floor(request["count"])) : 1;
    switch (request["fault"]) {
      case undefined:
        break;
      case "ack_lost":
        faults.ackLost = count;
        faults.ackLostEvents = request["events"] === true;
        break;
      case "disconnect":
        server.disconnect("all");
        break;
      case "disconnect_streams":
        server.disconnect("streams");
        break;
      case "depth_gap":
        faults.depthGap[market] = count;
        break;
      case "clock_skew":
        faults.clockSkewMs = typeof request["ms"] === "number" ? request["ms"] : 0;
        break;
      case "shutdown_notice":
        server.announceShutdown(nowMs());
        break;
      case "transfer": {
        const e8 = (name: string): bigint => {
          const text = request[name] ?? "0";
          if (typeof text === "string" && /^-?\d{1,30}$/.test(text)) return BigInt(text);
          throw new Error(`transfer: ${name} ${JSON.stringify(text)}: want a whole number as text`);
        };
        const moved = { baseE8: e8("baseE8"), quoteE8: e8("quoteE8") };
        venue.transfer(market, moved, request["told"] !== false, nowMs());
        break;
      }
      case "rate_limit": {
        const forMs = typeof request["ms"] === "number" ? Math.max(0, request["ms"]) : 1_000;
        venue.block(market, request["status"] === 418 ? 418 : 429, forMs, nowMs());
        break;
      }
      default:
        throw new Error(
          `unknown fault ${String(request["fault"])}: want ack_lost, disconnect, disconnect_streams, depth_gap, clock_skew, rate_limit, transfer or shutdown_notice`,
        );
    }
    return stats();
  };
  const server = new VenueServer({
    venue,
    nowMs,
    onControl,
    faults,
    boards,
    onError: deps.onFatal,
  });
  const counts = { records: 0, sent: 0, rolls: 0 };

  const apply = (effect: ReplayEffect): void => {
    switch (effect.kind) {
      case "begin":
        shift = replay?.shift ?? NO_SHIFT;
        server.open = true;
        if (passesStarted > 0) {
          for (const market of MARKET_IDS) venue.resetMarket(market, nowMs());
        }
        passesStarted += 1;
        feedSnapshots();
        break;
      case "record": {
        const { record } = effect;
        counts.records += 1;
        venue.onMarket(record.market, record.bytes, nowMs());
        if (record.kind === "snapshot") break;
        if (record.kind === "bookTicker") tickerIds[record.market] = record.id;
        if (record.kind === "depth" && faults.depthGap[record.market] > 0) {
          faults.depthGap[record.market] -= 1;
        } else if (server.wants(record.market, record.stream)) {
          counts.sent += 1;
          server.stream(record.market, record.stream, rewrite(record, shift));
        }
        break;
      }
      case "shutdown_notice":
        server.announceShutdown(nowMs());
        break;
      case "disconnect":
        counts.rolls += 1;
        server.open = false;
        server.disconnect("all");
        tickerIds.spot = 0;
        tickerIds.usdm = 0;
        break;
    }
    server.publishUserEvents();
  };

  let timer: NodeJS.Timeout | NodeJS.Immediate | null = null;
  let stopped = false;
  let failed = false;
  const turn = (): void => {
    if (stopped) return;
    try {
      const wall = deps.clock.nowMs();
      const effects = replay?.due(wall, EFFECTS_PER_TURN_MAX) ?? [];
      for (const effect of effects) apply(effect);
      venue.tick(nowMs());
      server.tick(nowMs());
      server.publishUserEvents();
      if (effects.length === EFFECTS_PER_TURN_MAX) timer = setImmediate(turn);
      else {
        const nextMs = replay === null ? TICK_MS_MAX : Math.max(1, replay.nextDueMs() - wall);
        timer = setTimeout(turn, Math.min(TICK_MS_MAX, nextMs));
      }
    } catch (error) {
      fatal(error);
    }
  };
  const fatal = (error: unknown): void => {
    stopped = true;
    failed = true;
    deps.onFatal(error);
  };

  function stats(): Record<string, unknown> {
    const spot = venue.stats("spot");
    const usdm = venue.stats("usdm");
    const sum = (key: string) => Number(spot[key] ?? 0) + Number(usdm[key] ?? 0);
    return {
      state: failed ? "failed" : server.open ? "serving" : "away",
      events: counts.records,
      sent: counts.sent,
      rolls: counts.rolls,
      clients: server.clients,
      orders: sum("orders"),
      open: sum("open"),
      fills: sum("fills"),
      duplicates: sum("duplicates"),
      sameLiquidityFilledTwice: sum("sameLiquidityFilledTwice"),
      logLines: log.lines,
      // ms by which the replay is behind its plan
      lag: Math.max(0, Math.round(deps.clock.nowMs() - (replay?.nextDueMs() ?? Infinity))),
      ...(replay === null
        ? {
            live: Object.fromEntries([...live].map(([market, each]) => [market, each.stats()])),
            recordFull: writing?.full ?? false,
          }
        : {}),
      venuePort: port,
      markets: { spot, usdm },
      ...(alpaca === null ? {} : { alpaca: { port: alpaca.port, ...alpaca.stats() } }),
    };
  }

  const writing = config.liveRecord ? new FeedRecord(venueDir, deps.clock) : null;
  const onRecord = (record: LiveRecord): void => {
    const { market, kind, stream, text, bytes, id } = record;
    if (stopped) return;
    try {
      writing?.add(record);
      counts.records += 1;
      venue.onMarket(market, bytes, nowMs());
      if (kind === "bookTicker") tickerIds[market] = id;
      if (kind !== "snapshot" && server.wants(market, stream)) {
        counts.sent += 1;
        server.stream(market, stream, text);
      }
      server.publishUserEvents();
    } catch (error) {
      fatal(error);
    }
  };
  const live = new Map<MarketId, LiveMarket>();
  const openLive = (): void => {
    for (const [market, { streamUrl, restUrl }] of places) {
      const rest = new RestClient({ baseUrl: restUrl.replace(/\/+$/, "") });
      const { queries } = VENUES[market === "spot" ? "BINANCE_SPOT" : "BINANCE_USDM"];
      live.set(
        market,
        new LiveMarket({
          market,
          streamUrl,
          reconnectMsMin: config.liveReconnectMsMin,
          snapshot: (levels, stop) =>
            queries.depthSnapshot(rest, MARKETS[market].symbol, levels, stop),
          onRecord,
          onLost: (lost) => {
            if (!stopped) venue.resetMarket(lost, nowMs());
          },
          gaps: () => Number(venue.stats(market)["gaps"]),
          onFatal: fatal,
          log: (msg, fields) => deps.log?.("info", msg, fields),
        }),
      );
    }
  };

  const port = await server.listen(config.port);
  const alpaca = config.alpaca
    ? await AlpacaOrders.start({
        log,
        newMarket: deps.newMarket,
        keys,
        onFatal: deps.onFatal,
        port: config.alpacaPort,
        seed: config.feedsSeed,
        cash: config.alpacaCash,
        openOrdersMax: config.openOrdersMax,
        ratesScale: config.ratesScale,
        alwaysOpen: config.alpacaHours === "always",
        binaryFrames: config.alpacaFrames === "binary",
        nowMs,
        ...(requests === null
          ? {}
          : { onRequest: (line) => void writeSync(requests, `${JSON.stringify(line)}\n`) }),
      })
    : null;
  openLive();
  turn();
  const drain = (): void => {
    if (stopped) return;
    stopped = true;
    for (const each of timers) clearTimeout(each);
    if (timer !== null) {
      clearTimeout(timer as NodeJS.Timeout);
      clearImmediate(timer as NodeJS.Immediate);
    }
    server.announceShutdown(nowMs());
  };
  return {
    port,
    alpacaPort: alpaca?.port ?? null,
    get synced() {
      return [...live.values()].every(({ synced }) => synced);
    },
    stats,
    drain,
    async [Symbol.asyncDispose]() {
      drain();
      for (const each of live.values()) each.close();
      writing?.close();
      await alpaca?.[Symbol.asyncDispose]();
      await server.close();
      log.close();
      if (requests !== null) closeSync(requests);
    },
  };
}
