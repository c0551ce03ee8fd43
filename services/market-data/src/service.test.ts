import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine, ServiceContext } from "@tidegate/service-kit";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type MarketDataConfig, Settings } from "./config.ts";
import { HoldOff } from "./holdoff.ts";
import { type FetchDepth, fetchDepth, loopConfig, marketData, SnapshotRefused } from "./service.ts";
import { type FedInstrument, isOver, sessionsFor as sessionsAt } from "./sessions.ts";

/** Noon of Taipei. */
const NOW_MS = Date.UTC(2026, 5, 10, 4);
const sessionsFor = (settings: MarketDataConfig, rows: readonly FedInstrument[]) =>
  sessionsAt(settings, rows, NOW_MS);

const SPOT: FedInstrument = { id: 1, venue: "BINANCE_SPOT", symbol: "BTCUSDT", kind: "spot" };
const PERP: FedInstrument = {
  id: 2,
  venue: "BINANCE_USDM",
  symbol: "BTCUSDT",
  kind: "linear_perp",
};
const urls = {
  spotStreamUrl: "ws://127.0.0.1:9000",
  spotRestUrl: "http://127.0.0.1:9000/",
  usdmStreamUrl: "ws://127.0.0.1:9000/",
  usdmRestUrl: "http://127.0.0.1:9000",
};
const config = Settings.parse({
  ...urls,
  instrumentsFile: fileURLToPath(new URL("../../../config/instruments.json", import.meta.url)),
});

