import { alpaca } from "@tidegate/venues";
import { prove } from "./commands/measured.ts";
import { check, type Result, result } from "./result.ts";

const SCALES = { pxScale: 2, qtyScale: 0 } as const;
const SIDES = ["BUY", "SELL"] as const;
const TIFS = ["DAY", "GTC", "IOC", "FOK"] as const;
/** Orders before the ones that count: until then the engine has not compiled the codec. */
const WARM_UP = 20_000;
const CASES_MIN = 1_000;

/** How long single calls took. */
export interface Tail {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export function tail(ns: readonly number[]): Tail {
  const sorted = ns.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function order(n: number): alpaca.orders.NewOrder {
  const cents = 1_000 + ((n * 7_919) % 90_000);
  return {
    clientOrderId: n.toString(32).padStart(25, "0"),
    symbol: "AAPL",
    side: SIDES[n % 2] ?? "BUY",
    type: "LIMIT",
    tif: TIFS[n % 4] ?? "DAY",
    qtyLots: BigInt(1 + (n % 900)),
    pxTicks: BigInt(cents),
    stopTicks: null,
  };
}

/** Whether a request's body is this order, read without the codec's own reader. */
export function isOrder(body: string | null, sent: alpaca.orders.NewOrder): boolean {
  const read = JSON.parse(body ?? "{}") as Record<string, unknown>;
  return (
    read["client_order_id"] === sent.clientOrderId &&
    read["side"] === sent.side.toLowerCase() &&
    read["time_in_force"] === sent.tif.toLowerCase() &&
    BigInt(String(read["qty"])) === sent.qtyLots &&
    BigInt(Math.round(Number(read["limit_price"]) * 100)) === sent.pxTicks
  );
}

/** Times each order's request as the adapter makes it: its body, nothing of a socket. ns. */
export function alpacaCodec(orders: number): { readonly ns: Tail; readonly wrong: number } {
  for (let n = 0; n < WARM_UP; n += 1) alpaca.orders.placeRequest(order(n), SCALES);
  const took: number[] = [];
  let wrong = 0;
  for (let n = 0; n < orders; n += 1) {
    const sent = order(n);
    const from = process.hrtime.bigint();
    const { body } = alpaca.orders.placeRequest(sent, SCALES);
    took.push(Number(process.hrtime.bigint() - from));
    if (!isOrder(body, sent)) wrong += 1;
  }
  return { ns: tail(took), wrong };
}

/** `bench router`: the venues of the execution-router, and the codec of the one whose adapter is TypeScript. */
export async function benchRouter(
  root: string,
  flags: Readonly<Record<"rounds" | "orders" | "dir", string>> & { readonly break?: string },
): Promise<Result> {
  const native = await prove(root, "bench router", flags);
  const orders = Math.max(CASES_MIN, Number(flags.orders));
  const { ns, wrong } = alpacaCodec(orders);
  const checks = [
    ...native.checks,
    check("orders_not_as_commanded.alpaca_rest", wrong, "=", 0),
    check("orders_not_as_commanded.alpaca_rest_of", orders, ">=", CASES_MIN),
  ];
  return result(
    native.command,
    checks,
    { ...native.figures, "alpaca_rest.codec_ns": ns },
    native.seed,
  );
}
