import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { SAMPLE_FILES, Settings } from "./config.ts";
import { dueMs } from "./replay.ts";
import { newRustMarket } from "./rust-market.ts";
import { loadSample } from "./sample.ts";
import { startVenueSim, type VenueSim, venueTruth } from "./service.ts";
import { sign, wsPayload } from "./trading/binance/auth.ts";

type Json = Record<string, unknown>;
const START_MS = 1_800_000_000_000;
const sample = loadSample(SAMPLE_FILES);
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

interface Bench {
  readonly venue: VenueSim;
  readonly dir: string;
  readonly clock: { now: number };
  readonly fatal: unknown[];
}

/** A venue on a free port whose clock the test turns. */
async function bench(
  options: { dir?: string; now?: number; speed?: number; data?: string[] } = {},
): Promise<Bench> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "venue-"));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  const clock = { now: options.now ?? START_MS };
  const fatal: unknown[] = [];
  const config = Settings.parse({
    venueDir: dir,
    speed: options.speed ?? 1,
    ...(options.data === undefined ? {} : { data: options.data }),
  });
  const venue = await startVenueSim(config, {
    clock: { nowMs: () => clock.now },
    newMarket: newRustMarket,
    onFatal: (error) => fatal.push(error),
  });
  undo.push(() => venue[Symbol.asyncDispose]());
  return { venue, dir, clock, fatal };
}