describe("sessionsFor()", () => {
  it("gives the venue's own paths and streams, the book on the first of a venue", () => {
    const shape = sessionsFor(config, [SPOT, PERP]).map(({ name, url, streams, ...rest }) => ({
      name,
      url,
      streams: streams.map((own) => own.map((stream) => stream.name)),
      book: rest.carriesBook,
      ids: rest.instrumentIds,
    }));
    expect(shape).toEqual([
      {
        name: "binance-spot",
        url: "ws://127.0.0.1:9000/stream",
        streams: [["btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"]],
        book: true,
        ids: [1],
      },
      {
        name: "binance-usdm",
        url: "ws://127.0.0.1:9000/public/stream",
        streams: [["btcusdt@depth@0ms", "btcusdt@bookTicker"]],
        book: true,
        ids: [2],
      },
      {
        name: "binance-usdm-1",
        url: "ws://127.0.0.1:9000/market/stream",
        streams: [["btcusdt@trade"]],
        book: false,
        ids: [2],
      },
    ]);
  });

  it("speaks to the other venues as their folders say, with keys by file only", () => {
    const table: FedInstrument[] = [
      { id: 3, venue: "BINANCE_COINM", symbol: "BTCUSD_PERP", kind: "inverse_perp" },
      { id: 4, venue: "ALPACA", symbol: "AAPL", kind: "equity" },
      { id: 5, venue: "ALPACA_CRYPTO", symbol: "BTC/USD", kind: "spot" },
      { id: 6, venue: "SHIOAJI", symbol: "2330", kind: "equity" },
      { id: 7, venue: "SHIOAJI", symbol: "TXFR1", kind: "future" },
    ];
    const all = {
      coinmStreamUrl: "wss://d",
      coinmRestUrl: "https://d",
      alpacaStreamUrl: "wss://a",
      alpacaCryptoStreamUrl: "wss://a",
      alpacaKeyFile: "/dev/fd/3",
      shioajiUrl: "http+unix://%2Ftmp%2Fs.sock",
      shioajiTargets: { TXFR1: "TXFF6" },
      caFile: "/x/ca.pem",
    };
    const sessions = sessionsFor(Settings.parse(all), table);
    expect(sessions.map(({ url, dialect }) => [url, dialect])).toEqual([
      ["wss://d/stream", "binance"],
      ["wss://a/v2/iex", "alpaca"],
      ["wss://a/v1beta3/crypto/us", "alpaca"],
      ["http+unix://%2Ftmp%2Fs.sock", "shioaji"],
    ]);
    expect(sessions.map(({ keyFile }) => keyFile)).toEqual([
      undefined,
      "/dev/fd/3",
      "/dev/fd/3",
      undefined,
    ]);
    expect(sessions.every(({ caFile }) => caFile === "/x/ca.pem")).toBe(true);
    expect(sessions[3]?.streams).toEqual([
      [
        { name: "Tick|STK|TSE|2330|", counted: true },
        { name: "BidAsk|STK|TSE|2330|", counted: true },
      ],
      [
        { name: "Tick|FUT|TAIFEX|TXFR1|TXFF6", counted: true },
        { name: "BidAsk|FUT|TAIFEX|TXFR1|TXFF6", counted: true },
      ],
    ]);
    const sip = Settings.parse({ ...all, alpacaFeed: "sip" });
    expect(sessionsFor(sip, table)[1]?.url).toBe("wss://a/v2/sip");
    const keyless = Settings.parse({ alpacaStreamUrl: "wss://a" });
    expect(() => sessionsFor(keyless, table)).toThrow("alpacaKeyFile is not");
    const daemon = Settings.parse({ shioajiUrl: "http://h:1", shioajiOtcCodes: ["6488"] });
    const row = (symbol: string, kind: string) => ({
      id: 8,
      venue: "SHIOAJI" as const,
      symbol,
      kind,
    });
    expect(() => sessionsFor(daemon, [row("TXFR1", "future")])).toThrow("shioajiTargets");
    expect(() => sessionsFor(daemon, [row("X", "spot")])).toThrow("lists no spot");
    expect(sessionsFor(daemon, [row("6488", "equity")])[0]?.streams[0]?.[0]?.name).toBe(
      "Tick|STK|OTC|6488|",
    );
  });

  it("feeds only the venues that are configured, and refuses half a venue and nothing at all", () => {
    const { spotStreamUrl, spotRestUrl } = urls;
    const spotOnly = Settings.parse({ spotStreamUrl, spotRestUrl });
    expect(sessionsFor(spotOnly, [SPOT, PERP]).map((s) => s.instrumentIds)).toEqual([[1]]);
    expect(() => sessionsFor(Settings.parse({ spotStreamUrl }), [SPOT])).toThrow(
      "spotRestUrl is not",
    );
    expect(() => sessionsFor(Settings.parse({}), [SPOT])).toThrow("nothing to feed");
    expect(() => sessionsFor(spotOnly, [PERP])).toThrow("nothing to feed");
  });

  it("makes a Shioaji session in the exchange's hours, and always where it is told so", () => {
    const stock: FedInstrument = { id: 1, venue: "SHIOAJI", symbol: "2330", kind: "equity" };
    const windows = (hours?: string) => {
      const daemon = Settings.parse({
        shioajiUrl: "http://127.0.0.1:1",
        ...(hours === undefined ? {} : { shioajiHours: hours }),
      });
      return sessionsFor(daemon, [stock])[0]?.rules.windows;
    };
    expect(windows()).toMatchObject({ zone: "Asia/Taipei", days: [1, 2, 3, 4, 5] });
    expect(windows("exchange")).toEqual(windows());
    expect(windows("always")).toBeUndefined();
    expect(() => windows("never")).toThrow();
  });

  it("does not subscribe what is over, by the day of its exchange, and says how to roll when nothing is left [A03]", () => {
    const daemon = Settings.parse({ shioajiUrl: "http://127.0.0.1:1" });
    const row = (id: number, symbol: string, expiry?: number): FedInstrument => {
      return {
        id,
        venue: "SHIOAJI",
        symbol,
        kind: expiry === undefined ? "equity" : "future",
        expiry,
      };
    };
    const rows = [row(1, "2330"), row(2, "TXFE6", 20_260_520), row(3, "TXFF6", 20_260_617)];
    const ids = (nowMs: number) => sessionsAt(daemon, rows, nowMs)[0]?.instrumentIds;
    // On its last day it trades; the day turns at midnight of Taipei, 16:00 UTC.
    expect(ids(Date.UTC(2026, 4, 20, 15, 59))).toEqual([1, 2, 3]);
    expect(ids(Date.UTC(2026, 4, 20, 16))).toEqual([1, 3]);
    expect(sessionsAt(daemon, rows, NOW_MS)[0]?.streams).toHaveLength(2);
    expect(ids(Date.UTC(2026, 5, 18))).toEqual([1]);
    expect(() => sessionsAt(daemon, rows.slice(1), Date.UTC(2027, 0, 1))).toThrow(
      "nothing to feed: TXFE6, TXFF6 ended; refresh the contracts",
    );
    // A perpetual and a share have no end; 0 is how the table says so.
    expect(isOver({ ...row(4, "2890"), expiry: 0 }, NOW_MS)).toBe(false);
  });

  it("carries the book of each instrument exactly once", () => {
    const instrument = fc.record({
      venue: fc.constantFrom("BINANCE_SPOT" as const, "BINANCE_USDM" as const),
      symbol: fc.stringMatching(/^[A-Z0-9]{2,12}$/),
      kind: fc.constant("spot"),
    });
    fc.assert(
      fc.property(fc.array(instrument, { minLength: 1, maxLength: 20 }), (rows) => {
        const table = rows.map((row, n) => ({ ...row, id: n + 1 }));
        const books = sessionsFor(config, table)
          .filter(({ carriesBook }) => carriesBook)
          .flatMap(({ instrumentIds }) => instrumentIds);
        expect(books.toSorted((a, b) => a - b)).toEqual(table.map(({ id }) => id));
      }),
    );
  });
});

