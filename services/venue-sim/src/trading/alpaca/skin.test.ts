import { describe, expect, it } from "vitest";
import { until } from "../../feeds/testing.ts";
import { Bench, type Json, Stream } from "./testing.ts";

/** The wanted status and code of a refused order. */
const REFUSED: readonly (readonly [what: string, order: Json, status: number, code: number])[] = [
  ["no symbol", { symbol: "", qty: "1", limit_price: "90" }, 422, 40_010_001],
  ["a symbol nobody knows", { symbol: "NOPE", qty: "1", limit_price: "90" }, 422, 42_210_000],
  ["a symbol that is gone", { symbol: "GONE", qty: "1", limit_price: "90" }, 422, 42_210_000],
  ["no quantity", { limit_price: "90" }, 422, 40_010_001],
  ["a quantity of nothing", { qty: "0", limit_price: "90" }, 422, 40_010_001],
  ["quantity and notional", { qty: "1", notional: "10", limit_price: "90" }, 422, 40_010_001],
  ["a side that is none", { qty: "1", side: "hold", limit_price: "90" }, 422, 40_010_001],
  ["a type that is none", { qty: "1", type: "iceberg", limit_price: "90" }, 422, 40_010_001],
  ["a time that is none", { qty: "1", time_in_force: "gtd", limit_price: "90" }, 422, 40_010_001],
  ["a limit order without a limit", { qty: "1" }, 422, 40_010_001],
  ["a market order with one", { qty: "1", type: "market", limit_price: "90" }, 422, 40_010_001],
  ["part of a cent", { qty: "1", limit_price: "90.001" }, 422, 42_210_000],
  [
    "an id that is too long",
    { qty: "1", limit_price: "90", client_order_id: "x".repeat(129) },
    422,
    40_010_001,
  ],
  ["more than the account can buy", { qty: "9999", limit_price: "90" }, 403, 40_310_000],
  [
    "a sale of what nobody lends",
    { symbol: "FAKEPACA", side: "sell", qty: "1", limit_price: "60" },
    403,
    40_310_000,
  ],
  [
    "a part of what nobody splits",
    { symbol: "FAKEPACA", qty: "0.5", limit_price: "40" },
    403,
    40_310_000,
  ],
  [
    "a part beyond the day",
    { qty: "0.5", time_in_force: "gtc", limit_price: "90" },
    422,
    42_210_000,
  ],
  ["a short sale of a part", { side: "sell", qty: "0.5", limit_price: "110" }, 422, 42_210_000],
  ["a buy stop below the market", { type: "stop", qty: "1", stop_price: "90" }, 422, 42_210_000],
  [
    "a sell stop above it",
    { side: "sell", type: "stop", qty: "1", stop_price: "110" },
    422,
    42_210_000,
  ],
  [
    "a market order for extended hours",
    { type: "market", qty: "1", extended_hours: true },
    422,
    42_210_000,
  ],
  ["a coin for the day", { symbol: "BTC/USD", qty: "0.01", limit_price: "50000" }, 422, 42_210_000],
  [
    "a stop of a coin",
    { symbol: "BTC/USD", type: "stop", time_in_force: "gtc", qty: "0.01", stop_price: "70000" },
    422,
    40_010_001,
  ],
  [
    "a coin for less than ten dollars",
    { symbol: "BTC/USD", time_in_force: "gtc", qty: "0.0001", limit_price: "50000" },
    403,
    40_310_000,
  ],
  [
    "a coin that is not there",
    { symbol: "BTC/USD", side: "sell", time_in_force: "gtc", qty: "1", limit_price: "70000" },
    403,
    40_310_000,
  ],
  [
    "a class that is not simulated",
    { qty: "1", limit_price: "90", order_class: "bracket" },
    422,
    42_210_000,
  ],
];

