/** ccxt's clients against our simulators of order entry: Alpaca's coins, Binance spot and USD-M. */

import type { AlpacaOrders } from "@tidegate/venue-sim/alpaca";
import ccxt, { type Exchange, type Order } from "ccxt";
import { KEY, market } from "./alpaca-orders.ts";
import { type Card, expect, until } from "./cards.ts";

function same(got: unknown, want: unknown, what: string): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(want)];
  expect(left === right, `${what}: got ${left}, want ${right}`);
}

/** The class of ccxt's own errors that a refusal must become. */
async function refused(act: Promise<unknown>, kind: new (message: string) => Error): Promise<void> {
  try {
    await act;
  } catch (error) {
    const { name, message } = error as Error;
    expect(error instanceof kind, `${name}, want ${kind.name}: ${message}`);
    return;
  }
  throw new Error(`it was not refused, want ${kind.name}`);
}

const idOf = ({ id }: Order): string => id ?? "";

const COIN = "BTC/USD";

/** Each card opens a venue of its own: BTC/USD at 60,000.00 with 100 coins a hundredth away on each side. */
export function ccxtAlpacaCards(open: () => Promise<AlpacaOrders>): Card[] {
  const card = (
    name: string,
    act: (exchange: Exchange, venue: AlpacaOrders) => Promise<void>,
  ): Card => ({
    name: `ccxt alpaca: ${name}`,
    async run() {
      await using venue = await open();
      market(venue, COIN, 60_000);
      const exchange = new ccxt.alpaca({
        apiKey: KEY.keyId,
        secret: KEY.secret,
        enableRateLimit: false,
      });
      (exchange.urls["api"] as Record<string, string>)["trader"] = `http://127.0.0.1:${venue.port}`;
      await act(exchange, venue);
    },
  });
  return [
    card("its markets are the coins, with their steps", async (exchange) => {
      const markets = await exchange.loadMarkets();
      const { precision, limits } = markets[COIN] ?? {};
      same([precision?.amount, precision?.price], [0.000001, 0.01], "the steps");
      same([limits?.cost?.min, markets["AAPL/USD"] === undefined], [10, true], "the markets");
    }),
    card("the time is the venue's", async (exchange) => {
      const time = (await exchange.fetchTime()) ?? 0;
      expect(Math.abs(time - Date.now()) < 5_000, `off by ${time - Date.now()} ms`);
    }),
    card("a limit order rests, is fetched, listed and cancelled", async (exchange) => {
      const params = { timeInForce: "gtc" };
      const placed = await exchange.createOrder(COIN, "limit", "buy", 0.01, 50_000, params);
      const order = await exchange.fetchOrder(idOf(placed), COIN);
      same(
        [order.id, order.symbol, order.status, order.side, order.price, order.amount, order.filled],
        [placed.id, COIN, "open", "buy", 50_000, 0.01, 0],
        "the order",
      );
      same(
        (await exchange.fetchOpenOrders(COIN)).map(({ id }) => id),
        [placed.id],
        "the open ones",
      );
      // Its dollars are cash until they are paid; what an order in force takes is buying power, which ccxt does not show.
      same((await exchange.fetchBalance())["USD"]?.free, 100_000, "the cash");
      await exchange.cancelOrder(idOf(placed), COIN);
      same((await exchange.fetchOrder(idOf(placed), COIN)).status, "canceled", "the end");
      same(await exchange.fetchOpenOrders(COIN), [], "what is open");
    }),
    card("a market order fills, with trades and balances to match", async (exchange) => {
      const params = { timeInForce: "gtc" };
      const placed = await exchange.createOrder(COIN, "market", "buy", 0.1, undefined, params);
      const order = await exchange.fetchOrder(idOf(placed), COIN);
      same(
        [order.status, order.filled, order.average, order.cost],
        ["closed", 0.1, 60_000.01, 6_000.001],
        "the order",
      );
      const trades = await exchange.fetchMyTrades(COIN);
      same(
        trades.map(({ order: id, side, price, amount }) => [id, side, price, amount]),
        [[placed.id, "buy", 60_000.01, 0.1]],
        "the trades",
      );
      // A quarter of a hundredth of what is received is the fee.
      same((await exchange.fetchBalance())["BTC"]?.total, 0.09975, "the coins");
    }),
    card("an order is replaced by another", async (exchange) => {
      const params = { timeInForce: "gtc" };
      const placed = await exchange.createOrder(COIN, "limit", "buy", 0.01, 50_000, params);
      const edited = await exchange.editOrder(idOf(placed), COIN, "limit", "buy", 0.02, 51_000);
      const order = await exchange.fetchOrder(idOf(edited), COIN);
      same([order.amount, order.price, order.status], [0.02, 51_000, "open"], "the new order");
      expect(edited.id !== placed.id, "the same id");
      same((await exchange.fetchOpenOrders(COIN)).length, 1, "what is open");
    }),
    card("a stop-limit waits for its price", async (exchange, venue) => {
      const params = { timeInForce: "gtc", triggerPrice: 61_000 };
      const placed = await exchange.createOrder(COIN, "limit", "buy", 0.01, 61_100, params);
      same((await exchange.fetchOrder(idOf(placed), COIN)).filled, 0, "before");
      market(venue, COIN, 61_050);
      same((await exchange.fetchOrder(idOf(placed), COIN)).filled, 0.01, "after");
    }),
    card("everything open is cancelled at once", async (exchange) => {
      const params = { timeInForce: "gtc" };
      for (const price of [50_000, 51_000]) {
        await exchange.createOrder(COIN, "limit", "buy", 0.01, price, params);
      }
      await exchange.cancelAllOrders();
      same(await exchange.fetchOpenOrders(COIN), [], "what is open");
      same((await exchange.fetchClosedOrders(COIN)).length, 2, "what has ended");
    }),
    card("refusals become its own errors", async (exchange, venue) => {
      const params = { timeInForce: "gtc" };
      const much = exchange.createOrder(COIN, "limit", "buy", 10, 50_000, params);
      await refused(much, ccxt.InsufficientFunds);
      const little = exchange.createOrder(COIN, "limit", "buy", 0.0001, 50_000, params);
      await refused(little, ccxt.InvalidOrder);
      const day = exchange.createOrder(COIN, "limit", "buy", 1, 50_000, { timeInForce: "day" });
      await refused(day, ccxt.BadRequest);
      const none = exchange.fetchOrder("00000000-0000-4000-8000-000000000000", COIN);
      await refused(none, ccxt.InvalidOrder);
      venue.inject({ switch: "rate_limit" });
      await refused(exchange.fetchBalance(), ccxt.RateLimitExceeded);
      exchange.secret = "wrong";
      await refused(exchange.fetchBalance(), ccxt.PermissionDenied);
    }),
  ];
}