describe("Settings", () => {
  it.each([
    { spotStreamUrl: "http://x" },
    { spotRestUrl: "ws://x" },
    { mdUrl: "tcp://0.0.0.0:1" },
    { snapshotLevels: 7 },
    { snapshotMsMax: 0 },
    { shioajiUrl: "ftp://x" },
    { shioajiUrl: "http://x/with/path" },
    { alpacaKeyFile: "key.json" },
    { reconnectMsMin: 0 },
  ])("refuses %o", (bad) => {
    expect(Settings.safeParse(bad).success).toBe(false);
  });
});

const quiet = () => {
  const lines: string[] = [];
  const log = (_: unknown, msg: string): void => void lines.push(msg);
  return { lines, log: { info: log, warn: log } };
};

/** The kit's side of one service: what it told the loop and what it wrote in the log. */
function hosted(fetch: FetchDepth) {
  const { lines, log } = quiet();
  const calls: { request: object; body: string }[] = [];
  const context = { config, log } as unknown as ServiceContext<typeof config>;
  const engine: Engine = {
    async call(request, body) {
      calls.push({ request, body: Buffer.from(body ?? []).toString() });
      return { ok: true, outcome: "VALID" };
    },
    stats: () => ({}),
  };
  const spec = marketData(fetch);
  const close = spec.attach?.(context, engine) as () => Promise<void>;
  const want = (instrument: unknown) =>
    spec.onEvent?.({ type: "snapshot_wanted", instrument }, engine, context);
  return { lines, calls, spec, want, close };
}