describe("Alpaca orders: what is refused", () => {
  it.each(REFUSED)("%s", async (_, order, status, code) => {
    await using bench = await Bench.start();
    const answer = await bench.place(order);
    expect([answer.status, answer.body["code"]]).toEqual([status, code]);
    expect(typeof answer.body["message"]).toBe("string");
    expect(bench.truth.orders.size).toBe(0);
  });

  it("a body that is no JSON, a wrong key, no key, and a key that may only look", async () => {
    await using bench = await Bench.start();
    expect((await bench.ask("POST", "/v2/orders", "{")).status).toBe(400);
    const wrong = { key: "sim", secret: "other" };
    const refused = await bench.ask("GET", "/v2/account", undefined, wrong);
    expect([refused.status, refused.body["code"]]).toEqual([401, 40_110_000]);
    const none = await fetch(`${bench.base}/v2/account`);
    expect([none.status, await none.json()]).toEqual([403, { message: "forbidden." }]);
    const kill = { key: "sim-kill", secret: "sim-kill-secret" };
    expect((await bench.ask("GET", "/v2/orders", undefined, kill)).status).toBe(200);
    expect((await bench.ask("DELETE", "/v2/orders", undefined, kill)).status).toBe(207);
    const order = { symbol: "AAPL", qty: "1", side: "buy", type: "market", time_in_force: "day" };
    expect((await bench.ask("POST", "/v2/orders", order, kill)).status).toBe(401);
  });

  it("a client id that was used before, also by an order that has ended", async () => {
    await using bench = await Bench.start();
    const order = { qty: "1", limit_price: "90", client_order_id: "mine" };
    const first = await bench.place(order);
    await bench.ask("DELETE", `/v2/orders/${String(first.body["id"])}`);
    const again = await bench.place(order);
    expect([again.status, again.body["code"]]).toEqual([422, 40_010_001]);
    expect(again.body["message"]).toBe("client_order_id must be unique");
    const found = await bench.ask("GET", "/v2/orders:by_client_order_id?client_order_id=mine");
    expect([found.body["id"], found.body["status"]]).toEqual([first.body["id"], "canceled"]);
    const other = await bench.ask("GET", "/v2/orders:by_client_order_id?client_order_id=none");
    expect([other.status, other.body["code"]]).toEqual([404, 40_410_000]);
  });

  it("an order that could meet one of the same account", async () => {
    await using bench = await Bench.start();
    await bench.place({ qty: "5", type: "market" });
    const sell = await bench.place({ side: "sell", qty: "1", limit_price: "105" });
    const wash = await bench.place({ qty: "1", limit_price: "105" });
    expect([wash.status, wash.body["existing_order_id"]]).toEqual([403, sell.body["id"]]);
    expect((await bench.place({ qty: "1", limit_price: "104.99" })).status).toBe(200);
  });

  it("a sale of more than is left of a position", async () => {
    await using bench = await Bench.start();
    await bench.place({ qty: "5", type: "market" });
    await bench.place({ side: "sell", qty: "3", limit_price: "110" });
    const more = await bench.place({ side: "sell", qty: "3", limit_price: "111" });
    expect(more.status).toBe(403);
    expect(more.body).toMatchObject({ available: "2", existing_qty: "5", held_for_orders: "3" });
  });

  it("anything while the owner has suspended trading, a short sale while he forbids them", async () => {
    await using bench = await Bench.start();
    await bench.ask("PATCH", "/v2/account/configurations", { no_shorting: true });
    const short = await bench.place({ side: "sell", qty: "1", limit_price: "110" });
    expect(short.body["message"]).toBe("account is not allowed to short");
    await bench.ask("PATCH", "/v2/account/configurations", { suspend_trade: true });
    expect((await bench.place({ qty: "1", limit_price: "90" })).status).toBe(403);
  });
});

