import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { averageText, e8Text, parseScaled, scaledText } from "../../decimal.ts";
import { depthWeight, exchangeInfo, MARKETS } from "../../markets.ts";
import { checkKey, checkSigned, restPayload, sign, wsPayload } from "./auth.ts";
import { ApiFault } from "./faults.ts";
import { RateCounters, scaled } from "./limits.ts";
import { restRoute, socketRoute, wsMethod } from "./routes.ts";
import {
  IncomingLimit,
  KeepAlive,
  PING_INTERVAL_MS,
  PONG_WITHIN_MS,
  STREAMS_PER_CONNECTION_MAX,
  Subscriptions,
} from "./session.ts";

const code = (act: () => unknown): number => {
  try {
    act();
  } catch (error) {
    if (error instanceof ApiFault) return error.code;
    throw error;
  }
  return 0;
};

describe("signatures", () => {
  // The worked example of the venue's own documentation.
  const secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
  const query =
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";

  it("agrees with the documented example", () => {
    expect(sign(query, secret)).toBe(
      "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    );
  });

  it("REST signs as sent without the signature, the websocket sorted by name", () => {
    expect(restPayload(`${query}&signature=ab`, "")).toBe(query);
    expect(restPayload("a=1", "b=2&signature=x")).toBe("a=1b=2");
    expect(
      wsPayload(
        new Map([
          ["b", "2"],
          ["signature", "x"],
          ["a", "1"],
        ]),
      ),
    ).toBe("a=1&b=2");
  });

  const now = 1_700_000_000_000;
  const call = (stamp: number, extra: readonly [string, string][] = [], payload = "p") => {
    const params = new Map([
      ["timestamp", String(stamp)],
      ["signature", sign(payload, "s")],
      ...extra,
    ]);
    return code(() => checkSigned(params, "p", now, { key: "k", secret: "s" }));
  };

  it.each([
    ["in time", 0, now, []],
    ["at the end of the window", 0, now - 5_000, []],
    ["past the window", -1021, now - 5_001, []],
    ["past a short window", -1021, now - 11, [["recvWindow", "10"]]],
    ["just not too far ahead", 0, now + 999, []],
    ["a second ahead", -1021, now + 1_000, []],
    ["window beyond its bound", -1131, now, [["recvWindow", "60001"]]],
  ] as const)("%s answers %i", (_, want, stamp, extra) => {
    expect(call(stamp, extra as unknown as [string, string][])).toBe(want);
  });

  it("a signature over anything else is -1022, a missing one -1102, a wrong key -2015", () => {
    expect(call(now, [], "other")).toBe(-1022);
    expect(code(() => checkSigned(new Map(), "p", now, { key: "k", secret: "s" }))).toBe(-1102);
    const known = [
      { key: "k", secret: "s", trade: true },
      { key: "c", secret: "t", trade: false },
    ];
    expect(code(() => checkKey("x", known, false))).toBe(-2015);
    expect(code(() => checkKey(undefined, known, false))).toBe(-2014);
    expect(code(() => checkKey("k", known, true))).toBe(0);
    // The key of the kill looks and cancels, and cannot trade.
    expect(code(() => checkKey("c", known, false))).toBe(0);
    expect(code(() => checkKey("c", known, true))).toBe(-2015);
  });
});

describe("decimals", () => {
  it("text and scaled integer are inverse", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }),
        fc.integer({ min: 0, max: 8 }),
        (units, scale) => {
          expect(parseScaled(scaledText(units, scale), scale)).toBe(units);
        },
      ),
    );
  });
  it("refuses what is no plain decimal or finer than the scale", () => {
    for (const text of ["", "1e3", "1.", ".5", "1.005", "x", "1,0"])
      expect(parseScaled(text, 2)).toBeNull();
    expect(parseScaled("1.500", 2)).toBe(150n);
  });
  it("prints money and averages", () => {
    expect(e8Text(-5n)).toBe("-0.00000005");
    // 0.002 at 61800.1 and 0.001 at 61800.4 average 61800.2
    expect(averageText(18_540_060_000_000n / 1_000n, 3n, 3, 2)).toBe("61800.20");
    expect(averageText(0n, 0n, 3, 2)).toBe("0.00");
  });
});

