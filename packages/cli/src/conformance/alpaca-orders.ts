/** The vendor's own client against our simulator of its orders: REST, and the stream of trade updates. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Alpaca, errors, streaming, type trading } from "@alpacahq/alpaca-trade-api";
import { newRustMarket } from "@tidegate/venue-sim";
import { AlpacaOrders } from "@tidegate/venue-sim/alpaca";
import { type Card, expect, until } from "./cards.ts";

type Order = trading.Order;
type Update = streaming.TradeUpdate;

export const KEY = { keyId: "sim", secret: "sim-secret" };

/** What a card has in its hands: the client, the stream's updates so far, and the venue behind them. */
interface Hands {
  readonly client: Alpaca["trading"];
  readonly updates: Update[];
  readonly stream: streaming.TradingStream;
  readonly venue: AlpacaOrders;
  /** Waits until the stream has told an event of an order. */
  readonly told: (order: Order, event: string) => Promise<Update>;
}

/** Where the account stands that these cards begin with. */
export const CASH = 100_000;

/** Cores that take nine hundredths of a per cent from whoever comes in, whatever their venue has told them. */
export const wrongFees: typeof newRustMarket = (config) =>
  newRustMarket(config.replace(/"takerFeeE8":"\d+"/, '"takerFeeE8":"90000"'));

/** Venues of Alpaca's orders for one part; each card opens its own, and all are gone at the end. */
export class AlpacaVenues implements Disposable {
  readonly #newMarket: typeof newRustMarket;
  readonly #dir = mkdtempSync(join(tmpdir(), "tidegate-peers-"));
  #opened = 0;

  constructor(wrong: boolean) {
    this.#newMarket = wrong ? wrongFees : newRustMarket;
  }