describe("Alpaca orders: their life", () => {
  it("a market order fills at the best prices first, and the position follows", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { status, body } = await bench.place({ qty: "150", type: "market" });
    expect([status, body["status"], body["filled_qty"]]).toEqual([200, "pending_new", "0"]);
    await until("the fill", () => stream.events(body["id"]).includes("fill"));
    expect(stream.events(body["id"])).toEqual(["new", "partial_fill", "fill"]);
    const [, part, rest] = stream.updates;
    expect(part).toMatchObject({ price: "100.01", qty: "100", position_qty: "100" });
    expect(rest).toMatchObject({ price: "100.02", qty: "50", position_qty: "150" });
    // 100 × 100.01 + 50 × 100.02 = 15,002 of 150.
    expect(await bench.order(body["id"])).toMatchObject({
      status: "filled",
      filled_qty: "150",
      filled_avg_price: "100.0133",
    });
    const position = (await bench.ask("GET", "/v2/positions/AAPL")).body;
    expect(position).toMatchObject({ qty: "150", side: "long", cost_basis: "15002" });
    const account = (await bench.ask("GET", "/v2/account")).body;
    expect(account["cash"]).toBe("84998");
    const { truth } = bench;
    expect(truth.positionLots["alpaca:AAPL"]).toBe(150_000_000n);
    expect(truth.cashE8["alpaca:AAPL"]?.["USD"]).toBe(-1_500_200_000_000n);
    expect(truth.inconsistencies).toEqual([]);
  });

  it("rests, fills in part as the market comes, is cancelled with the rest", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { body } = await bench.place({ qty: "10", limit_price: "99.50" });
    bench.venue.book({ symbol: "AAPL", bids: [["99.40", "5"]], asks: [["99.50", "4"]] });
    await until("a part", () => stream.events(body["id"]).includes("partial_fill"));
    expect((await bench.order(body["id"]))["status"]).toBe("partially_filled");
    const gone = await bench.ask("DELETE", `/v2/orders/${String(body["id"])}`);
    expect([gone.status, gone.body]).toEqual([204, {}]);
    expect(await bench.order(body["id"])).toMatchObject({ status: "canceled", filled_qty: "4" });
    const again = await bench.ask("DELETE", `/v2/orders/${String(body["id"])}`);
    expect([again.status, again.body["code"]]).toEqual([422, 42_210_000]);
    const nobody = "00000000-0000-4000-8000-000000000000";
    expect((await bench.ask("DELETE", `/v2/orders/${nobody}`)).status).toBe(404);
  });

  it("a replacement is a new order with quantity and fills of its own", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { body: old } = await bench.place({ qty: "10", limit_price: "99.50" });
    bench.venue.book({ symbol: "AAPL", bids: [["99.40", "5"]], asks: [["99.50", "4"]] });
    await until("a part", () => stream.events(old["id"]).includes("partial_fill"));
    const path = `/v2/orders/${String(old["id"])}`;
    const { status, body: fresh } = await bench.ask("PATCH", path, { limit_price: "99.40" });
    expect(status).toBe(200);
    // The venue counts the whole quantity again: what had filled comes on top.
    expect(fresh).toMatchObject({ replaces: old["id"], qty: "10", filled_qty: "0" });
    expect(await bench.order(old["id"])).toMatchObject({
      status: "replaced",
      replaced_by: fresh["id"],
      filled_qty: "4",
    });
    await until("the new order", () => stream.events(fresh["id"]).includes("new"));
    expect(stream.events(old["id"])).toEqual(["new", "partial_fill", "replaced"]);
    const nothing = await bench.ask("PATCH", `/v2/orders/${String(fresh["id"])}`, { qty: "10" });
    expect([nothing.status, nothing.body["message"]]).toEqual([
      422,
      "order parameters are not changed",
    ]);
    expect((await bench.ask("PATCH", path, { qty: "3" })).status).toBe(422);
    expect(bench.truth.orders.get(String(old["client_order_id"]))?.status).toBe("REPLACED");
    expect(bench.truth.inconsistencies).toEqual([]);
  });

  it.each([
    ["ioc", "canceled", "100"],
    ["fok", "canceled", "0"],
  ])("%s ends at once with what it has not got", async (tif, status, filled) => {
    await using bench = await Bench.start();
    const order = { qty: "150", limit_price: "100.01", time_in_force: tif };
    const { body } = await bench.place(order);
    expect(await bench.order(body["id"])).toMatchObject({ status, filled_qty: filled });
  });

  it("a stop waits for its price, a stop-limit then for its limit", async () => {
    await using bench = await Bench.start();
    await bench.place({ qty: "10", type: "market" });
    const { body: stop } = await bench.place({
      side: "sell",
      type: "stop",
      qty: "4",
      stop_price: "95",
    });
    const { body: limit } = await bench.place({
      side: "sell",
      type: "stop_limit",
      qty: "6",
      stop_price: "95",
      limit_price: "94.90",
    });
    bench.book("AAPL", 94.5);
    expect(await bench.order(stop["id"])).toMatchObject({ status: "filled", filled_qty: "4" });
    expect((await bench.order(limit["id"]))["status"]).toBe("new");
    bench.book("AAPL", 94.92);
    expect(await bench.order(limit["id"])).toMatchObject({ status: "filled", filled_qty: "6" });
  });

  it("dollars buy what they reach for, whole positions and parts are closed", async () => {
    await using bench = await Bench.start();
    const { body } = await bench.place({ type: "market", notional: "250" });
    expect(body).toMatchObject({ notional: "250", qty: null });
    // 250 / 100.01 = 2.499750…, cut to a millionth.
    expect((await bench.order(body["id"]))["filled_qty"]).toBe("2.49975");
    const half = await bench.ask("DELETE", "/v2/positions/AAPL?percentage=50");
    expect(half.body).toMatchObject({ side: "sell", qty: "1.249875" });
    expect((await bench.ask("DELETE", "/v2/positions")).status).toBe(207);
    expect((await bench.ask("GET", "/v2/positions")).body).toEqual([]);
    expect((await bench.ask("GET", "/v2/positions/AAPL")).status).toBe(404);
  });

  it("a short position is bought back, and its money comes out even", async () => {
    await using bench = await Bench.start();
    await bench.place({ side: "sell", qty: "10", type: "market" });
    const position = (await bench.ask("GET", "/v2/positions/AAPL")).body;
    expect(position).toMatchObject({ qty: "-10", side: "short", cost_basis: "-999.9" });
    await bench.ask("DELETE", "/v2/positions/AAPL");
    // Sold at 99.99, bought at 100.01: 0.20 lost on ten.
    expect((await bench.ask("GET", "/v2/account")).body["cash"]).toBe("99999.8");
  });

  it("a coin's fee comes out of what is received", async () => {
    await using bench = await Bench.start();
    const coin = { symbol: "BTC/USD", type: "market", time_in_force: "gtc" };
    await bench.place({ ...coin, qty: "0.1" });
    // 0.25 % of 0.1.
    const position = (await bench.ask("GET", "/v2/positions/BTCUSD")).body;
    expect(position).toMatchObject({ symbol: "BTCUSD", qty: "0.09975" });
    await bench.place({ ...coin, side: "sell", qty: "0.09975" });
    expect((await bench.ask("GET", "/v2/positions")).body).toEqual([]);
    // 100,000 − 6,000.001 + 5,984.999… less 0.25 % of it.
    expect((await bench.ask("GET", "/v2/account")).body["cash"]).toBe("99970.03");
    expect(bench.truth.inconsistencies).toEqual([]);
  });

  it("orders wait for the open; the day's expire at the close; auction orders trade then", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { body: day } = await bench.place({ qty: "1", limit_price: "90" });
    const { body: gtc } = await bench.place({ qty: "1", limit_price: "90", time_in_force: "gtc" });
    const { body: cls } = await bench.place({ qty: "1", type: "market", time_in_force: "cls" });
    const { body: opg } = await bench.place({ qty: "1", type: "market", time_in_force: "opg" });
    expect([cls["status"], opg["status"]]).toEqual(["accepted", "accepted"]);
    bench.throw("session_roll", { ms: 300 });
    expect((await bench.ask("GET", "/v2/clock")).body["is_open"]).toBe(false);
    const { body: early } = await bench.place({ qty: "1", type: "market" });
    expect(early["status"]).toBe("accepted");
    await until("the open", () => stream.events(early["id"]).includes("fill"));
    expect(stream.events(day["id"])).toEqual(["new", "expired"]);
    expect((await bench.order(gtc["id"]))["status"]).toBe("new");
    expect(stream.events(cls["id"])).toEqual(["new", "fill"]);
    expect(stream.events(opg["id"])).toEqual(["new", "fill"]);
    expect(bench.truth.inconsistencies).toEqual([]);
  });

  it("lists by status, symbol, side and time, in both directions and in pages", async () => {
    await using bench = await Bench.start();
    const ids: unknown[] = [];
    for (const price of ["90", "91", "92"]) {
      ids.push((await bench.place({ qty: "1", limit_price: price })).body["id"]);
    }
    await bench.place({ symbol: "MSFT", qty: "1", limit_price: "190" });
    await bench.ask("DELETE", `/v2/orders/${String(ids[0])}`);
    const list = async (query: string) =>
      (await bench.ask("GET", `/v2/orders?${query}`)).body as unknown as Json[];
    expect((await list("symbols=AAPL")).map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect((await list("status=all&symbols=AAPL&direction=asc")).map(({ id }) => id)).toEqual(ids);
    expect(await list("status=closed")).toHaveLength(1);
    expect(await list("limit=1")).toHaveLength(1);
    expect(await list("side=sell")).toHaveLength(0);
    const gone = await bench.ask("DELETE", "/v2/orders");
    expect([gone.status, (gone.body as unknown as Json[]).length]).toEqual([207, 3]);
    expect(await list("")).toHaveLength(0);
  });

  it("activities give every fill once, in pages", async () => {
    await using bench = await Bench.start();
    await bench.place({ qty: "150", type: "market" });
    await bench.place({ side: "sell", qty: "50", type: "market" });
    const page = async (query: string) =>
      (await bench.ask("GET", `/v2/account/activities/FILL?${query}`)).body as unknown as Json[];
    const all = await page("direction=asc");
    expect(all.map(({ qty, type }) => [qty, type])).toEqual([
      ["100", "partial_fill"],
      ["50", "fill"],
      ["50", "fill"],
    ]);
    const first = await page("direction=asc&page_size=2");
    const second = await page(`direction=asc&page_size=2&page_token=${String(first[1]?.["id"])}`);
    expect([...first, ...second]).toEqual(all);
  });

  it("a restart has the same orders, fills, position and cash, and their market", async () => {
    await using bench = await Bench.start();
    await bench.place({ qty: "150", type: "market" });
    const { body: rests } = await bench.place({
      qty: "1",
      limit_price: "90",
      client_order_id: "r",
    });
    await bench.place({ symbol: "MSFT", qty: "10", type: "market" });
    const stopped = { symbol: "MSFT", side: "sell", type: "stop", qty: "5", stop_price: "195" };
    const { body: stop } = await bench.place(stopped);
    const auction = { symbol: "SPY", qty: "1", type: "market", time_in_force: "opg" };
    const { body: opg } = await bench.place(auction);
    const all = async () => {
      const read = async (path: string) => (await bench.ask("GET", path)).body;
      const orders = (await read("/v2/orders?status=all")) as unknown as Json[];
      const fills = await read("/v2/account/activities");
      const account = await read("/v2/account");
      return { orders, fills, cash: account["cash"], positions: await read("/v2/positions") };
    };
    const before = await all();
    await bench.restart();
    const after = await all();
    expect(after).toEqual(before);
    expect((await bench.place({ qty: "1", limit_price: "80", client_order_id: "r" })).status).toBe(
      422,
    );
    bench.book("AAPL", 89);
    bench.book("MSFT", 194);
    expect((await bench.order(rests["id"]))["status"]).toBe("filled");
    expect((await bench.order(stop["id"]))["status"]).toBe("filled");
    expect((await bench.order(opg["id"]))["status"]).toBe("accepted");
    expect(bench.truth.inconsistencies).toEqual([]);
  });
});