describe("sessions", () => {
  it("pings every 20 s and drops a peer that never answers after 60 s", () => {
    const alive = new KeepAlive(0);
    expect(alive.poll(PING_INTERVAL_MS - 1)).toBe("none");
    expect(alive.poll(PING_INTERVAL_MS)).toBe("ping");
    expect(alive.poll(PING_INTERVAL_MS + 1)).toBe("none");
    alive.onPong(30_000);
    expect(alive.poll(30_000 + PONG_WITHIN_MS - 1)).toBe("ping");
    expect(alive.poll(30_000 + PONG_WITHIN_MS)).toBe("drop");
  });

  it("takes five messages a second and not a sixth", () => {
    const limit = new IncomingLimit();
    expect([0, 1, 2, 3, 4].map((ms) => limit.allow(ms))).toEqual([true, true, true, true, true]);
    expect(limit.allow(999)).toBe(false);
    expect(limit.allow(1_000)).toBe(true);
  });

  it("subscribes, lists and unsubscribes; refuses nonsense and too many", () => {
    const subscriptions = new Subscriptions();
    const say = (method: unknown, params: unknown) =>
      subscriptions.onMessage(JSON.stringify({ method, params, id: 7 }));
    expect(say("SUBSCRIBE", ["btcusdt@trade", "btcusdt@depth@100ms"])).toEqual({
      result: null,
      id: 7,
    });
    expect(say("UNSUBSCRIBE", ["btcusdt@trade"])).toEqual({ result: null, id: 7 });
    expect(say("LIST_SUBSCRIPTIONS", undefined)).toEqual({
      result: ["btcusdt@depth@100ms"],
      id: 7,
    });
    for (const bad of [
      say("SUBSCRIBE", ["no stream"]),
      say("DANCE", []),
      subscriptions.onMessage("{"),
    ]) {
      expect(bad).toHaveProperty("error");
    }
    const many = Array.from({ length: STREAMS_PER_CONNECTION_MAX }, (_, n) => `s${n}@trade`);
    expect(subscriptions.addAll(many)).toBe(false);
    expect(subscriptions.names.size).toBe(1);
  });
});

describe("rates", () => {
  it("weight: the limit holds within a minute, then starts again, and says how long to wait", () => {
    const rates = new RateCounters(MARKETS.usdm);
    expect(rates.takeWeight(30_000, 2_400)).toBe(0);
    expect(rates.takeWeight(30_000, 1)).toBe(30);
    expect(rates.takeWeight(60_000, 1)).toBe(0);
    expect(rates.usage(60_000).weight).toBe(1);
  });
  it("orders: unfilled ones count", () => {
    const rates = new RateCounters(MARKETS.spot);
    for (let n = 0; n < MARKETS.spot.ordersPer10sMax; n += 1)
      expect(rates.takeOrder(1_000)).toBe(0);
    expect(rates.takeOrder(1_000)).toBe(9);
    rates.onFilled(1_000);
    expect(rates.takeOrder(1_000)).toBe(0);
    expect(rates.takeOrder(10_000)).toBe(0);
  });
  it("a market that allows more says so: who is told the limit keeps to what is enforced", () => {
    const spec = scaled(MARKETS.spot, 3);
    const rates = new RateCounters(spec);
    for (let n = 0; n < 3 * MARKETS.spot.ordersPer10sMax; n += 1)
      expect(rates.takeOrder(1_000)).toBe(0);
    expect(rates.takeOrder(1_000)).toBe(9);
    const { rateLimits } = exchangeInfo(spec, 1_000) as { rateLimits: { limit: number }[] };
    expect(rateLimits.map(({ limit }) => limit)).toEqual([18_000, 300]);
  });
  it("depth costs what the venue charges", () => {
    expect(
      [100, 101, 500, 5_000, 9_999].map((limit) => depthWeight(MARKETS.spot, limit).weight),
    ).toEqual([5, 25, 25, 250, 250]);
    expect(depthWeight(MARKETS.usdm, 5_000)).toEqual({ limit: 1_000, weight: 20 });
  });
});

describe("routes", () => {
  it("USD-M streams are routed: depth and tickers public, trades market", () => {
    const pub = socketRoute("/public/stream?streams=btcusdt@depth@0ms/btcusdt@bookTicker");
    const market = socketRoute("/market/stream?streams=btcusdt@trade");
    if (pub?.kind !== "streams" || market?.kind !== "streams") throw new Error("not streams");
    expect([pub.carries("btcusdt@depth@0ms"), pub.carries("btcusdt@trade")]).toEqual([true, false]);
    expect([market.carries("btcusdt@trade"), market.carries("btcusdt@bookTicker")]).toEqual([
      true,
      false,
    ]);
    expect([pub.names.length, pub.combined, pub.market]).toEqual([2, true, "usdm"]);
  });
  it("knows the raw, combined, private and API forms; anything else is nothing", () => {
    expect(socketRoute("/ws/btcusdt@trade")).toMatchObject({
      market: "spot",
      combined: false,
      names: ["btcusdt@trade"],
    });
    expect(socketRoute("/ws")).toMatchObject({ names: [] });
    expect(socketRoute("/private/ws?listenKey=abc&events=X")).toEqual({
      kind: "private",
      listenKey: "abc",
    });
    expect(socketRoute("/ws-api/v3")).toEqual({ kind: "api", market: "spot" });
    expect(socketRoute("/ws-fapi/v1")).toEqual({ kind: "api", market: "usdm" });
    for (const path of ["/", "/wss", "/secret/ws", "/ws/a/b"]) expect(socketRoute(path)).toBeNull();
    expect(restRoute("GET", "/api/v3/order")).toEqual({ market: "spot", op: "order.status" });
    expect(restRoute("PATCH", "/api/v3/order")).toBeNull();
    expect(wsMethod("usdm", "constructor")).toBeNull();
  });
});
