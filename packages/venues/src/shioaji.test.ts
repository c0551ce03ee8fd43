import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NoAnswer, type RestAnswer, shioaji } from "./index.ts";

const { codec, orders, session, account, limits } = shioaji;
const SCALES = { pxScale: 2, qtyScale: 0 };
const ACCOUNT = { brokerId: "9A95", accountId: "0000001" };

const answer = (status: number, body: unknown): RestAnswer => ({
  ...{ status, usedWeight: null, retryAfterS: null, window: null, requestId: null },
  body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
});

/** The events of the vendor's documentation. */
const ORDER = {
  state: "StockOrder",
  data: {
    StockOrder: {
      operation: { op_type: "New", op_code: "00", op_msg: "" },
      order: {
        ...{ id: "892f730b", seqno: "361840", ordno: "Y23CL", action: "Buy", price: 26.85 },
        ...{ quantity: 1, order_type: "ROD", price_type: "LMT", order_cond: "Cash" },
        ...{ order_lot: "Common", custom_field: "" },
      },
      status: {
        ...{ id: "892f730b", exchange_ts: 1779333919.92, modified_price: 0.0 },
        ...{ cancel_quantity: 0, order_quantity: 1, web_id: "137" },
      },
      contract: { security_type: "STK", exchange: "TSE", code: "2890" },
    },
  },
};
const DEAL = {
  state: "StockDeal",
  data: {
    StockDeal: {
      ...{ trade_id: "9c6ae2eb", seqno: "269866", ordno: "IN497", exchange_seq: "669915" },
      ...{ action: "Buy", code: "2890", order_cond: "Cash", order_lot: "Common", price: 27.1 },
      ...{ quantity: 2, web_id: "137", custom_field: "", ts: 1779333920.0 },
    },
  },
};
const told = (data: unknown) =>
  session.message({ name: "order_event", data: JSON.stringify(data) }, SCALES);

const trade = (over: { order?: object; status?: object } = {}) => ({
  contract: { security_type: "STK", exchange: "TSE", code: "2890" },
  order: {
    id: "t1",
    action: "Buy",
    price: 29.5,
    quantity: 3,
    custom_field: "000001",
    ...over.order,
  },
  status: {
    ...{ id: "t1", status: "Submitted", order_quantity: 3, deal_quantity: 0, cancel_quantity: 0 },
    ...{ modified_price: 0, msg: "", deals: [], ...over.status },
  },
});

describe("numbers of the daemon", () => {
  it("are read by their digits, whatever a double would make of them", () => {
    const body = codec.exact('{"a":12345678901234.56,"b":[0.1,"x"],"c":1e3}') as never;
    expect(codec.digits(body, "a")).toBe("12345678901234.56");
    expect(codec.units(codec.digits(body, "a"), 2)).toBe(1_234_567_890_123_456n);
    expect(() => codec.units(codec.digits(body, "c"), 2)).toThrow(RangeError);
    expect(() => codec.digits(body, "b")).toThrow("b is no number");
    expect(codec.exact("{")).toBeNull();
  });

  it("are seconds, and milliseconds in their place are refused", () => {
    const of = (text: string) => codec.seconds(codec.exact(`{"ts":${text}}`) as never, "ts");
    expect(of("1779333919.92")).toBe(1_779_333_919_920_000_000n);
    expect(of("1779333920.0")).toBe(1_779_333_920_000_000_000n);
    expect(of("1779333920")).toBe(1_779_333_920_000_000_000n);
    for (const other of ["1779333919920", "-1", "1e9"]) expect(() => of(other)).toThrow("seconds");
  });

  it("a price is written as the digits it has, any price", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), (pxTicks) => {
        const { body } = orders.priceRequest("t1", pxTicks, SCALES);
        const read = codec.exact(body ?? "") as never;
        expect(codec.units(codec.digits(read, "price"), 2)).toBe(pxTicks);
      }),
    );
  });
});