describe("marketData()", () => {
  it("hands over every snapshot the loop asks for, one at a time for each instrument", async () => {
    const fetched: number[] = [];
    let release = (_: Uint8Array) => {};
    const host = hosted((_, { id }) => {
      fetched.push(id);
      return new Promise((done) => {
        release = done;
      });
    });
    host.want(2);
    host.want(2);
    expect(fetched).toEqual([PERP.id]);
    release(Buffer.from("body"));
    await vi.waitFor(() => expect(host.lines).toEqual(["depth snapshot handed over"]));
    expect(host.calls).toEqual([{ request: { op: "snapshot", instrument: 2 }, body: "body" }]);
    await vi.waitFor(() => {
      host.want(2);
      expect(fetched).toHaveLength(2);
    });
    release(Buffer.from(""));
    await host.close();
  });

  it("says once that a snapshot cannot be had and tries again when the loop asks again", async () => {
    let tries = 0;
    const host = hosted(async () => {
      tries += 1;
      if (tries === 1) throw new Error("status 503");
      return Buffer.from("ok");
    });
    host.want(1);
    await vi.waitFor(() => expect(host.lines).toEqual(["no depth snapshot"]));
    await vi.waitFor(() => {
      host.want(1);
      expect(host.calls).toHaveLength(1);
    });
    host.want(77);
    host.want("x");
    expect(host.lines.filter((line) => line.includes("unknown instrument"))).toHaveLength(2);
    await host.close();
  });

  it("gives up a snapshot that is on its way when it stops, without a word", async () => {
    const host = hosted(
      (_, __, stop) =>
        new Promise((_done, refuse) => stop.addEventListener("abort", () => refuse(stop.reason))),
    );
    host.want(1);
    await host.close();
    expect(host.lines).toEqual([]);
  });

  it("is ready when every book is VALID, and traces where there is a collector", () => {
    const { spec } = hosted(async () => new Uint8Array());
    expect(spec.ready?.({ state: "1/2 VALID" })).toBe(false);
    expect(spec.ready?.({ state: "VALID" })).toBe(true);
    expect(loopConfig(config, true, NOW_MS)).toMatchObject({
      endpoint: "ipc://s/md.sock",
      epochPath: "state/market-data.epoch",
      sessions: { length: 3 },
      trace: true,
    });
  });

  it("warns of each instrument that is over when it starts [A03]", () => {
    const folder = mkdtempSync(join(tmpdir(), "over-"));
    const instrumentsFile = join(folder, "table.json");
    const row = { id: 6, venue: "SHIOAJI", symbol: "TXFE6", kind: "future", expiry: 20_260_520 };
    writeFileSync(
      instrumentsFile,
      JSON.stringify({
        instruments: [row, { ...row, id: 7, symbol: "TXFF6", expiry: 20_260_617 }],
      }),
    );
    const lines: unknown[] = [];
    const log = {
      info: () => {},
      warn: (fields: object, msg: string) => lines.push([fields, msg]),
    };
    const own = { ...config, instrumentsFile };
    const context = { config: own, log } as unknown as ServiceContext<typeof config>;
    const engine: Engine = { call: async () => ({ ok: true }), stats: () => ({}) };
    marketData(fetchDepth, () => NOW_MS).attach?.(context, engine);
    expect(lines).toEqual([
      [
        { instrument: 6, symbol: "TXFE6", expiry: 20_260_520 },
        "an instrument is over and not subscribed; roll with `hft config build`",
      ],
    ]);
    rmSync(folder, { recursive: true });
  });

  it("the README names every setting", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    for (const key of Object.keys(Settings.shape)) expect(readme).toContain(`\`${key}\``);
  });
});

describe("HoldOff", () => {
  it("leaves a venue alone for as long as it asks, and only that venue", () => {
    const hold = new HoldOff();
    hold.answered("A", 429, null, 1_000);
    expect([hold.allows("A", 10_999), hold.allows("A", 11_000), hold.allows("B", 1_000)]).toEqual([
      false,
      true,
      true,
    ]);
    hold.answered("A", 418, 600, 20_000);
    hold.answered("A", 429, 1, 20_001);
    expect([hold.allows("A", 619_999), hold.allows("A", 620_000)]).toEqual([false, true]);
    hold.answered("B", 503, 600, 0);
    expect([hold.allows("B", 0), hold.refused]).toEqual([true, 2]);
  });

  it("a venue that answers 429 is not asked again until it allows, whatever the loop wants", async () => {
    let asked = 0;
    const host = hosted(async () => {
      asked += 1;
      throw new SnapshotRefused(429, 30, "slow down");
    });
    host.want(1);
    await vi.waitFor(() => expect(host.lines).toEqual(["no depth snapshot"]));
    await new Promise((done) => setImmediate(done));
    for (let n = 0; n < 50; n += 1) host.want(1);
    expect(asked).toBe(1);
    host.want(2);
    expect(asked).toBe(2);
    await host.close();
  });
});

describe("fetchDepth()", () => {
  it("gives the body each venue sends, and an error for any other answer or none", async () => {
    const asked: string[] = [];
    let answer = (response: ServerResponse): unknown => response.end('{"lastUpdateId":1}');
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      answer(response);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const own = { ...config, spotRestUrl: base, usdmRestUrl: `${base}/`, snapshotMsMax: 5_000 };
    const never = new AbortController().signal;
    for (const instrument of [SPOT, PERP]) {
      const body = await fetchDepth(own, instrument, never);
      expect(Buffer.from(body).toString()).toBe('{"lastUpdateId":1}');
    }
    expect(asked).toEqual([
      "/api/v3/depth?symbol=BTCUSDT&limit=1000",
      "/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
    ]);
    answer = (response) => response.writeHead(503).end("book not ready");
    await expect(fetchDepth(own, SPOT, never)).rejects.toThrow("503: book not ready");
    answer = () => {};
    await expect(fetchDepth({ ...own, snapshotMsMax: 100 }, SPOT, never)).rejects.toThrow();
    await expect(fetchDepth(own, SPOT, AbortSignal.abort())).rejects.toThrow();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
});
