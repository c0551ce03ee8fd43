/** The two markets the simulator serves, as their venue describes them. */

export const MARKET_IDS = ["spot", "usdm"] as const;
export type MarketId = (typeof MARKET_IDS)[number];

/** The book of one symbol of the brokerage account, e.g. `alpaca:AAPL`. */
export type AlpacaBook = `alpaca:${string}`;
/** The book of one symbol of a FIX venue, e.g. `fix:BTC/USD`. */
export type FixBook = `fix:${string}`;
/** The book of one stock at Shioaji, e.g. `shioaji:2330`. */
export type ShioajiBook = `shioaji:${string}`;
/** A book that is not a market of the recording. */
export type OtherBook = AlpacaBook | FixBook | ShioajiBook;
/** One book of orders: an instrument at a venue. */
export type BookId = MarketId | OtherBook;

/** What one core is made of. */
export interface CoreSpec {
  readonly symbol: string;
  /** How fills move the core's own ledger: both assets, or a position and a wallet. */
  readonly money: "spot" | "usdm";
  /** Decimals of a price and a size in the unit of the instrument: px = ticks * 10^-pxScale. */
  readonly pxScale: number;
  readonly qtyScale: number;
  /** Decimals the venue prints. */
  readonly pxTextScale: number;
  readonly qtyTextScale: number;
  readonly e8PerTickLot: number;
  readonly baseE8PerLot: number;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  /** In 1e-8 of the notional. */
  readonly makerFeeE8: string;
  readonly takerFeeE8: string;
  /** What the account holds when a run begins, 1e-8 of the asset. */
  readonly balances: { readonly baseE8: string; readonly quoteE8: string };
}

export interface MarketSpec extends CoreSpec {
  readonly id: MarketId;
  readonly symbol: "BTCUSDT";
  readonly baseAsset: "BTC";
  readonly quoteAsset: "USDT";
  readonly weightPerMinuteMax: number;
  readonly ordersPer10sMax: number;
  readonly depthWeights: readonly (readonly [limit: number, weight: number])[];
}

export const MARKETS: Readonly<Record<MarketId, MarketSpec>> = {
  spot: {
    id: "spot",
    money: "spot",
    symbol: "BTCUSDT",
    pxScale: 2,
    qtyScale: 5,
    pxTextScale: 8,
    qtyTextScale: 8,
    e8PerTickLot: 10,
    baseE8PerLot: 1_000,
    baseAsset: "BTC",
    quoteAsset: "USDT",
    makerFeeE8: "100000",
    takerFeeE8: "100000",
    balances: { baseE8: "1000000000", quoteE8: "100000000000000" },
    weightPerMinuteMax: 6_000,
    ordersPer10sMax: 100,
    depthWeights: [
      [100, 5],
      [500, 25],
      [1_000, 50],
      [5_000, 250],
    ],
  },
  usdm: {
    id: "usdm",
    money: "usdm",
    symbol: "BTCUSDT",
    pxScale: 1,
    qtyScale: 3,
    pxTextScale: 2,
    qtyTextScale: 3,
    e8PerTickLot: 10_000,
    baseE8PerLot: 100_000,
    baseAsset: "BTC",
    quoteAsset: "USDT",
    makerFeeE8: "20000",
    takerFeeE8: "50000",
    balances: { baseE8: "0", quoteE8: "100000000000000" },
    weightPerMinuteMax: 2_400,
    ordersPer10sMax: 300,
    depthWeights: [
      [50, 2],
      [100, 5],
      [500, 10],
      [1_000, 20],
    ],
  },
};

/** What the reader of the log needs of a book. */
export interface BookSpec {
  readonly e8PerTickLot: number;
  readonly baseE8PerLot: number;
  readonly baseAsset: string;
  readonly quoteAsset: string;
  /** Whether a fill posts both assets; else realised profit alone moves a wallet in the quote asset. */
  readonly postsAssets: boolean;
}

/** Scales of every book of the brokerage account: cents, and millionths of a share or coin. */
export const ALPACA_SCALES = {
  pxScale: 2,
  qtyScale: 6,
  pxTextScale: 2,
  qtyTextScale: 6,
  e8PerTickLot: 1,
  baseE8PerLot: 100,
} as const;

/** Scales of every book of a FIX venue: cents, and 1e-5 of the base asset. */
export const FIX_SCALES = {
  pxScale: 2,
  qtyScale: 5,
  pxTextScale: 2,
  qtyTextScale: 5,
  e8PerTickLot: 10,
  baseE8PerLot: 1_000,
} as const;

/** Scales of every book at Shioaji: hundredths of a dollar, and shares; a board lot is a thousand of them. */
export const SHIOAJI_SCALES = {
  pxScale: 2,
  qtyScale: 0,
  pxTextScale: 2,
  qtyTextScale: 0,
  e8PerTickLot: 1_000_000,
  baseE8PerLot: 100_000_000,
} as const;