  /** `ratesScale` times the requests the venue usually allows. */
  open = async (ratesScale = 1): Promise<AlpacaOrders> => {
    this.#opened += 1;
    const dir = mkdtempSync(join(this.#dir, `${this.#opened}-`));
    return AlpacaOrders.alone(dir, {
      keys: [{ key: KEY.keyId, secret: KEY.secret, trade: true }],
      cash: CASH,
      ratesScale,
      newMarket: this.#newMarket,
      onFatal: (error) => {
        throw error;
      },
    });
  };

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A client of the paper venue whose requests come to the simulator. */
export function clientOf(
  venue: AlpacaOrders,
  change: Partial<ConstructorParameters<typeof Alpaca>[0]> = {},
): Alpaca {
  const base = `http://127.0.0.1:${venue.port}`;
  return new Alpaca({
    ...KEY,
    retry: false,
    rateLimit: false,
    fetchApi: (input, init) =>
      fetch(String(input).replace("https://paper-api.alpaca.markets", base), init as RequestInit),
    ...change,
  });
}

function streamOf(venue: AlpacaOrders): streaming.TradingStream {
  return new streaming.TradingStream({
    credentials: KEY,
    url: `ws://127.0.0.1:${venue.port}/stream`,
    reconnectJitter: 0,
    initialReconnectMs: 50,
    maxReconnectMs: 100,
  });
}

/** Writes a still market of two levels a side, 100 at each, and a last trade in the middle of it. */
export function market(venue: AlpacaOrders, symbol: string, middle: number): void {
  const level = (away: number): [string, string] => [(middle + away).toFixed(2), "100"];
  venue.book({ symbol, bids: [level(-0.01), level(-0.02)], asks: [level(0.01), level(0.02)] });
  venue.print({ symbol, price: middle.toFixed(2), qty: "1", aggressor: "BUY" });
}

/** The refusal that must come: its class, status and code. */
async function refused(
  act: Promise<unknown>,
  kind: new (...args: never[]) => errors.ApiError,
  status: number,
  code: number | undefined,
): Promise<errors.ApiError> {
  try {
    await act;
  } catch (error) {
    expect(error instanceof kind, `${(error as Error).name}: ${(error as Error).message}`);
    const fault = error as errors.ApiError;
    expect(fault.status === status, `status ${fault.status}, want ${status}`);
    expect(fault.code === code, `code ${fault.code}, want ${code}`);
    return fault;
  }
  throw new Error("it was not refused");
}

function same(got: unknown, want: unknown, what: string): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(want)];
  expect(left === right, `${what}: got ${left}, want ${right}`);
}

/**
 * The cards. Each opens a venue of its own with `open`, so that every amount in it can be reckoned by hand: AAPL at 100.00
 * with 100 shares at 99.99 and 99.98, at 100.01 and 100.02; BTC/USD at 60,000.00 alike; 100,000 dollars.
 */
export function sdkCards(open: () => Promise<AlpacaOrders>): Card[] {
  const card = (name: string, act: (hands: Hands) => Promise<void>): Card => ({
    name,
    async run() {
      await using venue = await open();
      for (const [symbol, middle] of MIDDLES) market(venue, symbol, middle);
      const stream = streamOf(venue);
      try {
        const updates: Update[] = [];
        stream.onTradeUpdate((update) => updates.push(update));
        let listening = false;
        stream.on(streaming.EVENT.SUBSCRIPTION, () => {
          listening = true;
        });
        stream.subscribeTradeUpdates();
        stream.connect();
        const login = await stream.waitForAuthenticationResult(8_000);
        expect(login.authenticated, `not authenticated: ${login.message}`);
        await until("the subscription", () => listening);
        const told = (order: Order, event: string) =>
          until(`${event} of ${order.id}`, () =>
            updates.find((each) => each.order.id === order.id && each.event === event),
          );
        await act({ client: clientOf(venue).trading, updates, stream, venue, told });
      } finally {
        stream.disconnect();
      }
    },
  });
  const limit = (qty: string, limitPrice: string, more: object = {}) => {
    return { symbol: "AAPL", qty, side: "buy", limitPrice, timeInForce: "day", ...more } as const;
  };
  return [
    card("a wrong key is refused, over REST and on the stream", async ({ venue }) => {
      const wrong = { keyId: "sim", secret: "wrong" };
      const client = clientOf(venue, wrong).trading;
      await refused(client.account.getAccount(), errors.AuthError, 401, 40_110_000);
      const url = `ws://127.0.0.1:${venue.port}/stream`;
      const stream = new streaming.TradingStream({ credentials: wrong, url });
      stream.connect();
      const result = await stream.waitForAuthenticationResult(8_000);
      stream.disconnect();
      expect(!result.authenticated, "the stream let a wrong key in");
    }),
    card("the account has its money", async ({ client }) => {
      const account = await client.account.getAccount();
      same(
        [account.status, account.currency, account.cash, account.buyingPower],
        ["ACTIVE", "USD", "100000", "200000"],
        "the account",
      );
    }),
    card("the clock, and the days of a week with a holiday and a half day", async ({ client }) => {
      const clock = await client.clock.legacyClock();
      expect(clock.isOpen === true, "the market is closed");
      const days = await client.calendar.legacyCalendar({
        start: new Date("2026-11-25"),
        end: new Date("2026-11-30"),
      });
      // Thanksgiving is the fourth Thursday of November; the day after it ends at 13:00.
      const hours = days.map(({ date, open: from, close }) => [
        typeof date === "string" ? date : (date as unknown as Date).toISOString().slice(0, 10),
        from,
        close,
      ]);
      same(
        hours,
        [
          ["2026-11-25", "09:30", "16:00"],
          ["2026-11-27", "09:30", "13:00"],
          ["2026-11-30", "09:30", "16:00"],
        ],
        "the days",
      );
    }),
    card("assets by list, by symbol and by id", async ({ client }) => {
      const active = await client.assets.getV2Assets({ status: "active", assetClass: "us_equity" });
      expect(
        active.some(({ symbol }) => symbol === "AAPL"),
        "no AAPL",
      );
      expect(!active.some(({ symbol }) => symbol === "GONE"), "what is gone is there");
      const one = await client.assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "AAPL" });
      const again = await client.assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: one.id });
      same([again.symbol, again.tradable], ["AAPL", true], "the asset");
      const none = client.assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "NOPE" });
      await refused(none, errors.NotFoundError, 404, 40_410_000);
    }),
    card("a market order takes the best price first, and the stream tells each fill", async (h) => {
      const order = await h.client.orders.market({ symbol: "AAPL", qty: 150, side: "buy" });
      expect(order.status === "pending_new", `answered as ${order.status}`);
      const last = await h.told(order, "fill");
      const events = h.updates.map(({ event, price, qty, positionQty }) => [
        event,
        price,
        qty,
        positionQty,
      ]);
      same(
        events,
        [
          ["new", undefined, undefined, undefined],
          ["partial_fill", "100.01", "100", "100"],
          ["fill", "100.02", "50", "150"],
        ],
        "the stream",
      );
      // 100 × 100.01 + 50 × 100.02 = 15,002; of 150 that is 100.0133.
      same(
        [last.order.status, last.order.filledQty, last.order.filledAvgPrice],
        ["filled", "150", "100.0133"],
        "the order",
      );
      const account = await h.client.account.getAccount();
      same(account.cash, "84998", "the cash");
      const keys = h.updates.map(({ executionId }) => executionId);
      expect(new Set(keys).size === 3, "executions share a key");
    }),
    card("a limit order rests and is found by either id", async ({ client, told }) => {
      const order = await client.orders.limit(limit("10", "99.50", { clientOrderId: "mine" }));
      await told(order, "new");
      const byId = await client.orders.getOrderByOrderID({ orderId: order.id ?? "" });
      const byOurs = await client.orders.getOrderByClientOrderId({ clientOrderId: "mine" });
      same([byId.id, byId.status, byOurs.id], [order.id, "new", order.id], "the order");
      const none = client.orders.getOrderByClientOrderId({ clientOrderId: "nobody" });
      await refused(none, errors.NotFoundError, 404, 40_410_000);
    }),
    card("a client id is good for one order", async ({ client }) => {
      await client.orders.limit(limit("1", "90", { clientOrderId: "once" }));
      const again = client.orders.limit(limit("1", "90", { clientOrderId: "once" }));
      await refused(again, errors.ValidationError, 422, 40_010_001);
    }),
    card("a replacement is a new order, linked both ways", async ({ client, told }) => {
      const old = await client.orders.limit(limit("10", "99.50"));
      const patchOrderRequest = { qty: "7", limitPrice: "99.40" };
      const fresh = await client.orders.patchOrderByOrderId({
        orderId: old.id ?? "",
        patchOrderRequest,
      });
      same([fresh.replaces, fresh.qty, fresh.limitPrice], [old.id, "7", "99.40"], "the new order");
      const ended = await told(old, "replaced");
      same([ended.order.status, ended.order.replacedBy], ["replaced", fresh.id], "the old order");
      await told(fresh, "new");
      const open = await client.orders.getAllOrders({ status: "open" });
      same(
        open.map(({ id }) => id),
        [fresh.id],
        "what is open",
      );
    }),
    card("a cancel ends an order once", async ({ client, told }) => {
      const order = await client.orders.limit(limit("10", "99.50"));
      await client.orders.deleteOrderByOrderID({ orderId: order.id ?? "" });
      const ended = await told(order, "canceled");
      expect(ended.order.canceledAt instanceof Date, "no time of the end");
      const again = client.orders.deleteOrderByOrderID({ orderId: order.id ?? "" });
      await refused(again, errors.ValidationError, 422, 42_210_000);
      const none = client.orders.deleteOrderByOrderID({
        orderId: "00000000-0000-4000-8000-000000000000",
      });
      await refused(none, errors.NotFoundError, 404, 40_410_000);
    }),
    card("a cancel of everything answers for each order", async ({ client }) => {
      const ids: (string | undefined)[] = [];
      for (const price of ["90", "91"]) ids.push((await client.orders.limit(limit("1", price))).id);
      const answers = await client.orders.deleteAllOrders();
      same(
        answers.map(({ id, status }) => [id, status]),
        ids.map((id) => [id, 200]),
        "the answers",
      );
      same(await client.orders.getAllOrders({ status: "open" }), [], "what is open");
    }),
    card("a position is told with its cost, and closed in part and whole", async ({ client }) => {
      await client.orders.market({ symbol: "AAPL", qty: 10, side: "buy" });
      const position = await client.positions.getOpenPosition({ symbolOrAssetId: "AAPL" });
      // Ten at 100.01; the last trade was at 100.00.
      same(
        [
          position.qty,
          position.side,
          position.avgEntryPrice,
          position.costBasis,
          position.unrealizedPl,
        ],
        ["10", "long", "100.01", "1000.1", "-0.1"],
        "the position",
      );
      const part = await client.positions.deleteOpenPosition({
        symbolOrAssetId: "AAPL",
        percentage: 50,
      });
      same([part.side, part.qty, part.type], ["sell", "5", "market"], "the closing order");
      const rest = await client.closeAllPositions();
      same(
        rest.map(({ symbol, status }) => [symbol, Number(status)]),
        [["AAPL", 200]],
        "the rest",
      );
      same(await client.positions.getAllOpenPositions(), [], "what is left");
      // Bought at 100.01, sold at 99.99: 0.02 lost on each of ten.
      same((await client.account.getAccount()).cash, "99999.8", "the cash");
    }),
    card("a stop waits for its price, a stop-limit then for its limit", async (h) => {
      await h.client.orders.market({ symbol: "AAPL", qty: 10, side: "buy" });
      const common = { symbol: "AAPL", side: "sell", timeInForce: "gtc", stopPrice: 95 } as const;
      const stop = await h.client.orders.stop({ ...common, qty: 4 });
      const limited = await h.client.orders.stopLimit({ ...common, qty: 6, limitPrice: 94.9 });
      market(h.venue, "AAPL", 94.5);
      // The bid is 94.49 then; the limit of 94.90 is above it.
      const filled = await h.told(stop, "fill");
      same([filled.price, filled.qty], ["94.49", "4"], "the stop");
      const waits = await h.client.orders.getOrderByOrderID({ orderId: limited.id ?? "" });
      same([waits.status, waits.filledQty], ["new", "0"], "the stop with a limit");
      market(h.venue, "AAPL", 94.95);
      same((await h.told(limited, "fill")).price, "94.9", "its price");
    }),
    card("at once: in part, or whole or not at all", async ({ client, told }) => {
      const part = await client.orders.limit(limit("150", "100.01", { timeInForce: "ioc" }));
      const ended = await told(part, "canceled");
      same([ended.order.filledQty, ended.order.status], ["100", "canceled"], "in part");
      const whole = await client.orders.limit(limit("150", "100.01", { timeInForce: "fok" }));
      same((await told(whole, "canceled")).order.filledQty, "0", "not at all");
    }),
    card("what the money is not there for is refused, with what is there", async ({ client }) => {
      const order = client.orders.limit(limit("3000", "90"));
      const fault = await refused(order, errors.PermissionError, 403, 40_310_000);
      const body = (await fault.response.json()) as Record<string, unknown>;
      // Twice 100,000 may be spent; 3,000 at 90 are 270,000.
      same([body["buying_power"], body["cost_basis"]], ["200000", "270000"], "the extras");
    }),
    card("an order against one's own is refused as a wash trade", async ({ client }) => {
      const own = await client.orders.limit(limit("1", "99"));
      const order = client.orders.limit(limit("1", "98.50", { side: "sell" }));
      const fault = await refused(order, errors.PermissionError, 403, 40_310_000);
      expect(fault.message.includes("wash trade"), fault.message);
      const body = (await fault.response.json()) as Record<string, unknown>;
      same(body["existing_order_id"], own.id, "the other order");
    }),
    card("more than is held cannot be sold; what nobody lends cannot be sold short", async (h) => {
      await h.client.orders.market({ symbol: "AAPL", qty: 5, side: "buy" });
      const more = h.client.orders.market({ symbol: "AAPL", qty: 6, side: "sell" });
      const fault = await refused(more, errors.PermissionError, 403, 40_310_000);
      const body = (await fault.response.json()) as Record<string, unknown>;
      same([body["available"], body["existing_qty"]], ["5", "5"], "the extras");
      const short = h.client.orders.market({ symbol: "FAKEPACA", qty: 1, side: "sell" });
      await refused(short, errors.PermissionError, 403, 40_310_000);
    }),
    card("prices below a cent, stops on the wrong side: refused as invalid", async ({ client }) => {
      const cent = client.orders.limit(limit("1", "99.001"));
      await refused(cent, errors.ValidationError, 422, 42_210_000);
      const stop = {
        symbol: "AAPL",
        qty: 1,
        side: "buy",
        timeInForce: "day",
        stopPrice: 90,
      } as const;
      await refused(client.orders.stop(stop), errors.ValidationError, 422, 42_210_000);
      const unknown = client.orders.market({ symbol: "NOPE", qty: 1, side: "buy" });
      await refused(unknown, errors.ValidationError, 422, 42_210_000);
    }),
    card("dollars buy parts of a share", async ({ client, told }) => {
      const order = await client.orders.market({ symbol: "AAPL", notional: 250, side: "buy" });
      // 250 / 100.01 = 2.49975…
      same((await told(order, "fill")).order.filledQty, "2.49975", "what they bought");
    }),
    card("a coin's fee comes out of the coin", async ({ client, told }) => {
      const coin = { symbol: "BTC/USD", qty: 0.1, side: "buy", timeInForce: "gtc" } as const;
      await told(await client.orders.market(coin), "fill");
      const position = await client.positions.getOpenPosition({ symbolOrAssetId: "BTCUSD" });
      // A quarter of a hundredth of 0.1 is 0.00025.
      same([position.qty, position.assetClass], ["0.09975", "crypto"], "the position");
    }),
    card("orders are listed by status, side, symbol and direction", async ({ client }) => {
      const first = await client.orders.limit(limit("1", "90"));
      const second = await client.orders.limit(limit("1", "91"));
      await client.orders.limit({ ...limit("1", "190"), symbol: "MSFT" });
      await client.orders.deleteOrderByOrderID({ orderId: first.id ?? "" });
      const list = async (query: Parameters<typeof client.orders.getAllOrders>[0]) =>
        (await client.orders.getAllOrders(query)).map(({ id }) => id);
      same(await list({ symbols: ["AAPL"], status: "open" }), [second.id], "open");
      same(await list({ symbols: ["AAPL"], status: "closed" }), [first.id], "closed");
      const all = await list({ symbols: ["AAPL"], status: "all", direction: "asc" });
      same(all, [first.id, second.id], "all, oldest first");
      same(await list({ side: "sell", status: "all" }), [], "sales");
    }),
    card("every fill is in the activities once, by pages", async ({ client }) => {
      await client.orders.market({ symbol: "AAPL", qty: 150, side: "buy" });
      await client.orders.market({ symbol: "AAPL", qty: 50, side: "sell" });
      const { accountActivities } = client;
      const fills = { activityType: "FILL", direction: "asc" } as const;
      const all = (await accountActivities.getAccountActivitiesByActivityType(
        fills,
      )) as unknown as {
        id: string;
        qty: string;
      }[];
      same(
        all.map(({ qty }) => qty),
        ["100", "50", "50"],
        "the fills",
      );
      const page = { ...fills, pageSize: 2, pageToken: all[0]?.id ?? "" };
      const rest = await accountActivities.getAccountActivitiesByActivityType(page);
      same(
        (rest as { id?: string }[]).map(({ id }) => id),
        all.slice(1).map(({ id }) => id),
        "a page",
      );
    }),
    card("settings of the account hold for the next order", async ({ client }) => {
      const request = { accountConfigurations: { suspendTrade: true } };
      const { accountConfigurations } = client;
      await accountConfigurations.patchAccountConfig(
        request as Parameters<typeof accountConfigurations.patchAccountConfig>[0],
      );
      expect((await accountConfigurations.getAccountConfig()).suspendTrade === true, "not kept");
      const order = client.orders.limit(limit("1", "90"));
      await refused(order, errors.PermissionError, 403, 40_310_000);
    }),
    card("an answer that is lost leaves an order that its id finds", async ({ venue }) => {
      // As it is by default: the client asks again what is safe, and never a new order.
      const client = clientOf(venue, { retry: { maxRetries: 2 } }).trading;
      venue.inject({ switch: "ack_lost" });
      let lost: unknown = null;
      try {
        await client.orders.limit(limit("1", "90", { clientOrderId: "lost" }));
      } catch (error) {
        lost = error;
      }
      expect(lost !== null && !(lost instanceof errors.ApiError), `got ${String(lost)}`);
      const found = await client.orders.getOrderByClientOrderId({ clientOrderId: "lost" });
      same(found.status, "new", "the order");
      const all = await client.orders.getAllOrders({ status: "all" });
      expect(all.length === 1, `${all.length} orders`);
    }),
    card("too many requests: refused with the wait, and asked again by the client", async (h) => {
      h.venue.inject({ switch: "rate_limit" });
      const asked = h.client.account.getAccount();
      const fault = await refused(asked, errors.RateLimitError, 429, 42_910_000);
      same([fault.retryAfterMs, fault.rateLimit?.limit], [1_000, 200], "the wait");
      h.venue.inject({ switch: "rate_limit" });
      const patient = clientOf(h.venue, { retry: { maxRetries: 2 } }).trading;
      same((await patient.account.getAccount()).cash, String(CASH), "the cash");
    }),
    card(
      "the stream comes back by itself and hears what is next",
      async ({ client, venue, told }) => {
        venue.inject({ switch: "disconnect" });
        await until("the end", () => (venue.stats() as { clients: number }).clients === 0);
        await until("the return", () => (venue.stats() as { clients: number }).clients === 1);
        await new Promise((resolve) => setTimeout(resolve, 200));
        const order = await client.orders.market({ symbol: "AAPL", qty: 1, side: "buy" });
        await told(order, "fill");
      },
    ),
    card("the client's own way of waiting for the end of an order", async (h) => {
      const input = {
        symbol: "AAPL",
        qty: 3,
        side: "buy",
        type: "market",
        timeInForce: "day",
      } as const;
      const order = await h.client.submitAndWait(input, { stream: h.stream, timeoutMs: 8_000 });
      same([order.status, order.filledQty], ["filled", "3"], "the order");
    }),
    card("an order that is rejected after its answer", async ({ client, venue, told }) => {
      venue.inject({ switch: "reject_after_ack" });
      const order = await client.orders.limit(limit("1", "90"));
      same((await told(order, "rejected")).order.status, "rejected", "the order");
    }),
    card(
      "an order fills while its cancel is under way",
      async ({ client, venue, told, updates }) => {
        const order = await client.orders.limit(limit("1", "99.50"));
        venue.inject({ switch: "pending_cancel", ms: 150 });
        await client.orders.deleteOrderByOrderID({ orderId: order.id ?? "" });
        await told(order, "pending_cancel");
        market(venue, "AAPL", 99);
        await told(order, "order_cancel_rejected");
        same(
          updates.map(({ event }) => event),
          ["new", "pending_cancel", "fill", "order_cancel_rejected"],
          "the stream",
        );
      },
    ),
  ];
}

/** Where the markets stand that a card begins with. */
export const MIDDLES: readonly (readonly [symbol: string, middle: number])[] = [
  ["AAPL", 100],
  ["MSFT", 200],
  ["FAKEPACA", 50],
  ["BTC/USD", 60_000],
];