describe("Alpaca orders: the session", () => {
  it("the paper venue sends JSON in binary frames; a wrong key is told so", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    expect(stream.frames.map(({ binary, body }) => [binary, body])).toEqual([
      [true, { stream: "authorization", data: { status: "authorized", action: "authenticate" } }],
      [true, { stream: "listening", data: { streams: ["trade_updates"] } }],
    ]);
    stream.send({ action: "authenticate", data: { key_id: "sim", secret_key: "no" } });
    await until("the answer", () => stream.frames.length === 3);
    expect(stream.frames[2]?.body["data"]).toMatchObject({ status: "unauthorized" });
  });

  it("counts requests of a key in the venue's minute, and says so in every answer", async () => {
    let nowMs = Date.UTC(2026, 10, 25, 15, 0, 10);
    await using bench = await Bench.start({ nowMs: () => nowMs });
    const first = await bench.ask("GET", "/v2/clock");
    const said = (name: string) => first.headers.get(`x-ratelimit-${name}`);
    const reset = Date.UTC(2026, 10, 25, 15, 1) / 1_000;
    expect([said("limit"), said("remaining"), said("reset")]).toEqual(["200", "199", `${reset}`]);
    expect(first.headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
    for (let n = 1; n < 200; n += 1) await bench.ask("GET", "/v2/clock");
    const over = await bench.ask("GET", "/v2/clock");
    expect([over.status, over.headers.get("retry-after")]).toEqual([429, "50"]);
    // Another key has a budget of its own.
    const kill = { key: "sim-kill", secret: "sim-kill-secret" };
    expect((await bench.ask("GET", "/v2/clock", undefined, kill)).status).toBe(200);
    nowMs = reset * 1_000;
    expect((await bench.ask("GET", "/v2/clock")).status).toBe(200);
  });

  it("hours, clock and calendar of the exchange", async () => {
    // Thanksgiving, then a half day.
    let nowMs = Date.UTC(2026, 10, 26, 15, 0);
    await using bench = await Bench.start({ nowMs: () => nowMs, alwaysOpen: false });
    const clock = async () => (await bench.ask("GET", "/v2/clock")).body;
    expect(await clock()).toEqual({
      timestamp: "2026-11-26T10:00:00.000-05:00",
      is_open: false,
      next_open: "2026-11-27T09:30:00.000-05:00",
      next_close: "2026-11-27T13:00:00.000-05:00",
    });
    nowMs = Date.UTC(2026, 10, 27, 17, 59);
    expect((await clock())["is_open"]).toBe(true);
    nowMs = Date.UTC(2026, 10, 27, 18, 0);
    expect((await clock())["is_open"]).toBe(false);
    const days = (await bench.ask("GET", "/v2/calendar?start=2026-11-25&end=2026-11-30")).body;
    expect((days as unknown as Json[]).map(({ date, open, close }) => [date, open, close])).toEqual(
      [
        ["2026-11-25", "09:30", "16:00"],
        ["2026-11-27", "09:30", "13:00"],
        ["2026-11-30", "09:30", "16:00"],
      ],
    );
  });
});