describe("requests", () => {
  const order: shioaji.orders.NewOrder = {
    ...{ customField: orders.customField(35), exchange: "TSE", code: "2890", side: "BUY" },
    ...{ type: "LIMIT", tif: "ROD", qtyLots: 2n, pxTicks: 2_710n },
  };

  it("a new order is the example of the vendor's documentation, with its custom field", () => {
    const { target, body } = orders.placeRequest(order, ACCOUNT, SCALES);
    expect(target).toBe("/api/v1/order/place_order");
    expect(body).toContain('"price":27.1,');
    expect(JSON.parse(body ?? "")).toEqual({
      contract: { security_type: "STK", exchange: "TSE", code: "2890" },
      stock_order: {
        ...{ action: "Buy", price: 27.1, quantity: 2, price_type: "LMT", order_type: "ROD" },
        ...{ order_lot: "Common", order_cond: "Cash", custom_field: "00000z" },
        account: { broker_id: "9A95", account_id: "0000001" },
      },
    });
  });

  it("custom fields tell every order of a counter apart, and end where they would not", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        fc.pre(a < orders.CUSTOM_FIELDS && b < orders.CUSTOM_FIELDS);
        expect(orders.customField(a)).toMatch(limits.limits.clientOrderId);
        expect(orders.customField(a) === orders.customField(b)).toBe(a === b);
      }),
    );
    for (const n of [-1, 0.5, orders.CUSTOM_FIELDS])
      expect(() => orders.customField(n)).toThrow(RangeError);
  });

  it("an amend takes off what is too much, and has no way to more", () => {
    const view = orders.orderView(codec.exact(JSON.stringify(trade())) as never, SCALES);
    const of = (totalLots: bigint, pxTicks: bigint) =>
      orders
        .amendRequests(view, { totalLots, pxTicks }, SCALES)
        ?.map(({ target, body }) => [target.split("/").at(-1), JSON.parse(body ?? "")]) ?? null;
    expect(of(1n, 2_950n)).toEqual([["update_qty", { trade_id: "t1", quantity: 2 }]]);
    expect(of(3n, 2_900n)).toEqual([["update_price", { trade_id: "t1", price: 29 }]]);
    expect(of(2n, 2_900n)?.map(([name]) => name)).toEqual(["update_qty", "update_price"]);
    expect(of(3n, 2_950n)).toEqual([]);
    expect(of(4n, 2_950n)).toBeNull();
  });
});

describe("what an answer means", () => {
  it.each([
    ["a 200 that is pending", answer(200, trade({ status: { status: "PendingSubmit" } })), "taken"],
    [
      "a 200 that has failed",
      answer(200, trade({ status: { status: "Failed", msg: "no" } })),
      "refused",
    ],
    ["a 200 nobody can read", answer(200, "<html>"), "unknown"],
    [
      "a 200 with a state nobody knows",
      answer(200, trade({ status: { status: "Odd" } })),
      "unknown",
    ],
    ["400", answer(400, { code: 400, message: "x" }), "refused"],
    ["401", answer(401, { code: 401, message: "x" }), "refused"],
    ["404", answer(404, { code: 404, message: "trade not found" }), "refused"],
    ["422", answer(422, { code: 422, message: "x" }), "refused"],
    ["500", answer(500, { code: 500, message: "x" }), "unknown"],
    ["502", answer(502, ""), "unknown"],
    ["503", answer(503, { code: 503, message: "banned" }), "later"],
    ["a connection that ended", new NoAnswer(true, new Error("reset")), "unknown"],
    ["no connection", new NoAnswer(false, new Error("refused")), "later"],
  ] as const)("%s", (_, happened, kind) => {
    expect(orders.outcomeOf(happened, SCALES).kind).toBe(kind);
  });

  it("an order is found by field, code, side and quantity, and never by its price", () => {
    const wanted = { customField: "000001", code: "2890", side: "BUY", qtyLots: 3n } as const;
    const of = (...trades: object[]) => orders.foundOf(answer(200, trades), wanted, SCALES).kind;
    expect(of(trade())).toBe("found");
    expect(of(trade({ status: { modified_price: 28 } }))).toBe("found");
    for (const other of [{ custom_field: "000002" }, { action: "Sell" }, { quantity: 4 }]) {
      expect(of(trade({ order: other }))).toBe("absent");
    }
    expect(of(trade(), trade({ order: { id: "t2" } }))).toBe("ambiguous");
    expect(of()).toBe("absent");
    expect(orders.foundOf(answer(500, ""), wanted, SCALES).kind).toBe("silent");
    expect(orders.foundOf(answer(200, { not: "a list" }), wanted, SCALES).kind).toBe("silent");
  });
});

