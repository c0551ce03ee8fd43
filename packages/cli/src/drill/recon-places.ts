/** The accounts where the reconciliation drill breaks something: a person's hands at each venue of the simulator. */

import { binanceSpot, binanceUsdm, RestClient } from "@tidegate/venues";
import type { DrillVenue, ReconCluster } from "./recon-cluster.ts";
import { KINDS, type Kind } from "./recon-judge.ts";

/** Best bid and ask in ticks. */
export interface Touch {
  readonly bid: number;
  readonly ask: number;
}

export interface Place {
  readonly venue: DrillVenue;
  /** What the monitor calls the account. */
  readonly account: string;
  readonly instrumentId: number;
  /** What can be broken here. */
  readonly kinds: readonly Kind[];
  /** Requests, or their weight, that the venue allows in a minute. */
  readonly perMinute: number;
  /** How its requests are marked in the venue's log. */
  readonly mark: string;
  /** Of an order of ours: small, and above the venue's least. */
  readonly buyLots: number;
  readonly sellLots: number;
  /** Steps of a drift that the venue can show, 1e-8. */
  readonly driftE8: { readonly base: bigint; readonly quote: bigint };
  touch(): Promise<Touch>;
  /** A person's resting buy far below the market, and its end; `hushed`: nobody is told of it. */
  rest(id: string, hushed: boolean): Promise<() => Promise<void>>;
  /** A person's trade. */
  trade(id: string): Promise<void>;
  /** A person cancels an order of ours, and nobody is told. */
  cancelUntold(clientOrderId: string): Promise<void>;
  /** The next so many events of orders are told to nobody. */
  hush(count: number): Promise<void>;
  /** What moves without a word, or with one. */
  move(baseE8: bigint, quoteE8: bigint, told: boolean): Promise<void>;
}

export function placeOf(venue: DrillVenue, cluster: ReconCluster): Place {
  if (venue === "alpaca") return alpacaPlace(cluster);
  return binancePlace(cluster, venue);
}

async function sent(url: string, body: object): Promise<void> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`venue-sim: ${await answer.text()}`);
}

const BINANCE = {
  spot: {
    ...{
      instrumentId: 1,
      account: "binance-spot",
      perMinute: 6_000,
      path: binanceSpot.paths.order,
    },
    ...{ depth: "/api/v3/depth", pxDigits: 2, qtyDigits: 5, buyLots: 20, sellLots: 10 },
    driftE8: { base: 1_000n, quote: 100_000n },
  },
  usdm: {
    ...{
      instrumentId: 2,
      account: "binance-usdm",
      perMinute: 2_400,
      path: binanceUsdm.paths.order,
    },
    ...{ depth: "/fapi/v1/depth", pxDigits: 1, qtyDigits: 3, buyLots: 2, sellLots: 1 },
    // A whole lot, and more than the digits of the entry price hide.
    driftE8: { base: 100_000n, quote: 100_000_000n },
  },
} as const;