describe("Alpaca orders: what can be made to go wrong", () => {
  it.each([
    ["ack_lost", true],
    ["request_lost", false],
  ] as const)("%s ends the connection; the order is there: %s", async (name, there) => {
    await using bench = await Bench.start();
    bench.throw(name);
    const order = { qty: "1", limit_price: "90", client_order_id: "lost" };
    await expect(bench.place(order)).rejects.toThrow();
    const found = await bench.ask("GET", "/v2/orders:by_client_order_id?client_order_id=lost");
    expect([found.status, bench.injected(name)]).toEqual([there ? 200 : 404, 1]);
    expect((await bench.place(order)).status).toBe(there ? 422 : 200);
    expect(bench.truth.duplicates).toBe(0);
  });

  it.each([
    ["ack_504", 504, true],
    ["answer_500", 500, false],
  ] as const)("%s answers %d; the order is there: %s", async (name, status, there) => {
    await using bench = await Bench.start();
    bench.throw(name);
    const answer = await bench.place({ qty: "1", limit_price: "90", client_order_id: "x" });
    expect(answer.status).toBe(status);
    expect(bench.truth.orders.has("x")).toBe(there);
  });

  it("an order taken is rejected after its answer", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    bench.throw("reject_after_ack");
    const { status, body } = await bench.place({ qty: "1", limit_price: "90" });
    expect([status, body["status"]]).toEqual([200, "pending_new"]);
    await until("the rejection", () => stream.events(body["id"]).includes("rejected"));
    expect((await bench.order(body["id"]))["status"]).toBe("rejected");
    expect(bench.truth.orders.get(String(body["client_order_id"]))?.status).toBe("REJECTED");
  });

  it("a fill comes before its answer, twice, late or not at all", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    bench.throw("fill_before_ack", { ms: 200 });
    const asked = bench.place({ qty: "1", type: "market", client_order_id: "early" });
    let answered = false;
    void asked.then(() => {
      answered = true;
    });
    await until("the fill", () => stream.updates.some(({ event }) => event === "fill"));
    expect(answered).toBe(false);
    await asked;
    bench.throw("duplicate", { count: 2 });
    const { body } = await bench.place({ qty: "1", type: "market" });
    await until("both", () => stream.events(body["id"]).length === 4);
    const fills = stream.updates.filter(({ event }) => event === "fill").slice(-2);
    expect(fills[0]?.["execution_id"]).toBe(fills[1]?.["execution_id"]);
    bench.throw("gap", { count: 2 });
    const { body: unheard } = await bench.place({ qty: "1", type: "market" });
    bench.throw("late_events", { ms: 250 });
    const { body: late } = await bench.place({ qty: "1", type: "market" });
    expect(stream.events(late["id"])).toEqual([]);
    await until("the late one", () => stream.events(late["id"]).length === 2);
    expect(stream.events(unheard["id"])).toEqual([]);
    expect((await bench.order(unheard["id"]))["status"]).toBe("filled");
  });

  it("an order fills while its cancel is under way, and while its replacement is", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { body: one } = await bench.place({ qty: "1", limit_price: "99.50" });
    bench.throw("pending_cancel", { ms: 100 });
    expect((await bench.ask("DELETE", `/v2/orders/${String(one["id"])}`)).status).toBe(204);
    expect((await bench.order(one["id"]))["status"]).toBe("pending_cancel");
    bench.book("AAPL", 99);
    await until("the end", () => stream.events(one["id"]).length === 4);
    expect(stream.events(one["id"])).toEqual([
      "new",
      "pending_cancel",
      "fill",
      "order_cancel_rejected",
    ]);
    const { body: two } = await bench.place({ qty: "1", limit_price: "98" });
    bench.throw("pending_replace", { ms: 100 });
    const path = `/v2/orders/${String(two["id"])}`;
    const { body: fresh } = await bench.ask("PATCH", path, { limit_price: "97" });
    bench.book("AAPL", 97.5);
    await until("the end", () => stream.events(two["id"]).includes("order_replace_rejected"));
    expect((await bench.order(two["id"]))["status"]).toBe("filled");
    expect((await bench.order(fresh["id"]))["status"]).toBe("rejected");
    expect(bench.truth.inconsistencies).toEqual([]);
  });

  it("a cancel and a replacement are taken and rejected; the order stands", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { body } = await bench.place({ qty: "1", limit_price: "90" });
    const path = `/v2/orders/${String(body["id"])}`;
    bench.throw("cancel_rejected");
    expect((await bench.ask("DELETE", path)).status).toBe(204);
    bench.throw("replace_rejected");
    expect((await bench.ask("PATCH", path, { qty: "2" })).status).toBe(200);
    await until("both", () => stream.events(body["id"]).includes("order_replace_rejected"));
    expect(stream.events(body["id"])).toEqual([
      "new",
      "pending_cancel",
      "order_cancel_rejected",
      "pending_replace",
      "order_replace_rejected",
    ]);
    expect(await bench.order(body["id"])).toMatchObject({ status: "new", qty: "1" });
  });

  it("a fill is taken back, with its money", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    const { body } = await bench.place({ qty: "3", type: "market" });
    bench.throw("bust");
    await until("the bust", () => stream.events(body["id"]).includes("trade_bust"));
    const fill = stream.updates.find(({ event }) => event === "fill");
    const bust = stream.updates.find(({ event }) => event === "trade_bust");
    expect(bust?.["previous_execution_id"]).toBe(fill?.["execution_id"]);
    expect(bust?.["position_qty"]).toBe("0");
    expect((await bench.ask("GET", "/v2/account")).body["cash"]).toBe("100000");
    expect((await bench.ask("GET", "/v2/positions")).body).toEqual([]);
    const { truth } = bench;
    expect([truth.busts, truth.fills.length, truth.positionLots["alpaca:AAPL"]]).toEqual([
      1,
      0,
      0n,
    ]);
    expect(truth.inconsistencies).toEqual([]);
    await bench.restart();
    expect((await bench.ask("GET", "/v2/account")).body["cash"]).toBe("100000");
  });

  it("streams end or go dead, logins are not heard, requests are refused as too many", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    bench.throw("disconnect");
    await until("the end", () => stream.closed !== null);
    bench.throw("rate_limit");
    const refused = await bench.ask("GET", "/v2/account");
    expect([refused.status, refused.body["code"]]).toEqual([429, 42_910_000]);
    expect((await bench.ask("GET", "/v2/account")).status).toBe(200);
    bench.throw("pattern_day_trader");
    const pdt = await bench.place({ qty: "1", limit_price: "90" });
    expect([pdt.status, pdt.body["code"]]).toEqual([403, 40_310_100]);
  });

  it("a login is not heard, a stream is dead, a connection is taken late, the clock is off", async () => {
    await using bench = await Bench.start();
    bench.throw("auth_timeout");
    await using deaf = await new Stream(bench.base).opened();
    deaf.send({ action: "authenticate", data: { key_id: "sim", secret_key: "sim-secret" } });
    await using stream = await bench.stream();
    expect([deaf.frames.length, bench.injected("auth_timeout")]).toEqual([0, 1]);
    bench.throw("half_open");
    const { body } = await bench.place({ qty: "1", type: "market" });
    expect((await bench.order(body["id"]))["status"]).toBe("filled");
    expect([stream.updates.length, stream.closed]).toEqual([0, null]);
    bench.throw("slow_accept", { ms: 150 });
    const started = performance.now();
    await using late = await bench.stream();
    expect(late.frames).toHaveLength(2);
    expect(performance.now() - started).toBeGreaterThanOrEqual(149);
    bench.throw("clock_skew", { ms: 60_000 });
    const { timestamp } = (await bench.ask("GET", "/v2/clock")).body;
    expect(Date.parse(String(timestamp)) - Date.now()).toBeGreaterThan(50_000);
  });

  it("it closes while a connection waits to be taken", async () => {
    const bench = await Bench.start();
    bench.throw("slow_accept", { ms: 600_000 });
    await using waiting = new Stream(bench.base);
    await until("the connection", () => bench.injected("slow_accept") === 1);
    await bench[Symbol.asyncDispose]();
    await until("the end", () => waiting.closed !== null);
  });

  it("a halt holds orders until it ends", async () => {
    await using bench = await Bench.start();
    await using stream = await bench.stream();
    bench.throw("halt", { ms: 200 });
    const { body } = await bench.place({ qty: "1", type: "market" });
    expect((await bench.order(body["id"]))["status"]).toBe("accepted");
    await until("the fill", () => stream.events(body["id"]).includes("fill"));
  });

  it("the control port takes the same by HTTP and says what is wrong with the rest", async () => {
    await using bench = await Bench.start();
    expect((await bench.ask("POST", "/_sim/inject", { switch: "rate_limit" })).status).toBe(200);
    expect((await bench.ask("POST", "/_sim/inject", { switch: "no_such" })).status).toBe(400);
    expect((await bench.ask("GET", "/_sim/none")).status).toBe(404);
    await bench.ask("GET", "/v2/account");
    const stats = (await bench.ask("GET", "/_sim/stats")).body;
    expect((stats["injected"] as Json)["rate_limit"]).toBe(1);
  });

  it("a generated market moves and fills orders by itself", async () => {
    await using bench = await Bench.start();
    const { body } = await bench.ask("GET", "/v2/positions");
    expect(body).toEqual([]);
    const eth = { symbol: "ETH/USD", type: "market", time_in_force: "gtc", notional: "100" };
    const order = await bench.place(eth);
    expect((await bench.order(order.body["id"]))["status"]).toBe("filled");
  });
});