type Kind = "spot" | "linear";

/** What ccxt has to know of a market of Binance, and what the venue begins with. */
const KINDS = {
  spot: {
    symbol: "BTC/USDT",
    host: "https://api.binance.com",
    // A hundredth of a per cent ten times, out of what is received.
    takerFee: 0.001,
    lot: 0.001,
  },
  linear: {
    symbol: "BTC/USDT:USDT",
    host: "https://fapi.binance.com",
    takerFee: 0.0005,
    lot: 0.001,
  },
} as const;

/** `base` is the address of the venue that plays the recordings of both markets. */
export function ccxtBinanceCards(base: string): Card[] {
  const client = (kind: Kind, secret: string = KEY.secret): Exchange => {
    const { host } = KINDS[kind];
    const exchange = new ccxt.binance({
      apiKey: KEY.keyId,
      secret,
      enableRateLimit: false,
      options: {
        defaultType: kind === "spot" ? "spot" : "swap",
        fetchCurrencies: false,
        fetchMarkets: { types: [kind] },
        fetchMargins: false,
        warnOnFetchOpenOrdersWithoutSymbol: false,
      },
    });
    // It knows by the host which market a refusal is of, so it is let ask the real one and the way there is changed.
    exchange.fetchImplementation = (url: string, init: RequestInit) => {
      if (!url.startsWith(`${host}/`)) throw new TypeError(`${url} is not of this market`);
      return fetch(url.replace(host, base), init);
    };
    return exchange;
  };
  return (["spot", "linear"] as const).flatMap((kind) => {
    const { symbol, takerFee, lot } = KINDS[kind];
    const exchange = client(kind);
    const card = (name: string, run: () => Promise<void>): Card => {
      return { name: `ccxt binance ${kind}: ${name}`, run };
    };
    /** A bid far below the market, on the tick. */
    const far = async (): Promise<number> => {
      const book = await until("a book", () => exchange.fetchOrderBook(symbol, 5));
      const bid = (await book).bids[0]?.[0] ?? 0;
      expect(bid > 1_000, `no book: ${bid}`);
      return Math.floor(bid * 0.9);
    };
    const place = async (price: number, amount = 0.01): Promise<Order> =>
      exchange.createOrder(symbol, "limit", "buy", amount, price);
    return [
      card("a limit order rests, is fetched, listed and cancelled", async () => {
        const price = await far();
        const placed = await place(price);
        const order = await exchange.fetchOrder(idOf(placed), symbol);
        same(
          [
            order.id,
            order.symbol,
            order.status,
            order.side,
            order.price,
            order.amount,
            order.filled,
          ],
          [placed.id, symbol, "open", "buy", price, 0.01, 0],
          "the order",
        );
        const open = await exchange.fetchOpenOrders(symbol);
        expect(
          open.some(({ id }) => id === placed.id),
          "it is not among the open ones",
        );
        const ended = await exchange.cancelOrder(idOf(placed), symbol);
        same([ended.id, ended.status], [placed.id, "canceled"], "the answer");
        same((await exchange.fetchOrder(idOf(placed), symbol)).status, "canceled", "the end");
      }),
      card("a market order fills, with trades and balances to match", async () => {
        const before = await exchange.fetchBalance();
        const placed = await exchange.createOrder(symbol, "market", "buy", lot);
        const order = await exchange.fetchOrder(idOf(placed), symbol);
        same([order.status, order.filled, order.remaining], ["closed", lot, 0], "the order");
        const trades = (await exchange.fetchMyTrades(symbol)).filter((t) => t.order === placed.id);
        const amount = trades.reduce((sum, trade) => sum + (trade.amount ?? 0), 0);
        const cost = trades.reduce((sum, trade) => sum + (trade.cost ?? 0), 0);
        const fee = trades.reduce((sum, trade) => sum + Number(trade.fee?.cost ?? 0), 0);
        expect(Math.abs(amount - lot) < 1e-12, `the trades are ${amount}`);
        const received = kind === "spot" ? amount : cost;
        // Cut off below 1e-8 with each trade.
        const slack = 1e-8 * trades.length;
        expect(Math.abs(fee - received * takerFee) <= slack, `fee ${fee} of ${received}`);
        const after = await exchange.fetchBalance();
        const moved = (code: string) =>
          Number(after[code]?.total ?? 0) - Number(before[code]?.total ?? 0);
        if (kind === "spot") {
          expect(Math.abs(moved("BTC") - (amount - fee)) < 1e-7, `BTC moved ${moved("BTC")}`);
          expect(Math.abs(moved("USDT") + cost) < 1e-6, `USDT moved ${moved("USDT")}`);
        } else {
          // A position is opened: the wallet pays the fee and nothing else.
          expect(Math.abs(moved("USDT") + fee) < 1e-6, `USDT moved ${moved("USDT")}`);
          const back = await exchange.createOrder(symbol, "market", "sell", lot);
          same((await exchange.fetchOrder(idOf(back), symbol)).status, "closed", "the way back");
        }
      }),
      card("an order is found by the client's own id", async () => {
        const clientOrderId = `own-${kind}-${Date.now()}`;
        const params = { clientOrderId };
        const price = await far();
        const placed = await exchange.createOrder(symbol, "limit", "buy", 0.01, price, params);
        const found = await exchange.fetchOrder("", symbol, params);
        same([found.id, found.clientOrderId], [placed.id, clientOrderId], "the order");
        await refused(
          exchange.createOrder(symbol, "limit", "buy", 0.01, price, params),
          ccxt.BaseError,
        );
        await exchange.cancelAllOrders(symbol);
        same(await exchange.fetchOpenOrders(symbol), [], "what is open");
      }),
      card("an order for later takers only is refused where it would take", async () => {
        const book = await exchange.fetchOrderBook(symbol, 5);
        const price = Math.ceil((book.asks[0]?.[0] ?? 0) * 1.01);
        const order = exchange.createOrder(symbol, "limit", "buy", 0.01, price, { postOnly: true });
        await refused(
          order,
          kind === "spot" ? ccxt.OrderImmediatelyFillable : ccxt.OrderNotFillable,
        );
      }),
      card("refusals become its own errors", async () => {
        const price = await far();
        if (kind === "spot") await refused(place(price, 1_000), ccxt.InsufficientFunds);
        await refused(exchange.fetchOrder("999999999", symbol), ccxt.OrderNotFound);
        await refused(exchange.cancelOrder("999999999", symbol), ccxt.OrderNotFound);
        await refused(client(kind, "wrong").fetchBalance(), ccxt.AuthenticationError);
      }),
    ];
  });
}
