/** The vendor's own stream client against our simulator. */

import { streaming } from "@alpacahq/alpaca-trade-api";
import type { Feeds } from "@tidegate/venue-sim/feeds";
import { type Card, expect, until } from "./cards.ts";

const { EVENT, STATE, StockDataStream, CryptoDataStream } = streaming;
type Stream = streaming.StockDataStream;

export const GOOD = { keyId: "sim", secret: "sim-secret" };
const quiet = { reconnectJitter: 0, initialReconnectMs: 100, maxReconnectMs: 200 };

interface Plan {
  readonly url: (path: string) => string;
  readonly cryptoUrl: string;
  readonly feeds: Feeds;
}

function stock(plan: Plan, options: Partial<streaming.StockDataStreamOptions> = {}): Stream {
  const { credentials = GOOD, ...rest } = options;
  return new StockDataStream({ credentials, url: plan.url("/v2/iex"), ...quiet, ...rest });
}

async function connected(stream: streaming.MarketDataStream): Promise<void> {
  stream.connect();
  const result = await stream.waitForAuthenticationResult(8_000);
  expect(result.authenticated, `not authenticated: ${result.message}`);
}

/** Closes the stream and waits until the simulator has seen it go. */
async function closed(plan: Plan, ...streams: streaming.MarketDataStream[]): Promise<void> {
  for (const stream of streams) stream.disconnect();
  type Stats = { venues: Record<string, { peers: number }> };
  await until("all peers gone", () => {
    const { venues } = plan.feeds.stats() as Stats;
    return venues["ALPACA"]?.peers === 0 && venues["ALPACA_CRYPTO"]?.peers === 0;
  });
}

/** Runs `act` with a connected stream, and closes it whatever comes. */
async function withStream(plan: Plan, act: (stream: Stream) => Promise<void>): Promise<void> {
  const stream = stock(plan);
  try {
    await connected(stream);
    await act(stream);
  } finally {
    await closed(plan, stream);
  }
}

/** The first message of a kind, for a subscription made by `ask`. */
function firstOf<T>(
  plan: Plan,
  listen: (stream: Stream, fn: (item: T) => void) => void,
  ask: (stream: Stream) => void,
  judge: (item: T) => void,
): () => Promise<void> {
  return () =>
    withStream(plan, async (stream) => {
      let first: T | null = null;
      listen(stream, (item) => {
        first ??= item;
      });
      ask(stream);
      judge(await until("a message", () => first));
    });
}

const NS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;