function binancePlace(cluster: ReconCluster, market: "spot" | "usdm"): Place {
  const { path, depth, pxDigits, qtyDigits, ...rest } = BINANCE[market];
  const px = (ticks: number): string => (ticks / 10 ** pxDigits).toFixed(pxDigits);
  const qty = (lots: number): string => (lots / 10 ** qtyDigits).toFixed(qtyDigits);
  /** One request with the account's own key, as from the venue's page. */
  const ask = async (method: "POST" | "DELETE", params: Readonly<Record<string, string>>) => {
    const key = { key: "sim", secret: () => "sim-secret" };
    const client = new RestClient({ baseUrl: cluster.http, key });
    const all = Object.entries({ symbol: "BTCUSDT", ...params });
    const { status, body } = await client.ask(method, path, all, "signed");
    if (status !== 200) throw new Error(`the venue: ${Buffer.from(body).toString("utf8")}`);
  };
  const control = (request: object) => sent(`${cluster.http}/_sim`, { market, ...request });
  const hush = (count: number) => control({ switch: "gap", count });
  const touch = async (): Promise<Touch> => {
    const answer = await fetch(`${cluster.http}${depth}?symbol=BTCUSDT&limit=5`);
    const { bids, asks } = (await answer.json()) as Record<"bids" | "asks", [string, string][]>;
    const ticks = (row: [string, string] | undefined) =>
      Math.round(Number(row?.[0] ?? 0) * 10 ** pxDigits);
    return { bid: ticks(bids?.[0]), ask: ticks(asks?.[0]) };
  };
  return {
    ...rest,
    ...{ venue: market, mark: market, kinds: KINDS, touch, hush },
    async rest(id, hushed) {
      const price = px(Math.floor((await touch()).bid * 0.95));
      if (hushed) await hush(1);
      const terms = { side: "BUY", type: "LIMIT", timeInForce: "GTC", price };
      await ask("POST", { ...terms, quantity: qty(rest.buyLots), newClientOrderId: id });
      return () => ask("DELETE", { origClientOrderId: id });
    },
    async trade(id) {
      const terms = { side: "BUY", type: "MARKET", quantity: qty(rest.sellLots) };
      await ask("POST", { ...terms, newClientOrderId: id });
    },
    async cancelUntold(clientOrderId) {
      await hush(1);
      await ask("DELETE", { origClientOrderId: clientOrderId });
    },
    move: (baseE8, quoteE8, told) =>
      control({ fault: "transfer", told, baseE8: `${baseE8}`, quoteE8: `${quoteE8}` }),
  };
}

/** The market of the stock stands still: what is bid far below it stays there. */
const MIDDLE = 100;

/** No order of ours reaches Alpaca, so none can be gone there and no fill of it missed. */
function alpacaPlace(cluster: ReconCluster): Place {
  const control = (act: string, body: object) => sent(`${cluster.alpaca}/_sim/${act}`, body);
  const headers = { "apca-api-key-id": "sim", "apca-api-secret-key": "sim-secret" };
  const ask = async (method: "POST" | "DELETE", path: string, body: object | null) => {
    const more = body === null ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${cluster.alpaca}${path}`, { method, headers, ...more });
    const text = await answer.text();
    if (answer.status >= 300) throw new Error(`the venue: ${text}`);
    return text === "" ? {} : (JSON.parse(text) as { id?: string });
  };
  const order = (id: string, more: object) =>
    ask("POST", "/v2/orders", {
      ...{ symbol: "AAPL", side: "buy", qty: "1", client_order_id: id },
      ...more,
    });
  const hush = (count: number) => control("inject", { switch: "gap", count });
  const place: Place = {
    ...{ venue: "alpaca", mark: "alpaca", account: "alpaca", instrumentId: 3, perMinute: 200 },
    kinds: ["order_unknown", "external_trade", "position_drift", "cash_drift"],
    ...{ buyLots: 1_000_000, sellLots: 1_000_000, hush },
    driftE8: { base: 100_000_000n, quote: 1_000_000n },
    async touch() {
      const level = (away: number) => [(MIDDLE + away).toFixed(2), "1000"];
      await control("book", { symbol: "AAPL", bids: [level(-0.01)], asks: [level(0.01)] });
      return { bid: MIDDLE * 100 - 1, ask: MIDDLE * 100 + 1 };
    },
    async rest(id, hushed) {
      if (hushed) await hush(1);
      const terms = { type: "limit", time_in_force: "gtc", limit_price: "90" };
      const { id: venueId } = await order(id, terms);
      return async () => void (await ask("DELETE", `/v2/orders/${venueId}`, null));
    },
    async trade(id) {
      await order(id, { type: "market", time_in_force: "day" });
    },
    cancelUntold: () => Promise.reject(new Error("no order of ours is at Alpaca")),
    async move(baseE8, quoteE8) {
      const moved = { qtyE8: `${baseE8}`, cashE8: `${quoteE8}` };
      await control("transfer", { symbol: "AAPL", ...moved });
    },
  };
  return place;
}
