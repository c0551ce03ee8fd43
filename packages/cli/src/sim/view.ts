import type { GatewayState } from "./facts.ts";
import type { TradingView } from "./table.ts";

/** Names of the shipped instruments for a screen; another id shows as a number. */
const NAMES: Readonly<Record<string, { readonly name: string; readonly scale: number }>> = {
  "1": { name: "BTCUSDT.SPOT", scale: 5 },
  "2": { name: "BTCUSDT.USDM", scale: 3 },
};

/** Signed integer of 10^-scale as plain decimal text without closing zeros. */
export function decimal(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const text = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, "");
  return value < 0n ? `-${text}` : text;
}

/** What the table says of the trading, from the gateway's own state; zeros while it is away. */
export function tradingView(elapsedS: number, durationS: number, state: GatewayState | null): TradingView {
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
  return {
    elapsedS,
    durationS,
    intents: state.intents,
    orders: state.orders,
    live: state.nonTerminal,
    fills: state.fills,
    refused: state.refused,
    policy: state.policy,
    positions: Object.entries(state.positions)
      .filter(([, lots]) => BigInt(lots) !== 0n)
      .map(([id, lots]) => {
        const known = NAMES[id];
        return known === undefined
          ? { name: `instrument ${id}`, lots }
          : { name: known.name, lots: decimal(BigInt(lots), known.scale) };
      }),
    pnl: `${decimal(BigInt(state.pnlE8) / 1_000_000n, 2)} USDT`,
  };
}