export function streamCards(plan: Plan): Card[] {
  const { feeds } = plan;
  return [
    { name: "connect and log in", run: () => withStream(plan, async () => {}) },
    {
      name: "a wrong key is refused with 402 and not tried again",
      async run() {
        const stream = stock(plan, { credentials: { keyId: "sim", secret: "wrong" } });
        try {
          stream.connect();
          const result = await stream.waitForAuthenticationResult(8_000);
          expect(!result.authenticated && result.code === 402, `got ${JSON.stringify(result)}`);
        } finally {
          await closed(plan, stream);
        }
      },
    },
    {
      name: "a login that is not heard ends with 404",
      async run() {
        feeds.inject({ venue: "ALPACA", switch: "auth_timeout" });
        const stream = stock(plan);
        try {
          stream.connect();
          const result = await stream.waitForAuthenticationResult(9_000);
          expect(!result.authenticated && result.code === 404, `got ${JSON.stringify(result)}`);
        } finally {
          await closed(plan, stream);
        }
      },
    },
    {
      name: "each change of the subscription is answered with the whole set",
      run: () =>
        withStream(plan, async (stream) => {
          const sets: Record<string, string[]>[] = [];
          stream.on(EVENT.SUBSCRIPTION, (set: Record<string, string[]>) => sets.push(set));
          stream.subscribeForTrades(["AAPL"]);
          await until("the first set", () => sets.length === 1);
          stream.subscribeForQuotes(["AAPL", "MSFT"]);
          await until("the second set", () => sets.length === 2);
          stream.unsubscribeFromQuotes(["MSFT"]);
          await until("the third set", () => sets.length === 3);
          const read = sets.map((set) => [set["trades"]?.join(), set["quotes"]?.join()]);
          const want = [
            ["AAPL", ""],
            ["AAPL", "AAPL,MSFT"],
            ["AAPL", "AAPL"],
          ];
          expect(JSON.stringify(read) === JSON.stringify(want), `got ${JSON.stringify(read)}`);
        }),
    },
    {
      name: "quotes, with sizes and times to the ns",
      run: firstOf<streaming.StreamQuote>(
        plan,
        (stream, fn) => stream.onQuote(fn),
        (stream) => stream.subscribeForQuotes(["AAPL"]),
        (quote) => {
          expect(quote.symbol === "AAPL", quote.symbol);
          expect(quote.bidPrice > 0 && quote.askPrice > quote.bidPrice, JSON.stringify(quote));
          expect(NS.test(quote.timestampRaw ?? ""), `time ${quote.timestampRaw}`);
        },
      ),
    },
    {
      name: "trades, with id, exchange, conditions and tape",
      run: firstOf<streaming.StreamTrade>(
        plan,
        (stream, fn) => stream.onTrade(fn),
        (stream) => stream.subscribeForTrades(["MSFT"]),
        (trade) => {
          const { price, size, id, exchange, tape } = trade;
          expect(price > 0 && size > 0 && id > 0, JSON.stringify(trade));
          expect(exchange !== "" && tape === "C", JSON.stringify(trade));
        },
      ),
    },
    {
      name: "minute bars",
      run: firstOf<streaming.StreamBar>(
        plan,
        (stream, fn) => stream.onBar(fn),
        (stream) => stream.subscribeForBars(["*"]),
        ({ open, high, low, close, volume }) =>
          expect(
            high >= Math.max(open, close) && low <= Math.min(open, close) && volume > 0,
            `bar ${open} ${high} ${low} ${close} ${volume}`,
          ),
      ),
    },
    {
      name: "updated bars",
      run: firstOf<streaming.StreamBar>(
        plan,
        (stream, fn) => stream.onUpdatedBar(fn),
        (stream) => stream.subscribeForUpdatedBars(["AAPL"]),
        ({ high, low }) => expect(high >= low, `${high} ${low}`),
      ),
    },
    {
      name: "daily bars",
      run: firstOf<streaming.StreamBar>(
        plan,
        (stream, fn) => stream.onDailyBar(fn),
        (stream) => stream.subscribeForDailyBars(["AAPL"]),
        ({ high, low, tradeCount }) =>
          expect(high >= low && (tradeCount ?? 0) > 0, `${high} ${low} ${tradeCount}`),
      ),
    },
    {
      name: "trading statuses",
      run: firstOf<streaming.StreamStatus>(
        plan,
        (stream, fn) => stream.onStatus(fn),
        (stream) => stream.subscribeForStatuses(["AAPL"]),
        ({ statusCode }) => expect(statusCode === "T" || statusCode === "H", `${statusCode}`),
      ),
    },
    {
      name: "price bands",
      run: firstOf<streaming.StreamLuld>(
        plan,
        (stream, fn) => stream.onLuld(fn),
        (stream) => stream.subscribeForLulds(["AAPL"]),
        ({ limitUpPrice, limitDownPrice }) =>
          expect(limitUpPrice > limitDownPrice, `${limitUpPrice} ${limitDownPrice}`),
      ),
    },
    {
      name: "imbalances",
      run: firstOf<streaming.StreamImbalance>(
        plan,
        (stream, fn) => stream.onImbalance(fn),
        (stream) => stream.subscribeForImbalances(["AAPL"]),
        ({ price }) => expect(price > 0, `${price}`),
      ),
    },
    {
      name: "corrections come with trades",
      run: firstOf<streaming.StreamCorrection>(
        plan,
        (stream, fn) => stream.onCorrection(fn),
        (stream) => stream.subscribeForTrades(["AAPL"]),
        ({ originalSize, correctedSize }) =>
          expect(correctedSize === originalSize + 1, `${originalSize} ${correctedSize}`),
      ),
    },
    {
      name: "cancels come with trades",
      run: firstOf<streaming.StreamCancelError>(
        plan,
        (stream, fn) => stream.onCancelError(fn),
        (stream) => stream.subscribeForTrades(["AAPL"]),
        ({ id, action }) => expect(id > 0 && action === "C", `${id} ${action}`),
      ),
    },
    {
      name: "more than 30 channels are refused with 405 and change nothing",
      run: () =>
        withStream(plan, async (stream) => {
          let fault = "";
          const sets: unknown[] = [];
          stream.onError((text) => {
            fault = text;
          });
          stream.on(EVENT.SUBSCRIPTION, (set: unknown) => sets.push(set));
          stream.subscribeForTrades(Array.from({ length: 31 }, (_, at) => `S${at}`));
          await until("the refusal", () => fault !== "");
          expect(fault.includes("symbol limit") && sets.length === 0, fault);
        }),
    },
    {
      name: "a second connection of the account is refused with 406, the first goes on",
      run: () =>
        withStream(plan, async (first) => {
          const second = stock(plan, { reconnect: false });
          let fault = "";
          second.onError((text) => {
            fault ||= text;
          });
          second.connect();
          await until("the refusal", () => fault !== "");
          expect(fault.includes("connection limit"), fault);
          second.disconnect();
          let quotes = 0;
          first.onQuote(() => {
            quotes += 1;
          });
          first.subscribeForQuotes(["AAPL"]);
          await until("quotes on the first", () => quotes > 2);
        }),
    },
    {
      name: "a slow client is told 407, dropped, and connects anew with its subscription",
      run: () =>
        withStream(plan, async (stream) => {
          let fault = "";
          let reconnected = false;
          let quotes = 0;
          stream.onError((text) => {
            fault ||= text;
          });
          stream.on(EVENT.RECONNECTED, () => {
            reconnected = true;
          });
          stream.onQuote(() => {
            quotes += 1;
          });
          stream.subscribeForQuotes(["AAPL"]);
          await until("quotes", () => quotes > 0);
          feeds.inject({ venue: "ALPACA", switch: "slow_client" });
          await until("the notice", () => fault !== "");
          expect(fault.includes("slow client"), fault);
          await until("the next connection", () => reconnected);
          const before = quotes;
          await until("quotes again", () => quotes > before + 2);
        }),
    },
    {
      name: "a dropped connection is made anew with its subscription",
      run: () =>
        withStream(plan, async (stream) => {
          let quotes = 0;
          let lost = false;
          stream.onQuote(() => {
            quotes += 1;
          });
          stream.on(STATE.DISCONNECTED, () => {
            lost = true;
          });
          stream.subscribeForQuotes(["AAPL"]);
          await until("quotes", () => quotes > 0);
          feeds.kick("ALPACA");
          await until("the loss", () => lost);
          const before = quotes;
          await until("quotes again", () => quotes > before + 2);
        }),
    },
    {
      name: "crypto: trades, quotes and an order book that begins whole",
      async run() {
        const stream = new CryptoDataStream({ credentials: GOOD, url: plan.cryptoUrl, ...quiet });
        try {
          await connected(stream);
          const books: streaming.StreamOrderbook[] = [];
          let trades = 0;
          let quotes = 0;
          stream.onOrderbook((book) => books.push(book));
          stream.onTrade(({ takerSide }) => {
            if (takerSide === "B" || takerSide === "S") trades += 1;
          });
          stream.onQuote(() => {
            quotes += 1;
          });
          stream.subscribeForOrderbooks(["BTC/USD"]);
          stream.subscribeForTrades(["BTC/USD"]);
          stream.subscribeForQuotes(["BTC/USD"]);
          await until("all three", () => books.length > 2 && trades > 0 && quotes > 0);
          const [first, second] = books;
          expect(first?.reset === true && first.bids.length >= 20, "the first is not whole");
          expect(second?.reset === false, "the second is whole again");
        } finally {
          await closed(plan, stream);
        }
      },
    },
  ];
}