export function bookSpec(id: BookId): BookSpec {
  if (id === "spot" || id === "usdm") return { ...MARKETS[id], postsAssets: id === "spot" };
  if (id.startsWith("shioaji:")) {
    const baseAsset = id.slice("shioaji:".length);
    return { ...SHIOAJI_SCALES, baseAsset, quoteAsset: "TWD", postsAssets: true };
  }
  if (id.startsWith("fix:")) {
    const [base = "", quote = ""] = id.slice("fix:".length).split("/");
    return { ...FIX_SCALES, baseAsset: base, quoteAsset: quote, postsAssets: true };
  }
  const [base = "", quote = "USD"] = id.slice("alpaca:".length).split("/");
  return { ...ALPACA_SCALES, baseAsset: base, quoteAsset: quote, postsAssets: true };
}

/** The JSON configuration the matching core takes for one market. */
export function coreConfig(spec: CoreSpec, openOrdersMax = 200): string {
  return JSON.stringify({
    openOrdersMax,
    symbol: spec.symbol,
    market: spec.money,
    pxScale: spec.pxScale,
    pxUnit: 1,
    qtyScale: spec.qtyScale,
    qtyUnit: 1,
    pxTextScale: spec.pxTextScale,
    qtyTextScale: spec.qtyTextScale,
    e8PerTickLot: spec.e8PerTickLot,
    baseE8PerLot: spec.baseE8PerLot,
    baseAsset: spec.baseAsset,
    quoteAsset: spec.quoteAsset,
    makerFeeE8: spec.makerFeeE8,
    takerFeeE8: spec.takerFeeE8,
    balances: spec.balances,
  });
}

/** The weight of one depth request; the limit is cut to the largest the venue serves. */
export function depthWeight(spec: MarketSpec, limit: number): { limit: number; weight: number } {
  const last = spec.depthWeights.at(-1) ?? [100, 5];
  const cut = Math.max(1, Math.min(limit, last[0]));
  const row = spec.depthWeights.find(([upTo]) => cut <= upTo) ?? last;
  return { limit: cut, weight: row[1] };
}

/** The venue's exchangeInfo with the filters the core enforces. */
export function exchangeInfo(spec: MarketSpec, nowMs: number): unknown {
  const step = (scale: number, text: number) => (10 ** -scale).toFixed(text);
  const spot = spec.id === "spot";
  const tickSize = step(spec.pxScale, spec.pxTextScale);
  const stepSize = step(spec.qtyScale, spec.qtyTextScale);
  const priceFilter = {
    filterType: "PRICE_FILTER",
    minPrice: tickSize,
    maxPrice: "1000000.00",
    tickSize,
  };
  const lotSize = {
    filterType: "LOT_SIZE",
    minQty: stepSize,
    maxQty: spot ? "9000.00000000" : "1000.000",
    stepSize,
  };
  const filters = spot
    ? [priceFilter, lotSize, { filterType: "MAX_NUM_ORDERS", maxNumOrders: 200 }]
    : [priceFilter, lotSize, { filterType: "MAX_NUM_ORDERS", limit: 200 }];
  const common = {
    symbol: spec.symbol,
    status: "TRADING",
    baseAsset: spec.baseAsset,
    quoteAsset: spec.quoteAsset,
    filters,
  };
  const symbol = spot
    ? {
        ...common,
        baseAssetPrecision: 8,
        quotePrecision: 8,
        quoteAssetPrecision: 8,
        orderTypes: ["LIMIT", "LIMIT_MAKER", "MARKET"],
        isSpotTradingAllowed: true,
        isMarginTradingAllowed: false,
        permissions: ["SPOT"],
        defaultSelfTradePreventionMode: "EXPIRE_TAKER",
        allowedSelfTradePreventionModes: ["EXPIRE_TAKER"],
      }
    : {
        ...common,
        pair: spec.symbol,
        contractType: "PERPETUAL",
        // How the venue writes that a contract has no end, and when this one began.
        deliveryDate: 4_133_404_800_000,
        onboardDate: 1_569_398_400_000,
        marginAsset: "USDT",
        pricePrecision: spec.pxTextScale,
        quantityPrecision: spec.qtyTextScale,
        orderTypes: ["LIMIT", "MARKET"],
        timeInForce: ["GTC", "IOC", "FOK", "GTX"],
      };
  const rateLimits = [
    {
      rateLimitType: "REQUEST_WEIGHT",
      interval: "MINUTE",
      intervalNum: 1,
      limit: spec.weightPerMinuteMax,
    },
    { rateLimitType: "ORDERS", interval: "SECOND", intervalNum: 10, limit: spec.ordersPer10sMax },
  ];
  return { timezone: "UTC", serverTime: nowMs, rateLimits, exchangeFilters: [], symbols: [symbol] };
}
