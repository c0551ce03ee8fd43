/** The switches of the two markets, thrown by hand. */

import { z } from "zod";
import type { MarketId } from "../../markets.ts";
import { SwitchError } from "../../switchboard.ts";
import { ORDER_SWITCH_NAMES, OrderBoard, type OrderSwitch } from "../switches.ts";
import type { Venue } from "./desk.ts";
import { REFUSALS, refusalOf } from "./faults.ts";
import type { VenueServer } from "./skin.ts";

export const Injection = z.object({
  switch: z.enum(ORDER_SWITCH_NAMES as [OrderSwitch, ...OrderSwitch[]]),
  market: z.enum(["spot", "usdm"]).default("spot"),
  count: z.number().int().positive().optional(),
  ms: z.number().optional(),
  /** Of `refuse`: one of the venue's list. */
  code: z
    .number()
    .refine((code) => refusalOf(code) !== null, {
      error: `want one of ${Object.keys(REFUSALS).join(", ")}`,
    })
    .optional(),
});
export type Injection = z.input<typeof Injection>;

export type OrderBoards = Readonly<Record<MarketId, OrderBoard>>;
export const orderBoards = (): OrderBoards => ({
  spot: new OrderBoard("BINANCE_SPOT"),
  usdm: new OrderBoard("BINANCE_USDM"),
});

/** What a switch acts on. */
interface Thrown {
  readonly venue: Venue;
  readonly server: VenueServer;
  readonly boards: OrderBoards;
  readonly nowMs: () => number;
  /** Runs an act so much later. */
  readonly later: (ms: number, act: () => void) => void;
}

/**
 * Throws a switch: what acts on a request or an event waits for the next one, the rest is done at once.
 *
 * Errors  SwitchError naming what does not apply or what is wrong
 */
export function throwSwitch(asked: unknown, to: Thrown): void {
  const read = Injection.safeParse(asked);
  if (!read.success) throw new SwitchError(z.prettifyError(read.error));
  const { switch: name, market, count, ms, code } = read.data;
  const { venue, server, nowMs } = to;
  const board = to.boards[market];
  const args = { count, ms, code };
  board.arm(name, args);
  const lasting = board.ms(name, args);
  switch (name) {
    case "disconnect":
      board.take(name);
      server.disconnect("all");
      break;
    case "stream_ends":
      board.take(name);
      server.endStream(market, nowMs());
      break;
    case "halt":
      board.take(name);
      venue.halt(market, true);
      to.later(lasting, () => venue.halt(market, false));
      break;
    case "session_roll":
      board.take(name);
      server.announceShutdown(nowMs());
      server.open = false;
      server.disconnect("all");
      to.later(lasting, () => {
        server.open = true;
      });
      break;
    default:
  }
}
