import { type GatewayState, gatewayFacts } from "./facts.ts";
import type { TradingView } from "./table.ts";

/** What a screen needs of the shipped instruments (config/instruments.json); another id shows as a number. */
const SHOWN: Readonly<
  Record<
    string,
    { readonly name: string; readonly scale: number; readonly pxScale: number; readonly e8: bigint }
  >
> = {
  "1": { name: "BTCUSDT.SPOT", scale: 5, pxScale: 2, e8: 10n },
  "2": { name: "BTCUSDT.USDM", scale: 3, pxScale: 1, e8: 10_000n },
};
const QUOTE = "USDT";

/** Signed integer of 10^-scale as plain decimal text without closing zeros. */
export function decimal(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const text = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, "");
  return value < 0n ? `-${text}` : text;
}

/** What the table says of the trading, from the gateway's own state; zeros while it is away. */
export function tradingView(
  elapsedS: number,
  durationS: number,
  state: GatewayState | null,
): TradingView {
  if (state === null) {
    return {
      elapsedS,
      durationS,
      intents: 0,
      orders: 0,
      live: 0,
      fills: 0,
      refused: 0,
      policy: "gateway away",
      positions: [],
      pnl: "–",
    };
  }
  const { positions } = gatewayFacts(state);
  const orders = Object.values(state.orders).reduce((sum, count) => sum + count, 0);
  return {
    elapsedS,
    durationS,
    intents: state.intents,
    orders,
    live: state.nonTerminal,
    fills: state.fills,
    refused: Object.entries(state.replies).reduce(
      (sum, [reason, count]) => sum + (reason === "OK" ? 0 : count),
      0,
    ),
    policy: state.policy.state,
    positions: [...positions].map(([id, lots]) => {
      const known = SHOWN[id];
      return known === undefined
        ? { name: `instrument ${id}`, lots: String(lots) }
        : { name: known.name, lots: decimal(lots, known.scale) };
    }),
    pnl: profit(state),
  };
}

/** Cash in the quote asset plus positions at their reference price; a dash where one has none. */
function profit(state: GatewayState): string {
  const { positions, cash } = gatewayFacts(state);
  let total = 0n;
  for (const [key, amount] of cash) if (key.endsWith(`:${QUOTE}`)) total += amount;
  for (const [id, lots] of positions) {
    const known = SHOWN[id];
    const text = state.references[id];
    if (known === undefined || text == null) return "–";
    const [whole = "0", frac = ""] = text.split(".");
    const ticks = BigInt(whole + frac.padEnd(known.pxScale, "0").slice(0, known.pxScale));
    total += lots * ticks * known.e8;
  }
  return `${decimal(total / 1_000_000n, 2)} ${QUOTE}`;
}
