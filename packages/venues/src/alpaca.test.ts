import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alpaca, NoAnswer, type RestAnswer } from "./index.ts";

const { orders, session, account, codec, errorMeaning } = alpaca;
const STOCK = { pxScale: 2, qtyScale: 6 };
const scales = () => STOCK;

const answer = (status: number, body: unknown, retryAfterS: number | null = null): RestAnswer => ({
  status,
  body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
  usedWeight: null,
  retryAfterS,
  window: null,
  requestId: null,
});

/** An order in the shape of the venue's documentation. */
const ORDER = {
  id: "61e69015-8549-4bfd-b9c3-01e75843f47d",
  client_order_id: "eb9e2aaa",
  updated_at: "2021-03-16T18:38:01.942282Z",
  symbol: "AAPL",
  qty: "15",
  filled_qty: "0.5",
  side: "buy",
  status: "partially_filled",
  replaces: null,
  replaced_by: null,
};

describe("decimals", () => {
  it("become integers and texts again, digit for digit", () => {
    fc.assert(
      fc.property(
        fc.bigInt(-(10n ** 17n), 10n ** 17n),
        fc.integer({ min: 0, max: 9 }),
        (n, scale) => {
          expect(codec.units(codec.decimal(n, scale), scale)).toBe(n);
        },
      ),
    );
  });

  it.each([
    ["100.01", 2, 10_001n],
    ["0.000001", 6, 1n],
    ["-10", 6, -10_000_000n],
    ["5.10", 1, 51n],
  ] as const)("%s at scale %d is %s", (said, scale, want) => {
    expect(codec.units(said, scale)).toBe(want);
  });

  it.each(["", "1e5", "1.005", " 1", "0x1", "1.", ".5", "NaN"])("%j is none at scale 2", (said) => {
    expect(() => codec.units(said, 2)).toThrow(RangeError);
  });

  it("times keep their nanoseconds", () => {
    // 2021-03-16T18:38:01Z is 1,615,919,881 s after the epoch.
    expect(codec.instant("2021-03-16T18:38:01.942282001Z")).toBe(1_615_919_881_942_282_001n);
    expect(codec.instant("2021-03-16T14:38:01-04:00")).toBe(1_615_919_881_000_000_000n);
    expect(() => codec.instant("yesterday")).toThrow(RangeError);
  });
});

describe("requests", () => {
  const order = {
    clientOrderId: "a1",
    symbol: "AAPL",
    side: "SELL",
    type: "STOP_LIMIT",
    tif: "GTC",
    qtyLots: 1_500_000n,
    pxTicks: 9_990n,
    stopTicks: 10_000n,
  } as const;

  it("a new order has texts for amounts and nothing that is not its type's", () => {
    const { method, target, body } = orders.placeRequest(order, STOCK);
    expect([method, target]).toEqual(["POST", "/v2/orders"]);
    expect(JSON.parse(body ?? "")).toEqual({
      symbol: "AAPL",
      qty: "1.5",
      side: "sell",
      type: "stop_limit",
      time_in_force: "gtc",
      limit_price: "99.9",
      stop_price: "100",
      client_order_id: "a1",
    });
    const market = {
      ...order,
      type: "MARKET",
      tif: "DAY",
      pxTicks: null,
      stopTicks: null,
    } as const;
    expect(
      Object.keys(JSON.parse(orders.placeRequest(market, STOCK).body ?? "") as object),
    ).toEqual(["symbol", "qty", "side", "type", "time_in_force", "client_order_id"]);
  });

  it("an amend sends what is still wanted: the venue counts a replacement from nothing", () => {
    const amend = {
      venueOrderId: "an/id",
      clientOrderId: "a2",
      totalLots: 10_000_000n,
      filledLots: 4_000_000n,
      pxTicks: 9_940n,
      stopTicks: null,
    };
    const { method, target, body } = orders.amendRequest(amend, STOCK);
    expect([method, target]).toEqual(["PATCH", "/v2/orders/an%2Fid"]);
    expect(JSON.parse(body ?? "")).toEqual({
      qty: "6",
      limit_price: "99.4",
      client_order_id: "a2",
    });
  });

  it("an id is encoded where it stands in a path or a query", () => {
    expect(orders.byClientIdRequest("a&b=c").target).toBe(
      "/v2/orders:by_client_order_id?client_order_id=a%26b%3Dc",
    );
    expect(orders.cancelRequest("x/y")).toEqual({
      method: "DELETE",
      target: "/v2/orders/x%2Fy",
      body: null,
    });
  });
});