describe("the stream", () => {
  it("events of the vendor's documentation are read, digit for digit", () => {
    expect(told(ORDER)).toEqual({
      kind: "operation",
      operation: {
        ...{ tradeId: "892f730b", customField: "", type: "New", done: true, code: "00", words: "" },
        ...{ cancelledLots: 0n, atNs: 1_779_333_919_920_000_000n },
      },
    });
    expect(told(DEAL)).toEqual({
      kind: "deal",
      deal: {
        ...{ tradeId: "9c6ae2eb", key: "9c6ae2eb/669915", customField: "", code: "2890" },
        ...{ side: "BUY", pxTicks: 2_710n, qtyLots: 2n, atNs: 1_779_333_920_000_000_000n },
      },
    });
    expect(session.message({ name: "heartbeat", data: "{}" }, SCALES).kind).toBe("heartbeat");
    expect(session.message({ name: "tick_stk", data: "{}" }, SCALES).kind).toBe("other");
    expect(told({ state: "FuturesDeal", data: { FuturesDeal: {} } }).kind).toBe("other");
    for (const broken of [{ ...DEAL, state: "StockOrder" }, { data: {} }, 5]) {
      expect(() => told(broken)).toThrow(RangeError);
    }
  });

  it("is cut into the same events wherever its pieces end", () => {
    const text = `event: a\ndata: 1\n\n: note\n\nevent: b\r\ndata: {"x":\ndata: 2}\r\n\r\n`;
    const whole = new session.EventReader().push(text);
    expect(whole).toEqual([
      { name: "a", data: "1" },
      { name: "message", data: "" },
      { name: "b", data: '{"x":\n2}' },
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: text.length }), { maxLength: 8 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const reader = new session.EventReader();
        const read = at.slice(1).flatMap((end, n) => reader.push(text.slice(at[n], end)));
        expect(read).toEqual(whole);
      }),
    );
    expect(() => new session.EventReader().push("x".repeat(2 << 20))).toThrow("without end");
  });
});

it("each fill counts once, in whatever order stream and list tell it", () => {
  const key = fc.record({
    px: fc.constantFrom(1n, 2n),
    lots: fc.constantFrom(1n, 2n),
    at: fc.constantFrom(1n, 2n),
  });
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 6 }),
      fc.array(fc.record({ list: fc.boolean(), n: fc.nat({ max: 6 }) }), { maxLength: 24 }),
      (fills, script) => {
        const deals = new session.Deals();
        const listed = fills.map(({ px, lots, at }) => ({ pxTicks: px, qtyLots: lots, atNs: at }));
        let booked = 0;
        const hear = (n: number): void => {
          const of = listed[n];
          if (of === undefined) return;
          const rest = { tradeId: "t", customField: "", code: "2890", side: "BUY" } as const;
          if (deals.hear({ ...of, ...rest, key: `t/${n}` })) booked += 1;
        };
        for (const { list, n } of script) {
          // The list has what has happened: the first n fills, and the stream tells any of them, again too.
          if (list) booked += deals.adopt({ tradeId: "t", deals: listed.slice(0, n) }).length;
          else hear(n);
          expect(booked).toBeLessThanOrEqual(fills.length);
        }
        booked += deals.adopt({ tradeId: "t", deals: listed }).length;
        for (const n of listed.keys()) hear(n);
        expect(booked).toBe(fills.length);
      },
    ),
  );
});

it("the window lets no more through than the venue allows, in any ten seconds", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 200 }), { minLength: 300, maxLength: 600 }), (gaps) => {
      const window = new limits.OrderWindow();
      const sent: number[] = [];
      let now = 0;
      for (const gap of gaps) {
        now += gap / 10;
        const waitMs = window.take(now);
        if (waitMs === 0) sent.push(now);
        else expect(waitMs).toBeLessThanOrEqual(10_000);
      }
      for (const [at, ms] of sent.entries()) {
        const later = sent[at + limits.limits.ordersPer10s];
        if (later !== undefined) expect(later - ms).toBeGreaterThanOrEqual(10_000);
      }
    }),
    { numRuns: 30 },
  );
});

it("health and positions are read, and what is missing counts as bad", () => {
  const well = { token_stale: false, ca_expired: null };
  expect(account.healthOf(answer(200, well))).toEqual({
    tokenStale: false,
    certificateExpired: true,
  });
  expect(account.healthOf(answer(200, {}))).toEqual({ tokenStale: true, certificateExpired: true });
  const rows = [{ code: "2890", direction: "Sell", quantity: 3 }];
  expect(account.positionViews(answer(200, rows))).toEqual([{ code: "2890", qtyLots: -3n }]);
  expect(() => account.positionViews(answer(200, {}))).toThrow("no list");
});
