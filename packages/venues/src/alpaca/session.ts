/** The stream of trade updates: what is sent to open it, and what comes. No replay: what was missed is asked for over REST. */

import { instant, isObject, type Json, type Scales, text, units } from "./codec.ts";
import { type OrderView, orderView } from "./orders.ts";

/** Longest wait for the answer to a login, ms. */
export const LOGIN_MS_MAX = 10_000;

export const login = (key: string, secret: string): string =>
  JSON.stringify({ action: "authenticate", data: { key_id: key, secret_key: secret } });
/** The whole set each time. */
export const listen = (): string =>
  JSON.stringify({ action: "listen", data: { streams: ["trade_updates"] } });

/** One fill, or one that the venue took back. */
export interface Execution {
  readonly executionId: string;
  readonly pxTicks: bigint;
  readonly qtyLots: bigint;
  readonly positionE8: bigint;
}

export type Message =
  | { readonly kind: "login"; readonly granted: boolean }
  | { readonly kind: "listening"; readonly streams: readonly string[] }
  | {
      readonly kind: "update";
      readonly event: string;
      readonly order: OrderView;
      /** Of a fill and of a bust. */
      readonly execution: Execution | null;
      /** Of a bust: what was taken back. */
      readonly busted: string | null;
      readonly atNs: bigint;
    }
  | { readonly kind: "error"; readonly words: string };

const FILLS: readonly unknown[] = ["fill", "partial_fill", "trade_bust"];

function update(data: Json, scalesOf: (symbol: string) => Scales): Message {
  const { order } = data;
  if (!isObject(order)) throw new RangeError("an update without its order");
  const scales = scalesOf(text(order, "symbol"));
  const event = text(data, "event");
  const bust = event === "trade_bust";
  return {
    kind: "update",
    event,
    order: orderView(order, scales),
    execution: FILLS.includes(event)
      ? {
          executionId: text(data, "execution_id"),
          pxTicks: units(text(data, "price"), scales.pxScale),
          qtyLots: units(text(data, "qty"), scales.qtyScale),
          positionE8: units(text(data, "position_qty"), 8),
        }
      : null,
    busted: bust ? text(data, "previous_execution_id") : null,
    atNs: instant(text(data, "timestamp")),
  };
}

/**
 * Reads one frame by what it holds: the paper venue sends its JSON in binary frames.
 *
 * Errors  RangeError where the venue has changed its shapes: nothing is guessed, the session is to be opened anew
 */
export function message(frame: Uint8Array | string, scalesOf: (symbol: string) => Scales): Message {
  const said = typeof frame === "string" ? frame : Buffer.from(frame).toString("utf8");
  let body: unknown;
  try {
    body = JSON.parse(said);
  } catch (cause) {
    throw new RangeError("a frame that is no JSON", { cause });
  }
  if (!isObject(body) || !isObject(body["data"])) throw new RangeError("a frame without data");
  const { stream, action, data } = body as { stream?: unknown; action?: unknown; data: Json };
  if (action === "error") {
    return { kind: "error", words: String(data["error_message"] ?? "") };
  }
  if (stream === "authorization") {
    return { kind: "login", granted: data["status"] === "authorized" };
  }
  if (stream === "listening") {
    const { streams } = data;
    return { kind: "listening", streams: Array.isArray(streams) ? streams.map(String) : [] };
  }
  if (stream === "trade_updates") return update(data, scalesOf);
  throw new RangeError(`a frame of stream ${String(stream)}`);
}