describe("answers", () => {
  it("an order is read in the instrument's units", () => {
    expect(orders.orderView(ORDER, STOCK)).toEqual({
      venueOrderId: ORDER.id,
      clientOrderId: "eb9e2aaa",
      symbol: "AAPL",
      side: "BUY",
      state: "LIVE",
      qtyLots: 15_000_000n,
      filledLots: 500_000n,
      replaces: null,
      replacedBy: null,
      updatedNs: 1_615_919_881_942_282_000n,
    });
    expect(() => orders.orderView({ ...ORDER, status: "frozen" }, STOCK)).toThrow("frozen");
    expect(() => orders.orderView({ ...ORDER, filled_qty: 1 }, STOCK)).toThrow("filled_qty");
  });

  /** Each answer to a new order, and what may be concluded of it. */
  const CASES: readonly (readonly [
    string,
    RestAnswer | NoAnswer,
    string,
    (string | undefined)?,
  ])[] = [
    ["taken", answer(200, ORDER), "taken"],
    ["taken and unreadable", answer(200, "<html>"), "unknown", "OUTCOME_UNKNOWN"],
    [
      "taken and of a new shape",
      answer(200, { ...ORDER, status: "x" }),
      "unknown",
      "OUTCOME_UNKNOWN",
    ],
    ["a cancel taken", answer(204, ""), "taken"],
    [
      "the id was used",
      answer(422, { code: 40_010_001, message: "client_order_id must be unique" }),
      "duplicate",
    ],
    [
      "another field is wrong",
      answer(422, { code: 40_010_001, message: "qty must be > 0" }),
      "refused",
      "VENUE_REJECT",
    ],
    [
      "no money",
      answer(403, { code: 40_310_000, message: "insufficient buying power" }),
      "refused",
      "BUYING_POWER_EXCEEDED",
    ],
    [
      "no coins",
      answer(403, { code: 40_310_000, message: "insufficient balance for BTC (requested: 1)" }),
      "refused",
      "BUYING_POWER_EXCEEDED",
    ],
    [
      "no short sale",
      answer(403, { code: 40_310_000, message: "account is not allowed to short" }),
      "refused",
      "SHORT_NOT_AVAILABLE",
    ],
    [
      "against ourselves",
      answer(403, { code: 40_310_000, message: "potential wash trade detected" }),
      "refused",
      "SELF_MATCH",
    ],
    [
      "not enough held",
      answer(403, { code: 40_310_000, message: "insufficient qty available for order" }),
      "refused",
      "VENUE_REJECT",
    ],
    [
      "day trader",
      answer(403, { code: 40_310_100, message: "trade denied" }),
      "refused",
      "VENUE_REJECT",
    ],
    [
      "part of a cent",
      answer(422, { code: 42_210_000, message: "invalid limit_price. sub-penny increment" }),
      "refused",
      "PRICE_OFF_TICK",
    ],
    [
      "no such order",
      answer(404, { code: 40_410_000, message: "order not found" }),
      "refused",
      "UNKNOWN_ORDER",
    ],
    ["no such path", answer(404, "not found"), "refused", "VENUE_REJECT"],
    [
      "a wrong key",
      answer(401, { code: 40_110_000, message: "request is not authorized" }),
      "refused",
      "VENUE_REJECT",
    ],
    ["no key", answer(403, { message: "forbidden." }), "refused", "VENUE_REJECT"],
    ["no JSON", answer(400, { code: 40_010_000, message: "invalid" }), "refused", "VENUE_REJECT"],
    [
      "too many",
      answer(429, { code: 42_910_000, message: "rate limit exceeded" }, 7),
      "later",
      "RATE_BUDGET",
    ],
    ["late at the venue", answer(408, ""), "unknown", "OUTCOME_UNKNOWN"],
    [
      "a fault of the venue",
      answer(500, { code: 50_010_000, message: "internal" }),
      "unknown",
      "OUTCOME_UNKNOWN",
    ],
    ["a fault before it", answer(502, "<html>"), "unknown", "OUTCOME_UNKNOWN"],
    ["too late", answer(504, ""), "unknown", "OUTCOME_UNKNOWN"],
    ["elsewhere", answer(302, ""), "unknown", "OUTCOME_UNKNOWN"],
    [
      "a connection that broke",
      new NoAnswer(true, new Error("reset")),
      "unknown",
      "OUTCOME_UNKNOWN",
    ],
    ["a connection never made", new NoAnswer(false, new Error("refused")), "later", "NEVER_SENT"],
  ];

  const named = CASES.map(([name, happened, kind, reason]) => ({ name, happened, kind, reason }));
  it.each(named)("$name", ({ happened, kind, reason }) => {
    const outcome = orders.outcomeOf(happened, scales);
    expect([outcome.kind, "reason" in outcome ? outcome.reason : undefined]).toEqual([
      kind,
      reason,
    ]);
  });

  it("the wait of a 429 is the venue's own, or a minute where it does not say", () => {
    const wait = (retryAfterS: number | null) =>
      orders.outcomeOf(answer(429, { code: 42_910_000, message: "" }, retryAfterS), scales);
    expect(wait(7)).toMatchObject({ waitMs: 7_000 });
    expect(wait(null)).toMatchObject({ waitMs: 60_000 });
  });

  it("every reason has its row in the table of reason codes", () => {
    const table = readFileSync(
      new URL("../../../docs/reference/reason-codes.md", import.meta.url),
      "utf8",
    );
    const reasons = CASES.flatMap(([, , , reason]) => (reason === undefined ? [] : [reason]));
    for (const reason of new Set([...reasons, "VENUE_UNREACHABLE"])) {
      expect(table).toContain(`| \`${reason}\` |`);
    }
  });

  it("of a query by our id only the venue's own word says that there is no such order", () => {
    const kind = (happened: RestAnswer | NoAnswer) => orders.foundOf(happened, scales).kind;
    expect(kind(answer(200, ORDER))).toBe("found");
    expect(kind(answer(404, { code: 40_410_000, message: "order not found for x" }))).toBe(
      "absent",
    );
    expect(kind(answer(404, "not found"))).toBe("silent");
    expect(kind(answer(200, []))).toBe("silent");
    expect(kind(answer(200, { ...ORDER, status: "x" }))).toBe("silent");
    expect(kind(answer(500, ""))).toBe("silent");
    expect(kind(answer(401, { code: 40_110_000, message: "" }))).toBe("silent");
    expect(kind(new NoAnswer(false, new Error("refused")))).toBe("silent");
  });

  it("a text that speaks of the client id is asked about, whatever its code", () => {
    expect(errorMeaning(422, 42_210_000, "duplicate client order id")).toBe("duplicate");
    expect(errorMeaning(422, 40_010_001, "invalid order type for crypto order")).toBe("refused");
  });
});

