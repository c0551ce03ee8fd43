/** What armed switches make of a request, before it is served and after. Pure but for the board, which counts. */

import type { OrderBoard } from "../switches.ts";
import type { Op } from "./desk.ts";
import { ApiFault, refusalOf } from "./faults.ts";

/** The answer to an order the venue lost sight of. */
const timeout = (): ApiFault =>
  new ApiFault(
    504,
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
  );

/** How long a request lies at the venue before it is looked at, ms. */
export function delayMs(board: OrderBoard, op: Op): number {
  const name =
    op === "order.cancel" ? "pending_cancel" : op === "order.amend" ? "pending_replace" : null;
  const args = name === null ? null : board.take(name);
  return name === null || args === null ? 0 : board.ms(name, args);
}

/**
 * What happens to a request instead of being served: the connection ends with it unread, nobody answers it, or nothing.
 *
 * Errors  ApiFault of a refusal
 */
export function instead(board: OrderBoard, op: Op): "disconnect" | "silence" | null {
  switch (op) {
    case "order.place": {
      if (board.take("request_lost") !== null) return "disconnect";
      if (board.take("answer_500") !== null)
        throw new ApiFault(500, -1000, "An unknown error occurred while processing the request.");
      const refuse = board.take("refuse");
      const fault = refuse === null ? null : refusalOf(refuse.code ?? -2010);
      if (fault !== null) throw fault;
      return null;
    }
    case "order.cancel":
      if (board.take("cancel_rejected") !== null)
        throw new ApiFault(400, -2011, "Unknown order sent.");
      return null;
    case "order.amend":
      if (board.take("replace_rejected") !== null)
        throw new ApiFault(400, -2038, "The server rejected a modify request.");
      return null;
    case "order.status":
      return board.take("query_lost") === null ? null : "silence";
    case "userDataStream.subscribe":
    case "listenKey.start":
      return board.take("auth_timeout") === null ? null : "silence";
    default:
      return null;
  }
}

const LOST: Partial<Record<Op, "ack_lost" | "cancel_ack_lost" | "replace_ack_lost">> = {
  "order.place": "ack_lost",
  "order.cancel": "cancel_ack_lost",
  "order.amend": "replace_ack_lost",
};

/** How the answer to a request that was served leaves: so much later, or not at all. */
export function answered(board: OrderBoard, op: Op): { readonly lateMs: number } | "lost" {
  const late = (name: "ack_late" | "fill_before_ack") => {
    const args = board.take(name);
    return args === null ? 0 : board.ms(name, args);
  };
  const lost = LOST[op];
  if (lost !== undefined && board.take(lost) !== null) return "lost";
  if (op !== "order.place") return { lateMs: 0 };
  if (board.take("ack_504") !== null) throw timeout();
  return { lateMs: late("ack_late") + late("fill_before_ack") };
}

/** Whether an event is about an order. */
const ofOrder = (event: Readonly<Record<string, unknown>>): boolean =>
  event["e"] === "executionReport" || event["e"] === "ORDER_TRADE_UPDATE";

/** An event with a number where the venue writes a text. */
function garbled(event: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return event["e"] === "executionReport"
    ? { ...event, z: 0.1 }
    : { ...event, o: { ...(event["o"] as object), z: 0.1 } };
}

/** What is told in the place of one event. */
export function told(
  board: OrderBoard,
  event: Record<string, unknown>,
): readonly Record<string, unknown>[] {
  if (!ofOrder(event)) return [event];
  if (board.take("gap") !== null) return [];
  if (board.take("garbled") !== null) return [garbled(event)];
  return board.take("duplicate") === null ? [event] : [event, event];
}
