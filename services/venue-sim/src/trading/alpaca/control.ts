/** The control of the skin: switches, books written by hand, counts. */

import { z } from "zod";
import { SwitchError } from "../../switchboard.ts";
import { ORDER_SWITCH_NAMES, type OrderSwitch } from "../switches.ts";

const decimal = z.string().regex(/^\d{1,12}(\.\d{1,6})?$/);
const level = z.tuple([decimal, decimal]);

export const Injection = z.strictObject({
  switch: z.enum(ORDER_SWITCH_NAMES as [OrderSwitch, ...OrderSwitch[]]),
  count: z.number().int().positive().optional(),
  ms: z.number().optional(),
});
export type Injection = z.output<typeof Injection>;

/** A whole book, best levels first; the generated market of the symbol is silent from then on. */
export const Book = z.strictObject({
  symbol: z.string(),
  bids: z.array(level).max(1_000),
  asks: z.array(level).max(1_000),
});
export type Book = z.output<typeof Book>;

/** A trade of others. */
export const Print = z.strictObject({
  symbol: z.string(),
  price: decimal,
  qty: decimal,
  aggressor: z.enum(["BUY", "SELL"]),
});
export type Print = z.output<typeof Print>;

const e8 = z
  .string()
  .regex(/^-?\d{1,30}$/)
  .default("0");
/** Shares and dollars that come from elsewhere or go there, in 1e-8; the stream has no word for either. */
export const Transfer = z.strictObject({ symbol: z.string(), qtyE8: e8, cashE8: e8 });
export type Transfer = z.output<typeof Transfer>;

/** What the control works on. */
export interface Controlled {
  transfer(transfer: Transfer): void;
  stats(): Record<string, unknown>;
  inject(injection: Injection): void;
  book(book: Book): void;
  print(print: Print): void;
}

function read<T>(schema: z.ZodType<T>, text: string): T {
  const parsed = schema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new SwitchError(z.prettifyError(parsed.error));
  return parsed.data;
}

/** `GET /_sim/stats`, `POST /_sim/inject`, `POST /_sim/book`, `POST /_sim/print`, `POST /_sim/transfer`. */
export function control(
  to: Controlled,
  method: string,
  path: string,
  body: string,
): { readonly status: number; readonly body: string } {
  const json = (status: number, value: unknown) => ({ status, body: JSON.stringify(value) });
  try {
    switch (`${method} ${path}`) {
      case "GET /_sim/stats":
        return json(200, to.stats());
      case "POST /_sim/inject":
        to.inject(read(Injection, body));
        return json(200, { armed: true });
      case "POST /_sim/book":
        to.book(read(Book, body));
        return json(200, { written: true });
      case "POST /_sim/print":
        to.print(read(Print, body));
        return json(200, { printed: true });
      case "POST /_sim/transfer":
        to.transfer(read(Transfer, body));
        return json(200, { moved: true });
      default:
        return json(404, {
          error: "want /_sim/stats, /_sim/inject, /_sim/book, /_sim/print or /_sim/transfer",
        });
    }
  } catch (error) {
    return json(400, { error: (error as Error).message });
  }
}
