/** What the live table shows of one process. */
export interface ProcessView {
  readonly name: string;
  readonly pid: number | null;
  readonly state: string;
  /** Events a second since the last look; null before there are two looks. */
  readonly rate: number | null;
  /** What waits, in the process's own unit. */
  readonly lag: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly restarts: number;
}

/** What the live table shows of the trading. */
export interface TradingView {
  readonly elapsedS: number;
  readonly durationS: number;
  readonly intents: number;
  readonly orders: number;
  readonly live: number;
  readonly fills: number;
  readonly refused: number;
  readonly policy: string;
  readonly positions: readonly { readonly name: string; readonly lots: string }[];
  /** Realised and unrealised result in the quote currency, as text. */
  readonly pnl: string;
}

const HEAD = ["process", "pid", "state", "events/s", "lag", "p50 µs", "p99 µs", "restarts"];

/** The table of a terminal, redrawn in place. */
export function renderTable(processes: readonly ProcessView[], trading: TradingView): string {
  const rows = processes.map((each) => [
    each.name,
    each.pid === null ? "–" : String(each.pid),
    each.state,
    number(each.rate),
    number(each.lag),
    number(each.p50Us),
    number(each.p99Us),
    String(each.restarts),
  ]);
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 || column === 2
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [...all.map(line), "", tradingLine(trading)].join("\n");
}

/** One plain line for a pipe or a log. */
export function tradingLine(trading: TradingView): string {
  const positions = trading.positions.map((each) => `${each.name} ${each.lots}`).join(", ");
  return [
    `${trading.elapsedS.toFixed(0)}/${trading.durationS} s`,
    trading.policy,
    `intents ${trading.intents} (${trading.refused} refused)`,
    `orders ${trading.orders} (${trading.live} live)`,
    `fills ${trading.fills}`,
    `position ${positions === "" ? "flat" : positions}`,
    `PnL ${trading.pnl}`,
  ].join(" · ");
}

function number(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  return value >= 100 || Number.isInteger(value)
    ? Math.round(value).toLocaleString("en-US")
    : value.toFixed(1);
}
