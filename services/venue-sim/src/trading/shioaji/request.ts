/** What a client asks for, checked. */

import { z } from "zod";
import { ApiFault } from "./faults.ts";
import { ACCOUNT_ID, BROKER_ID } from "./messages.ts";

const account = z.object({ broker_id: z.string(), account_id: z.string() });

const Place = z.object({
  contract: z.object({
    security_type: z.literal("STK"),
    exchange: z.enum(["TSE", "OTC"]),
    code: z.string().min(1),
  }),
  stock_order: z.object({
    action: z.enum(["Buy", "Sell"]),
    price: z.number(),
    quantity: z.number().int(),
    price_type: z.enum(["LMT", "MKT"]),
    order_type: z.enum(["ROD", "IOC", "FOK"]),
    order_lot: z.literal("Common").default("Common"),
    order_cond: z.literal("Cash").default("Cash"),
    custom_field: z.string().max(6).default(""),
    account,
  }),
});
export type Place = z.output<typeof Place>;

const Named = z.object({ trade_id: z.string().min(1) });
const Price = Named.extend({ price: z.number() });
const Quantity = Named.extend({ quantity: z.number().int().positive() });
const Own = account.partial();

/** Throws ApiFault: 400 for no JSON, 422 for what does not fit. */
function read<T>(schema: z.ZodType<T>, body: string): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new ApiFault(400, "body is not JSON");
  }
  const result = schema.safeParse(parsed);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ApiFault(422, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
}

function own(of: z.output<typeof Own>): void {
  if ((of.broker_id ?? BROKER_ID) !== BROKER_ID || (of.account_id ?? ACCOUNT_ID) !== ACCOUNT_ID)
    throw new ApiFault(404, "account not found");
}

export function readPlace(body: string): Place {
  const place = read(Place, body);
  own(place.stock_order.account);
  return place;
}

export const readNamed = (body: string) => read(Named, body);
export const readPrice = (body: string) => read(Price, body);
export const readQuantity = (body: string) => read(Quantity, body);
export const readOwn = (body: string): void => own(read(Own, body));