describe("the stream", () => {
  const frame = (body: unknown) => Buffer.from(JSON.stringify(body));
  const update = (data: unknown) =>
    session.message(frame({ stream: "trade_updates", data }), scales);
  const FILL = {
    event: "partial_fill",
    execution_id: "2f63ea93-423d-4169-b3f6-3fdafc10c418",
    timestamp: "2021-03-16T18:38:02Z",
    price: "105.89",
    qty: "0.5",
    position_qty: "7",
    order: ORDER,
  };

  it("is opened with the account's own words, not those of the market data", () => {
    expect(JSON.parse(session.login("k", "s"))).toEqual({
      action: "authenticate",
      data: { key_id: "k", secret_key: "s" },
    });
    expect(JSON.parse(session.listen())).toEqual({
      action: "listen",
      data: { streams: ["trade_updates"] },
    });
  });

  it("is read by what it holds, in text and in bytes", () => {
    const body = {
      stream: "authorization",
      data: { status: "authorized", action: "authenticate" },
    };
    expect(session.message(frame(body), scales)).toEqual({ kind: "login", granted: true });
    expect(session.message(JSON.stringify(body), scales)).toEqual({ kind: "login", granted: true });
    const error = { action: "error", data: { error_message: "no" } };
    expect(session.message(frame(error), scales)).toEqual({ kind: "error", words: "no" });
  });

  it("a fill has a key, a price and a quantity of its own", () => {
    expect(update(FILL)).toMatchObject({
      kind: "update",
      event: "partial_fill",
      execution: {
        executionId: FILL.execution_id,
        pxTicks: 10_589n,
        qtyLots: 500_000n,
        positionE8: 700_000_000n,
      },
      busted: null,
    });
    expect(update({ ...FILL, event: "new" })).toMatchObject({ execution: null });
    const bust = { ...FILL, event: "trade_bust", previous_execution_id: "before" };
    expect(update(bust)).toMatchObject({ busted: "before" });
  });

  it.each([
    ["no JSON", "{"],
    ["no data", '{"stream":"trade_updates"}'],
    ["no order", '{"stream":"trade_updates","data":{"event":"fill"}}'],
    ["another stream", '{"stream":"other","data":{}}'],
  ])("%s is an error, not a guess", (_, said) => {
    expect(() => session.message(said, scales)).toThrow(RangeError);
  });
});

describe("the account", () => {
  it("is read exactly, and says whether it may trade", () => {
    const body = { status: "ACTIVE", cash: "-12.34", buying_power: "100", shorting_enabled: true };
    expect(account.accountView(body)).toEqual({
      cashE8: -1_234_000_000n,
      buyingPowerE8: 10_000_000_000n,
      mayTrade: true,
      mayShort: true,
    });
    expect(account.accountView({ ...body, account_blocked: true }).mayTrade).toBe(false);
    expect(account.accountView({ ...body, status: "ACCOUNT_CLOSED" }).mayTrade).toBe(false);
  });

  it("a fill of the activities has the execution's id", () => {
    const row = {
      id: "20221228071929579::ca2aafd0-1270-4b56-b0a9-85423b4a07c8",
      activity_type: "FILL",
      transaction_time: "2022-12-28T12:19:29.579352Z",
      price: "67.31",
      qty: "0.07",
      side: "sell",
      symbol: "AAPL",
      order_id: "82eebcf7-6e66-4b7e-93f8-be0df0e4f12e",
    };
    const [fill] = account.fillViews([row, { activity_type: "DIV" }], scales);
    expect(fill).toMatchObject({
      executionId: "ca2aafd0-1270-4b56-b0a9-85423b4a07c8",
      side: "SELL",
      pxTicks: 6_731n,
      qtyLots: 70_000n,
    });
  });
});