/** A websocket whose messages wait until they are asked for. */
class Peer {
  readonly socket: WebSocket;
  readonly #seen: Json[] = [];
  #wake: (() => void) | null = null;
  closed: number | null = null;
  #id = 0;
  constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on("message", (data) => {
      this.#seen.push(JSON.parse(data.toString()) as Json);
      this.#wake?.();
    });
    this.socket.on("close", (code) => {
      this.closed = code;
      this.#wake?.();
    });
    undo.push(() => this.socket.terminate());
  }
  async open(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.socket.once("open", () => resolve());
      this.socket.once("error", reject);
    });
    return this;
  }
  /** The first message that fits, taken out; waits for it. */
  async take(fits: (message: Json) => boolean): Promise<Json> {
    for (;;) {
      const at = this.#seen.findIndex(fits);
      if (at >= 0) return this.#seen.splice(at, 1)[0] ?? {};
      if (this.closed !== null)
        throw new Error(`closed with ${this.closed} before the message came`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
  async closing(): Promise<number> {
    while (this.closed === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.closed;
  }
  /** Sends a signed request and gives its reply. */
  async call(
    method: string,
    params: Record<string, string | number>,
    nowMs: number,
    secret = "sim-secret",
  ): Promise<Json> {
    this.send(method, params, nowMs, secret);
    const id = this.#id;
    return this.take((message) => message["id"] === id);
  }
  send(
    method: string,
    params: Record<string, string | number>,
    nowMs: number,
    secret = "sim-secret",
  ): void {
    this.#id += 1;
    const all: Record<string, string | number> = { apiKey: "sim", timestamp: nowMs, ...params };
    const payload = wsPayload(
      new Map(Object.entries(all).map(([name, value]) => [name, String(value)])),
    );
    this.socket.send(
      JSON.stringify({
        id: this.#id,
        method,
        params: { ...all, signature: sign(payload, secret) },
      }),
    );
  }
}

const ws = (b: Bench, path: string) => new Peer(`ws://127.0.0.1:${b.venue.port}${path}`).open();
async function rest(
  b: Bench,
  method: string,
  path: string,
  params: Record<string, string | number> = {},
  signed = true,
) {
  const query = new URLSearchParams(
    Object.entries(params).map(([k, v]): [string, string] => [k, String(v)]),
  );
  if (signed) {
    query.set("timestamp", String(b.clock.now));
    query.set("signature", sign(query.toString(), "sim-secret"));
  }
  const response = await fetch(`http://127.0.0.1:${b.venue.port}${path}?${query}`, {
    method,
    headers: { "X-MBX-APIKEY": "sim" },
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Json & Json[],
  };
}
const control = (b: Bench, fault: Json) =>
  fetch(`http://127.0.0.1:${b.venue.port}/_sim`, {
    method: "POST",
    body: JSON.stringify(fault),
  }).then((r) => r.json() as Promise<Json>);

/** Turns the clock to a recorded moment and waits until the venue has played up to it. */
async function playTo(b: Bench, recordedMs: number): Promise<void> {
  b.clock.now = START_MS + recordedMs;
  const want = sample.records.filter(({ atNs }) => atNs / 1e6 <= recordedMs).length;
  while (Number(b.venue.stats()["events"]) < want)
    await new Promise((resolve) => setImmediate(resolve));
}

const limit = (id: string, side: string, price: string, quantity: string) => ({
  symbol: "BTCUSDT",
  side,
  type: "LIMIT",
  timeInForce: "GTC",
  price,
  quantity,
  newClientOrderId: id,
});

describe("market data", () => {
  it("combined and raw streams carry the recorded messages with shifted times, in order, with contiguous ids", async () => {
    const b = await bench();
    const spot = await ws(
      b,
      "/stream?streams=btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker",
    );
    const raw = await ws(b, "/ws/btcusdt@trade");
    await playTo(b, 3_000);
    const recorded = sample.records.filter(
      (r) => r.market === "spot" && r.kind === "depth" && r.atNs > 0 && r.atNs / 1e6 <= 3_000,
    );
    let lastId = 0;
    for (const record of recorded) {
      const { stream, data } = (await spot.take((m) => m["stream"] === "btcusdt@depth@100ms")) as {
        stream: string;
        data: Json;
      };
      expect(stream).toBe(record.stream);
      expect(data["u"]).toBe(record.id);
      if (lastId > 0) expect(data["U"]).toBe(lastId + 1);
      lastId = record.id;
      const event = Number(data["E"]);
      expect(event).toBeLessThanOrEqual(
        dueMs({ startedMs: START_MS, speed: 1, spanMs: sample.spanNs / 1e6 }, 0, record.atNs),
      );
      expect(b.clock.now - event).toBeLessThan(3_500);
    }
    expect((await raw.take((m) => m["e"] === "trade"))["t"]).toBe(
      sample.records.find((r) => r.market === "spot" && r.kind === "trade")?.id,
    );
  });

  it("USD-M streams are routed, and a stream on the wrong route is refused", async () => {
    const b = await bench();
    const pub = await ws(b, "/public/stream?streams=btcusdt@depth@0ms/btcusdt@bookTicker");
    const market = await ws(b, "/market/stream?streams=btcusdt@trade");
    await expect(ws(b, "/public/stream?streams=btcusdt@trade")).rejects.toThrow("400");
    await expect(ws(b, "/nowhere")).rejects.toThrow("404");
    await playTo(b, 2_500);
    let previous: unknown;
    for (let n = 0; n < 5; n += 1) {
      const { data } = (await pub.take((m) => m["stream"] === "btcusdt@depth@0ms")) as {
        data: Json;
      };
      if (previous !== undefined) expect(data["pu"]).toBe(previous);
      previous = data["u"];
    }
    expect(((await market.take(() => true)) as { data: Json }).data["e"]).toBe("trade");
  });

  it("SUBSCRIBE, LIST_SUBSCRIPTIONS and UNSUBSCRIBE work; a sixth message in a second ends the connection", async () => {
    const b = await bench();
    const peer = await ws(b, "/ws");
    const say = (id: number, method: string, params?: string[]) =>
      peer.socket.send(JSON.stringify({ method, params, id }));
    say(1, "SUBSCRIBE", ["btcusdt@bookTicker"]);
    say(2, "LIST_SUBSCRIPTIONS");
    expect(await peer.take((m) => m["id"] === 2)).toEqual({
      result: ["btcusdt@bookTicker"],
      id: 2,
    });
    await playTo(b, 1_000);
    expect(await peer.take((m) => m["b"] !== undefined)).toHaveProperty("u");
    say(3, "UNSUBSCRIBE", ["btcusdt@bookTicker"]);
    b.clock.now += 0;
    for (const id of [4, 5, 6, 7, 8, 9]) say(id, "LIST_SUBSCRIPTIONS");
    expect(await peer.closing()).toBe(1008);
  });

  it("a snapshot bridges to the stream by the venue's rule and its book is the recorded one", async () => {
    const b = await bench();
    for (const [path, name, market] of [
      ["/stream?streams=btcusdt@depth@100ms", "/api/v3/depth", "spot"],
      ["/public/stream?streams=btcusdt@depth@0ms", "/fapi/v1/depth", "usdm"],
    ] as const) {
      const peer = await ws(b, path);
      await playTo(b, market === "spot" ? 4_000 : 8_000);
      const { body } = await rest(b, "GET", name, { symbol: "BTCUSDT", limit: 1000 }, false);
      const last = Number(body["lastUpdateId"]);
      await playTo(b, market === "spot" ? 6_000 : 10_000);
      for (;;) {
        const { data } = (await peer.take(() => true)) as { data: Json };
        if (Number(data["u"]) < last || (market === "spot" && data["u"] === last)) continue;
        expect(Number(data["U"])).toBeLessThanOrEqual(market === "spot" ? last + 1 : last);
        expect(Number(data["u"])).toBeGreaterThanOrEqual(last);
        break;
      }
      const bids = body["bids"] as unknown as [string, string][];
      const asks = body["asks"] as unknown as [string, string][];
      expect(Number(bids[0]?.[0])).toBeLessThan(Number(asks[0]?.[0]));
      expect(bids.length).toBeGreaterThan(500);
    }
  });

  it("faults: a scripted gap drops exactly the depth messages asked for", async () => {
    const b = await bench();
    const peer = await ws(b, "/public/stream?streams=btcusdt@depth@0ms");
    await control(b, { fault: "depth_gap", market: "usdm", count: 2 });
    await playTo(b, 2_000);
    const recorded = sample.records.filter(
      (r) => r.market === "usdm" && r.kind === "depth" && r.atNs / 1e6 <= 2_000,
    );
    const { data } = (await peer.take(() => true)) as { data: Json };
    expect(data["u"]).toBe(recorded[2]?.id);
    expect(await control(b, { fault: "nonsense" })).toHaveProperty("error");
  });
});

describe("orders", () => {
  it("spot over the websocket API: place, status, fill, cancel, with user events in the venue's keys", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const api = await ws(b, "/ws-api/v3");
    const now = b.clock.now;
    expect((await api.call("userDataStream.subscribe.signature", {}, now))["result"]).toEqual({
      subscriptionId: 0,
    });
    const placed = await api.call("order.place", limit("rest1", "BUY", "60000.00", "0.00100"), now);
    expect(placed).toMatchObject({
      status: 200,
      result: {
        status: "NEW",
        clientOrderId: "rest1",
        price: "60000.00000000",
        origQty: "0.00100000",
      },
    });
    const report = ((await api.take((m) => m["event"] !== undefined)) as { event: Json }).event;
    expect(report).toMatchObject({
      e: "executionReport",
      x: "NEW",
      X: "NEW",
      c: "rest1",
      C: "",
      S: "BUY",
      q: "0.00100000",
      p: "60000.00000000",
      z: "0.00000000",
      t: -1,
      m: false,
    });
    expect(
      ((await api.take((m) => m["event"] !== undefined)) as { event: Json }).event,
    ).toMatchObject({
      e: "outboundAccountPosition",
      B: [
        { a: "BTC", f: "10.00000000", l: "0.00000000" },
        { a: "USDT", f: "999940.00000000", l: "60.00000000" },
      ],
    });
    const duplicate = await api.call(
      "order.place",
      limit("rest1", "BUY", "60000.00", "0.00100"),
      now,
    );
    expect(duplicate).toMatchObject({
      status: 400,
      error: { code: -2010, msg: "Duplicate order sent." },
    });
    const taken = await api.call(
      "order.place",
      { ...limit("take1", "BUY", "63000.00", "0.00200"), timeInForce: "IOC" },
      now,
    );
    expect(taken).toMatchObject({ result: { status: "FILLED", executedQty: "0.00200000" } });
    const trade = (await api.take((m) => (m["event"] as Json)?.["x"] === "TRADE")) as {
      event: Json;
    };
    expect(trade.event).toMatchObject({
      c: "take1",
      X: "FILLED",
      l: "0.00200000",
      N: "BTC",
      n: "0.00000200",
      m: false,
      t: 1,
    });
    expect(
      await api.call("order.status", { symbol: "BTCUSDT", origClientOrderId: "take1" }, now),
    ).toMatchObject({ result: { status: "FILLED" } });
    expect(
      await api.call("order.status", { symbol: "BTCUSDT", origClientOrderId: "never" }, now),
    ).toMatchObject({ error: { code: -2013 } });
    const cancelled = await api.call(
      "order.cancel",
      { symbol: "BTCUSDT", origClientOrderId: "rest1", newClientOrderId: "c1" },
      now,
    );
    expect(cancelled).toMatchObject({
      result: { status: "CANCELED", origClientOrderId: "rest1", clientOrderId: "c1" },
    });
    const gone = (await api.take((m) => (m["event"] as Json)?.["x"] === "CANCELED")) as {
      event: Json;
    };
    expect(gone.event).toMatchObject({ c: "c1", C: "rest1", X: "CANCELED" });
    expect(
      await api.call("order.cancel", { symbol: "BTCUSDT", origClientOrderId: "rest1" }, now),
    ).toMatchObject({ error: { code: -2011 } });
    const trades = await api.call("myTrades", { symbol: "BTCUSDT", fromId: 0 }, now);
    expect(trades["result"]).toMatchObject([
      { id: 1, qty: "0.00200000", isBuyer: true, isMaker: false, commissionAsset: "BTC" },
    ]);
    expect((await api.call("myTrades", { symbol: "BTCUSDT", fromId: 2 }, now))["result"]).toEqual(
      [],
    );
    expect((trade.event["I"] as number) > (report["I"] as number)).toBe(true);
  });

  it("USD-M over its websocket API and the private stream", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const now = b.clock.now;
    const key = (await rest(b, "POST", "/fapi/v1/listenKey", {}, false)).body["listenKey"];
    expect((await rest(b, "PUT", "/fapi/v1/listenKey", {}, false)).body["listenKey"]).toBe(key);
    await expect(ws(b, "/private/ws?listenKey=wrong")).rejects.toThrow("401");
    const user = await ws(b, `/private/ws?listenKey=${key}`);
    const api = await ws(b, "/ws-fapi/v1");
    const placed = await api.call(
      "order.place",
      { ...limit("f1", "SELL", "61000.0", "0.010"), timeInForce: "IOC" },
      now,
    );
    expect(placed).toMatchObject({
      status: 200,
      result: { clientOrderId: "f1", status: "FILLED", executedQty: "0.010", positionSide: "BOTH" },
    });
    const first = (await user.take((m) => m["e"] === "ORDER_TRADE_UPDATE")) as { o: Json };
    expect(first.o).toMatchObject({
      c: "f1",
      x: "NEW",
      X: "NEW",
      S: "SELL",
      q: "0.010",
      p: "61000.00",
    });
    const second = (await user.take((m) => m["e"] === "ORDER_TRADE_UPDATE")) as { o: Json };
    expect(second.o).toMatchObject({
      x: "TRADE",
      l: "0.010",
      z: "0.010",
      N: "USDT",
      m: false,
      rp: "0.00000000",
    });
    const account = (await user.take((m) => m["e"] === "ACCOUNT_UPDATE")) as {
      a: { P: Json[]; B: Json[] };
    };
    expect(account.a.P[0]).toMatchObject({ s: "BTCUSDT", pa: "-0.010", ps: "BOTH" });
    const gtx = await api.call(
      "order.place",
      { ...limit("f2", "BUY", "63000.0", "0.010"), timeInForce: "GTX" },
      now,
    );
    expect(gtx).toMatchObject({ status: 400, error: { code: -5022 } });
    expect(
      (await rest(b, "GET", "/fapi/v2/positionRisk", { symbol: "BTCUSDT" })).body[0],
    ).toMatchObject({ positionAmt: "-0.010" });
    expect(
      (await rest(b, "GET", "/fapi/v1/userTrades", { symbol: "BTCUSDT", fromId: 0 })).body,
    ).toMatchObject([{ id: 1, qty: "0.010", maker: false }]);
    expect((await rest(b, "DELETE", "/fapi/v1/listenKey", {}, false)).status).toBe(200);
    expect((await rest(b, "PUT", "/fapi/v1/listenKey", {}, false)).body["code"]).toBe(-1125);
  });

  it("refuses in the venue's codes and keeps nothing of a refused order", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const api = await ws(b, "/ws-api/v3");
    const now = b.clock.now;
    const place = async (change: Record<string, string | number>) =>
      (
        (
          await api.call(
            "order.place",
            { ...limit("x", "BUY", "60000.00", "0.00100"), ...change },
            now,
          )
        )["error"] as Json
      )?.["code"];
    expect(await place({ price: "60000.001" })).toBe(-1013);
    expect(await place({ quantity: "0.000001" })).toBe(-1013);
    expect(await place({ quantity: "0" })).toBe(-1013);
    expect(await place({ price: "abc" })).toBe(-1100);
    expect(await place({ side: "HOLD" })).toBe(-1117);
    expect(await place({ timeInForce: "DAY" })).toBe(-1115);
    expect(await place({ symbol: "ETHUSDT" })).toBe(-1121);
    expect(await place({ newClientOrderId: "spaces are illegal" })).toBe(-1100);
    expect(await place({ quantity: "1000.00000" })).toBe(-2010);
    expect(await place({ type: "LIMIT_MAKER", price: "63000.00" })).toBe(-2010);
    expect(
      (await api.call("order.place", limit("x", "BUY", "60000.00", "0.00100"), now - 6_000))[
        "error"
      ],
    ).toMatchObject({ code: -1021 });
    expect(
      (await api.call("order.place", limit("x", "BUY", "60000.00", "0.00100"), now, "wrong"))[
        "error"
      ],
    ).toMatchObject({ code: -1022 });
    expect((await api.call("order.fly", {}, now))["error"]).toMatchObject({ code: -1000 });
    api.socket.send("not json");
    expect(await api.take((m) => m["id"] === null)).toMatchObject({ status: 400 });
    expect(venueTruth(join(b.dir, "log.ndjson")).orders.size).toBe(0);
    expect(await place({})).toBeUndefined(); // the control
    expect(venueTruth(join(b.dir, "log.ndjson")).orders.size).toBe(1);
  });

  it("REST: the same order life, weight and order counters in the headers, 429 with Retry-After", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const placed = await rest(
      b,
      "POST",
      "/api/v3/order",
      limit("r1", "SELL", "70000.00", "0.00100"),
    );
    expect(placed).toMatchObject({
      status: 200,
      body: { clientOrderId: "r1", status: "NEW", fills: [] },
    });
    expect(placed.headers.get("x-mbx-order-count-10s")).toBe("1");
    expect((await rest(b, "GET", "/api/v3/openOrders", { symbol: "BTCUSDT" })).body).toHaveLength(
      1,
    );
    expect(
      (await rest(b, "GET", "/api/v3/order", { symbol: "BTCUSDT", origClientOrderId: "r1" })).body[
        "status"
      ],
    ).toBe("NEW");
    expect(
      (await rest(b, "DELETE", "/api/v3/openOrders", { symbol: "BTCUSDT" })).body,
    ).toMatchObject([{ status: "CANCELED" }]);
    expect(
      (await rest(b, "DELETE", "/api/v3/openOrders", { symbol: "BTCUSDT" })).body["code"],
    ).toBe(-2011);
    expect((await rest(b, "GET", "/api/v3/account")).body["balances"]).toHaveLength(2);
    expect((await rest(b, "GET", "/api/v3/exchangeInfo", {}, false)).body["symbols"]).toHaveLength(
      1,
    );
    expect((await rest(b, "GET", "/api/v3/time", {}, false)).body["serverTime"]).toBe(b.clock.now);
    expect((await rest(b, "GET", "/api/v3/nothing", {}, false)).status).toBe(404);
    let last = await rest(b, "GET", "/fapi/v1/ping", {}, false);
    for (let n = 0; n < 125 && last.status === 200; n += 1) {
      last = await rest(b, "GET", "/fapi/v1/depth", { symbol: "BTCUSDT", limit: 1000 }, false);
    }
    expect(last).toMatchObject({ status: 429, body: { code: -1003 } });
    expect(Number(last.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("the cancel countdown cancels when it runs out, not before, and not when stopped", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const open = async () =>
      (await rest(b, "GET", "/fapi/v1/openOrders", { symbol: "BTCUSDT" })).body.length;
    const countdown = (ms: number) =>
      rest(b, "POST", "/fapi/v1/countdownCancelAll", { symbol: "BTCUSDT", countdownTime: ms });
    await rest(b, "POST", "/fapi/v1/order", limit("d1", "BUY", "50000.0", "0.010"));
    await countdown(5_000);
    await countdown(0);
    await playTo(b, 9_000);
    expect(await open()).toBe(1);
    expect((await countdown(5_000)).body).toEqual({ symbol: "BTCUSDT", countdownTime: "5000" });
    await playTo(b, 13_900);
    expect(await open()).toBe(1);
    await playTo(b, 14_100);
    while ((await open()) > 0);
  });

  it("ack lost: the order is accepted, the reply never comes, a query finds it", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const api = await ws(b, "/ws-api/v3");
    await control(b, { fault: "ack_lost" });
    api.send("order.place", limit("lost1", "BUY", "60000.00", "0.00100"), b.clock.now);
    expect(
      await api.call(
        "order.status",
        { symbol: "BTCUSDT", origClientOrderId: "lost1" },
        b.clock.now,
      ),
    ).toMatchObject({ result: { status: "NEW" } });
    const second = await api.call(
      "order.place",
      limit("kept1", "BUY", "60000.00", "0.00100"),
      b.clock.now,
    );
    expect(second["status"]).toBe(200);
  });
});

describe("the log", () => {
  it("holds an order before its reply arrives, and truth agrees with the account", async () => {
    const b = await bench();
    await playTo(b, 1_000);
    const path = join(b.dir, "log.ndjson");
    const api = await ws(b, "/ws-api/v3");
    for (let n = 0; n < 10; n += 1) {
      await api.call(
        "order.place",
        {
          ...limit(
            `t${n}`,
            n % 2 === 0 ? "BUY" : "SELL",
            n % 2 === 0 ? "63000.00" : "61000.00",
            "0.00300",
          ),
          timeInForce: "IOC",
        },
        b.clock.now,
      );
      expect(venueTruth(path).orders.get(`t${n}`)?.count).toBe(1);
    }
    const truth = venueTruth(path);
    expect(truth.inconsistencies).toEqual([]);
    expect([truth.fills.length >= 10, truth.duplicates, truth.openOrders]).toEqual([true, 0, []]);
    expect(truth.positionLots).toEqual({ spot: 0n, usdm: 0n });
    const { balances } = (await rest(b, "GET", "/api/v3/account")).body as unknown as {
      balances: { asset: string; free: string }[];
    };
    const e8 = (text: string) => BigInt(text.replace(".", ""));
    expect(e8(balances[0]?.free ?? "") - 1_000_000_000n).toBe(truth.cashE8.spot["BTC"]);
    expect(e8(balances[1]?.free ?? "") - 100_000_000_000_000n).toBe(truth.cashE8.spot["USDT"]);
  });

  it("after a kill it restores orders, fills, balances, ids and duplicates, and goes on where the clock is", async () => {
    const a = await bench();
    await playTo(a, 1_000);
    const place = (b: Bench, path: string, order: Record<string, string | number>) =>
      rest(b, "POST", path, order);
    await place(a, "/api/v3/order", limit("s1", "BUY", "60000.00", "0.00100"));
    await place(a, "/api/v3/order", {
      ...limit("s2", "BUY", "63000.00", "0.01000"),
      timeInForce: "IOC",
    });
    await place(a, "/fapi/v1/order", {
      ...limit("u1", "SELL", "61000.0", "0.050"),
      timeInForce: "IOC",
    });
    await place(a, "/fapi/v1/order", {
      ...limit("u2", "BUY", "63000.0", "0.020"),
      timeInForce: "IOC",
    });
    const copy = mkdtempSync(join(tmpdir(), "venue-"));
    cpSync(a.dir, copy, { recursive: true });
    const b = await bench({ dir: copy, now: START_MS + 5_000 });
    for (const [path, params] of [
      ["/api/v3/order", { symbol: "BTCUSDT", origClientOrderId: "s1" }],
      ["/api/v3/order", { symbol: "BTCUSDT", origClientOrderId: "s2" }],
      ["/fapi/v1/userTrades", { symbol: "BTCUSDT", fromId: 0 }],
    ] as const) {
      expect((await rest(b, "GET", path, params)).body).toEqual(
        (await rest(a, "GET", path, params)).body,
      );
    }
    const { updateTime: _, ...before } = (await rest(a, "GET", "/api/v3/account")).body;
    expect((await rest(b, "GET", "/api/v3/account")).body).toMatchObject(before);
    const wallet = async (x: Bench) =>
      (await rest(x, "GET", "/fapi/v2/account")).body["totalWalletBalance"];
    expect(await wallet(b)).toBe(await wallet(a));
    expect(
      (await place(b, "/api/v3/order", limit("s1", "BUY", "60000.00", "0.00100"))).body["code"],
    ).toBe(-2010);
    const next = await place(b, "/api/v3/order", limit("s3", "BUY", "60000.00", "0.00100"));
    expect(next.body["orderId"]).toBe(3);
    const played = sample.records.filter(({ atNs }) => atNs / 1e6 <= 5_000).length;
    expect((b.venue.stats()["markets"] as { usdm: Json }).usdm["gaps"]).toBe(0);
    expect(Number((b.venue.stats()["markets"] as { spot: Json }).spot["tickers"])).toBeGreaterThan(
      0,
    );
    expect(Number(b.venue.stats()["events"])).toBeLessThan(played);
    const truth = venueTruth(join(copy, "log.ndjson"));
    expect([truth.inconsistencies, truth.duplicates, truth.openOrders.length]).toEqual([[], 0, 2]);
  });

  it("a decision cut off by the kill is dropped whole, and a damaged log is refused", async () => {
    const a = await bench();
    await playTo(a, 1_000);
    await rest(a, "POST", "/api/v3/order", limit("k1", "BUY", "60000.00", "0.00100"));
    await rest(a, "POST", "/api/v3/order", {
      ...limit("k2", "BUY", "63000.00", "0.00100"),
      timeInForce: "IOC",
    });
    const text = readFileSync(join(a.dir, "log.ndjson"), "utf8");
    const lines = text.trimEnd().split("\n").length;
    const cut = mkdtempSync(join(tmpdir(), "venue-"));
    cpSync(a.dir, cut, { recursive: true });
    writeFileSync(join(cut, "log.ndjson"), text.slice(0, -40));
    expect(venueTruth(join(cut, "log.ndjson")).orders.size).toBe(1);
    const b = await bench({ dir: cut, now: START_MS + 1_500 });
    expect(b.venue.stats()["logLines"]).toBe(1);
    expect(
      (await rest(b, "GET", "/api/v3/order", { symbol: "BTCUSDT", origClientOrderId: "k2" })).body[
        "code"
      ],
    ).toBe(-2013);
    expect(lines).toBeGreaterThan(2);
    const bad = mkdtempSync(join(tmpdir(), "venue-"));
    cpSync(a.dir, bad, { recursive: true });
    writeFileSync(join(bad, "log.ndjson"), text.replace('"n":1,', '"n":7,'));
    await expect(bench({ dir: bad })).rejects.toThrow("line 1 has n 7, want 1");
  });
});

describe("life of the venue", () => {
  it("at the recording's end it announces, disconnects and begins again with higher ids", async () => {
    const data = [join(mkdtempSync(join(tmpdir(), "short-")), "spot.jsonl")];
    const spot = sample.records.filter((r) => r.market === "spot").slice(0, 1_200);
    const line = (r: (typeof spot)[number]) =>
      `${1_723_161_253_937_085_768n + BigInt(r.atNs)} ${r.kind === "snapshot" ? r.text : `{"stream":"${r.stream}","data":${r.text}}`}`;
    writeFileSync(data[0] ?? "", spot.map(line).join("\n"));
    const b = await bench({ data });
    const spanMs = loadSample(data).spanNs / 1e6;
    const peer = await ws(b, "/ws/btcusdt@depth@100ms");
    b.clock.now = START_MS + spanMs;
    expect(await peer.take((m) => m["e"] === "serverShutdown")).toHaveProperty("E");
    expect(await peer.closing()).toBe(1001);
    const first = Number(spot.findLast((r) => r.kind === "depth")?.id);
    while (b.venue.stats()["state"] !== "away")
      await new Promise((resolve) => setImmediate(resolve));
    await expect(ws(b, "/ws/btcusdt@depth@100ms")).rejects.toThrow("503");
    b.clock.now = START_MS + spanMs + 1_001;
    while (b.venue.stats()["state"] !== "serving")
      await new Promise((resolve) => setImmediate(resolve));
    const again = await ws(b, "/ws/btcusdt@depth@100ms");
    b.clock.now += spanMs - 100;
    const event = await again.take((m) => m["e"] === "depthUpdate");
    expect(Number(event["u"])).toBeGreaterThan(first);
    expect(b.clock.now - Number(event["E"])).toBeLessThan(spanMs + 2_000);
    const { body } = await rest(b, "GET", "/api/v3/depth", { symbol: "BTCUSDT" }, false);
    expect(Number(body["lastUpdateId"])).toBeGreaterThan(first);
    expect(b.fatal).toEqual([]);
  });

  it("a taken port and a run folder of another recording are refused in one line", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    undo.push(() => new Promise((resolve) => blocker.close(resolve)));
    const { port } = blocker.address() as { port: number };
    const dir = mkdtempSync(join(tmpdir(), "venue-"));
    undo.push(() => rmSync(dir, { recursive: true }));
    const deps = {
      clock: { nowMs: () => START_MS },
      newMarket: newRustMarket,
      onFatal: () => undefined,
    };
    await expect(startVenueSim(Settings.parse({ venueDir: dir, port }), deps)).rejects.toThrow(
      `127.0.0.1:${port}: the port is taken`,
    );
    await expect(startVenueSim(Settings.parse({ venueDir: dir, speed: 2 }), deps)).rejects.toThrow(
      "another recording or speed",
    );
  });
});
