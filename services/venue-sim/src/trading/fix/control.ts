/** The switches of the venue, thrown by hand. */

import { z } from "zod";
import { SwitchError } from "../../switchboard.ts";
import { ORDER_SWITCH_NAMES, type OrderBoard, type OrderSwitch } from "../switches.ts";
import type { Desk } from "./desk.ts";
import { BUSINESS, REFUSALS } from "./faults.ts";
import type { FixSkin } from "./skin.ts";

export const Injection = z.strictObject({
  switch: z.enum(ORDER_SWITCH_NAMES as [OrderSwitch, ...OrderSwitch[]]),
  count: z.number().int().positive().optional(),
  ms: z.number().optional(),
  /** Of `refuse` an OrdRejReason, of `business_reject` a BusinessRejectReason. */
  code: z.number().int().optional(),
});
export type Injection = z.input<typeof Injection>;

const CODES: Partial<Record<OrderSwitch, object>> = {
  refuse: REFUSALS,
  business_reject: BUSINESS,
};

/** What a switch acts on. */
interface Thrown {
  readonly desk: Desk;
  readonly skin: FixSkin;
  readonly board: OrderBoard;
  readonly nowMs: () => number;
  /** Runs an act so much later. */
  readonly later: (ms: number, act: () => void) => void;
}

/**
 * Throws a switch: what acts on a message or a report waits for the next one, the rest is done at once.
 *
 * Errors  SwitchError naming what does not apply or what is wrong
 */
export function throwSwitch(asked: unknown, to: Thrown): void {
  const read = Injection.safeParse(asked);
  if (!read.success) throw new SwitchError(z.prettifyError(read.error));
  const { switch: name, count, ms, code } = read.data;
  const codes = CODES[name];
  if (code !== undefined && (codes === undefined || !Object.hasOwn(codes, code))) {
    const want = codes === undefined ? "no code" : `one of ${Object.keys(codes).join(", ")}`;
    throw new SwitchError(`code ${code} of ${name}: want ${want}`);
  }
  const { board, desk, skin, nowMs } = to;
  const args = { count, ms, code };
  board.arm(name, args);
  const lasting = board.ms(name, args);
  switch (name) {
    case "disconnect":
      board.take(name);
      skin.disconnect();
      break;
    case "bust":
      if (desk.bust(nowMs())) board.take(name);
      break;
    case "correct":
      if (desk.correct(nowMs())) board.take(name);
      break;
    case "halt":
      board.take(name);
      desk.halt(true);
      to.later(lasting, () => desk.halt(false));
      break;
    case "session_roll":
      board.take(name);
      desk.endDay(nowMs());
      skin.closeSession();
      to.later(lasting, () => skin.openSession());
      break;
    default:
  }
  skin.publish();
}
