/** The switches of the daemon, thrown by hand. */

import { z } from "zod";
import { SwitchError } from "../../switchboard.ts";
import { ORDER_SWITCH_NAMES, type OrderBoard, type OrderSwitch } from "../switches.ts";
import type { Desk } from "./desk.ts";
import { REFUSALS } from "./faults.ts";
import type { ShioajiSkin } from "./skin.ts";

export const Injection = z.strictObject({
  switch: z.enum(ORDER_SWITCH_NAMES as [OrderSwitch, ...OrderSwitch[]]),
  count: z.number().int().positive().optional(),
  ms: z.number().optional(),
  /** Of `refuse`: the HTTP status, or 200 for an order that has failed. */
  code: z
    .number()
    .refine((code) => Object.hasOwn(REFUSALS, code), {
      error: `want one of ${Object.keys(REFUSALS).join(", ")}`,
    })
    .optional(),
});
export type Injection = z.input<typeof Injection>;

/** What a switch acts on. */
interface Thrown {
  readonly desk: Desk;
  readonly skin: ShioajiSkin;
  readonly board: OrderBoard;
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
  const { switch: name, count, ms, code } = read.data;
  const { board, desk, skin, nowMs } = to;
  const args = { count, ms, code };
  board.arm(name, args);
  const lasting = board.ms(name, args);
  switch (name) {
    case "disconnect":
      board.take(name);
      skin.disconnect();
      break;
    case "daemon_restart":
      board.take(name);
      desk.forget();
      skin.disconnect();
      break;
    case "halt":
      board.take(name);
      desk.halt(true);
      to.later(lasting, () => desk.halt(false));
      break;
    case "session_roll":
      board.take(name);
      desk.endDay(nowMs());
      skin.publish();
      skin.open = false;
      skin.disconnect();
      desk.forget();
      to.later(lasting, () => {
        skin.open = true;
      });
      break;
    default:
  }
}
