import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  alpacaVenue,
  fixVenue,
  loopConfig,
  Settings,
  shioajiVenue,
  tradedVenues,
} from "./config.ts";
import { ERRANDS_MAX, Errands } from "./errands.ts";

let dir = "";
let server: Server | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "router-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

const instrumentsFile = fileURLToPath(new URL("../../../config/instruments.json", import.meta.url));
const PAIR = { apiKey: "sim-key", apiSecret: "very-secret-text" };

function settings(
  over: Record<string, unknown> = {},
  keys: unknown = { "binance-spot": PAIR, "binance-usdm": PAIR },
  mode = 0o600,
) {
  const keysFile = join(dir, "keys.json");
  writeFileSync(keysFile, typeof keys === "string" ? keys : JSON.stringify(keys));
  chmodSync(keysFile, mode);
  return Settings.parse({ instrumentsFile, keysFile, ...over });
}

const SPOT = { spotWsApiUrl: "ws://127.0.0.1:1", spotRestUrl: "http://127.0.0.1:1" };
const usdm = (rest: string) => ({
  usdmWsApiUrl: "ws://127.0.0.1:1/",
  usdmStreamUrl: "ws://127.0.0.1:1",
  usdmRestUrl: rest,
});

describe("config", () => {
  it("gives the loop each venue with its path and id of the table", () => {
    const config = settings({ ...SPOT, ...usdm("http://127.0.0.1:1") });
    const loop = loopConfig(config, tradedVenues(config)) as { venues: Record<string, unknown>[] };
    expect(loop.venues.map(({ venueId, apiUrl }) => [venueId, apiUrl])).toEqual([
      [1, "ws://127.0.0.1:1/ws-api/v3"],
      [2, "ws://127.0.0.1:1/ws-fapi/v1"],
    ]);
    expect(loop.venues[0]).toMatchObject({
      apiKey: "sim-key",
      apiSecret: "very-secret-text",
      ordersPer10s: 100,
    });
  });

  it("gives the loop a FIX venue with its session, alone or beside others", () => {
    const table = join(dir, "instruments.json");
    const rows = [{ venue_id: 7, venue: "FIX", symbol: "BTC/USD" }];
    writeFileSync(table, JSON.stringify({ instruments: rows }));
    const over = { instrumentsFile: table, fixUrl: "fix://127.0.0.1:9880" };
    const ids = { fixSenderCompId: "DESK", fixTargetCompId: "VENUE" };
    const config = settings({ ...over, ...ids }, { fix: PAIR });
    const loop = loopConfig(config, tradedVenues(config), { fix: fixVenue(config) }) as {
      venues: Record<string, unknown>[];
    };
    expect(loop.venues).toMatchObject([
      {
        ...{ venueId: 7, apiUrl: "fix://127.0.0.1:9880", apiKey: "sim-key", ordersPer10s: 200 },
        fix: { senderCompId: "DESK", targetCompId: "VENUE", storeDir: "journal/fix" },
      },
    ]);
    expect(JSON.stringify(fixVenue(config))).not.toContain("very-secret-text");
    expect(fixVenue(settings(SPOT))).toBeNull();
    expect(() => fixVenue(settings(over, { fix: PAIR }))).toThrow("fixSenderCompId");
    expect(() => fixVenue(settings({ ...over, ...ids }))).toThrow("has no key of fix");
    expect(() => fixVenue(settings({ ...over, ...ids, instrumentsFile }, { fix: PAIR }))).toThrow(
      "no instrument of FIX",
    );
  });

  it("gives the loop Alpaca with nine tenths of the account's requests [B018]", () => {
    const table = join(dir, "instruments.json");
    const rows = [{ venue_id: 4, venue: "ALPACA", symbol: "AAPL" }];
    writeFileSync(table, JSON.stringify({ instruments: rows }));
    const over = { instrumentsFile: table, alpacaRestUrl: "http://127.0.0.1:1/" };
    const stream = { alpacaStreamUrl: "ws://127.0.0.1:1/" };
    const config = settings({ ...over, ...stream }, { alpaca: PAIR });
    const own = { alpaca: alpacaVenue(config) };
    expect(loopConfig(config, tradedVenues(config), own)).toMatchObject({
      venues: [
        {
          ...{ venueId: 4, apiUrl: "http://127.0.0.1:1", userStreamUrl: "ws://127.0.0.1:1/stream" },
          ...{ weightPerMinute: 200, weightSharePercent: 90, apiSecret: "very-secret-text" },
        },
      ],
    });
    expect(JSON.stringify(own)).not.toContain("very-secret-text");
    expect(alpacaVenue(settings(SPOT))).toBeNull();
    expect(() => alpacaVenue(settings(over, { alpaca: PAIR }))).toThrow("alpacaStreamUrl");
    expect(() => alpacaVenue(settings({ ...over, ...stream }))).toThrow("has no key of alpaca");
  });

  it("gives the loop Shioaji with its account and what is listed over the counter", () => {
    const table = join(dir, "instruments.json");
    const rows = [{ venue_id: 6, venue: "SHIOAJI", symbol: "2890" }];
    writeFileSync(table, JSON.stringify({ instruments: rows }));
    const over = { instrumentsFile: table, shioajiUrl: "http://127.0.0.1:1/" };
    const account = { shioajiBrokerId: "9A95", shioajiAccountId: "1", shioajiOtcCodes: ["5483"] };
    const config = settings({ ...over, ...account }, { shioaji: PAIR });
    const own = { shioaji: shioajiVenue(config) };
    expect(loopConfig(config, tradedVenues(config), own)).toMatchObject({
      venues: [
        {
          ...{ venueId: 6, apiUrl: "http://127.0.0.1:1", ordersPer10s: 150, settlesMs: 30_000 },
          shioaji: { brokerId: "9A95", accountId: "1", otcCodes: ["5483"] },
        },
      ],
    });
    expect(() => shioajiVenue(settings(over, { shioaji: PAIR }))).toThrow("shioajiBrokerId");
    expect(() => shioajiVenue(settings({ ...over, ...account }))).toThrow("has no key of shioaji");
  });

  it("a secret does not show when the venues are printed", () => {
    const venues = tradedVenues(settings(SPOT));
    expect(JSON.stringify(venues)).not.toContain("very-secret-text");
    expect(String(venues[0]?.apiSecret)).not.toContain("very-secret-text");
  });

  it.each([
    ["no venue", {}, undefined, 0o600, "no venue is configured"],
    [
      "half a venue",
      { usdmWsApiUrl: "ws://127.0.0.1:1" },
      undefined,
      0o600,
      "also needs usdmStreamUrl",
    ],
    ["a key file others may read", SPOT, undefined, 0o644, "others may read"],
    ["no key of the venue", SPOT, { "binance-usdm": PAIR }, 0o600, "has no key of binance-spot"],
    ["a key file that is no JSON", SPOT, "very-secret-text", 0o600, "is not {"],
  ] as const)(
    "%s is refused with what and remedy, never with a secret",
    (_name, over, keys, mode, want) => {
      const config = settings(over, keys, mode);
      let message = "";
      try {
        tradedVenues(config);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain(want);
      expect(message).not.toContain("very-secret-text");
    },
  );
});

describe("errands", () => {
  async function venue(answer: (url: string) => { status: number; body: string }) {
    const seen: string[] = [];
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url?.split("?")[0]}`);
      const { status, body } = answer(request.url ?? "");
      response.writeHead(status).end(body);
    });
    await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
    return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  function errands(rest: string) {
    const calls: { request: Record<string, unknown>; body: string }[] = [];
    const logs: string[] = [];
    let wake = () => {};
    const venues = tradedVenues(settings(usdm(rest)));
    const made = new Errands(
      venues,
      async (request, body) => {
        calls.push({ request: { ...request }, body: Buffer.from(body ?? []).toString() });
        wake();
        return {};
      },
      (_level, msg) => {
        logs.push(msg);
        wake();
      },
    );
    const next = () => new Promise<void>((done) => (wake = done));
    return { made, calls, logs, next };
  }

  it("fetches a listen key and hands it to the loop", async () => {
    const { seen, url } = await venue(() => ({ status: 200, body: '{"listenKey":"k1"}' }));
    const { made, calls, next } = errands(url);
    const done = next();
    made.onEvent({ type: "listen_key_wanted", venueId: 2 });
    await done;
    expect(seen).toEqual(["POST /fapi/v1/listenKey"]);
    expect(calls).toEqual([{ request: { op: "listen_key", venueId: 2, key: "k1" }, body: "" }]);
    await made.stop();
  });

  it("answers a query with the venue's status and its body, byte for byte", async () => {
    const body = '[{"id":9007199254740993,"price":"61800.20"}]';
    const { url } = await venue(() => ({ status: 200, body }));
    const { made, calls, next } = errands(url);
    const done = next();
    made.onEvent({
      type: "rest_wanted",
      venueId: 2,
      token: 7,
      query: "trades",
      symbol: "BTCUSDT",
      orderId: "3",
    });
    await done;
    expect(calls).toEqual([{ request: { op: "rest", token: 7, status: 200 }, body }]);
    await made.stop();
  });

  it("answers a query that got no answer with status 0, so that nobody waits for it", async () => {
    const { made, calls, next } = errands("http://127.0.0.1:1");
    const done = next();
    made.onEvent({ type: "rest_wanted", venueId: 2, token: 8, query: "time" });
    await done;
    expect(calls[0]?.request).toEqual({ op: "rest", token: 8, status: 0 });
    await made.stop();
  });

  it("a refused listen key is a log line, and so is an event nobody knows", async () => {
    const { url } = await venue(() => ({ status: 401, body: "{}" }));
    const { made, logs, next } = errands(url);
    const done = next();
    made.onEvent({ type: "listen_key_wanted", venueId: 2 });
    await done;
    made.onEvent({ type: "nonsense" });
    expect(logs).toEqual(["an errand failed", "the loop said something unknown"]);
    await made.stop();
  });

  it("keeps the venue's dead-man switch from going off while the gateway is there, and not when it is not", async () => {
    const { seen, url } = await venue(() => ({ status: 200, body: "{}" }));
    const { made } = errands(url);
    let alive = true;
    let asked = 0;
    made.keepAlive(30, () => {
      asked += 1;
      return alive;
    });
    const until = async (holds: () => boolean) => {
      for (let n = 0; n < 500 && !holds(); n += 1) await new Promise((done) => setTimeout(done, 5));
      expect(holds()).toBe(true);
    };
    await until(() => seen.length >= 3);
    expect(new Set(seen)).toEqual(new Set(["POST /fapi/v1/countdownCancelAll"]));
    alive = false;
    // What was asked before has arrived once two further looks have said no.
    const from = asked;
    await until(() => asked >= from + 2);
    const last = seen.length;
    await until(() => asked >= from + 6);
    expect(seen.length).toBeLessThanOrEqual(last + 1);
    await made.stop();
  });

  it("a kill is swept until it is lifted, and its report goes to the loop [B049]", async () => {
    const { seen, url } = await venue((path) => ({
      status: 200,
      body: path.startsWith("/fapi/v1/openOrders") ? "[]" : "{}",
    }));
    const { made, calls, next } = errands(url);
    const done = next();
    made.onEvent({ type: "mass_cancel_wanted", killTsNs: "5" });
    await done;
    expect(seen.slice(0, 2)).toEqual(["DELETE /fapi/v1/allOpenOrders", "GET /fapi/v1/openOrders"]);
    await new Promise<void>((resolve) => {
      const look = () => (calls.length > 0 ? resolve() : setTimeout(look, 5));
      look();
    });
    expect(calls[0]?.request).toMatchObject({
      op: "mass_cancelled",
      report: { killTsNs: "5", confirmed: true },
    });
    made.onEvent({ type: "mass_cancel_done", killTsNs: "0" });
    const after = seen.length;
    await made.stop();
    expect(seen.length).toBe(after);
  });

  it("a flood of errands is bounded, and none is left behind by a stop", async () => {
    const { seen, url } = await venue(() => ({ status: 401, body: "{}" }));
    const { made, logs } = errands(url);
    for (let n = 0; n < ERRANDS_MAX + 5; n++) {
      made.onEvent({ type: "listen_key_wanted", venueId: 2 });
    }
    expect(logs).toEqual(Array.from({ length: 5 }, () => "too many errands under way"));
    await made.stop();
    expect(seen.length).toBeLessThanOrEqual(ERRANDS_MAX);
  });
});
