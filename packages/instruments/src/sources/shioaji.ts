/** Shioaji's daemon: `GET /api/v1/data/contracts`, whose numbers are JSON numbers and whose empty fields are "" and 0. */

import { z } from "zod";
import type { Contract } from "../contracts.ts";
import { type Adapter, Collector, decimalField, isCode, shaped, some } from "./source.ts";

const date = z
  .string()
  .regex(/^(\d{4}\/\d{2}\/\d{2})?$/, "want YYYY/MM/DD or nothing")
  .transform((text) => (text === "" ? undefined : text.replaceAll("/", "")));
/** A decimal that says nothing where it is 0. */
const nonzero = decimalField.transform((text) => (text === "0" ? undefined : text));

const Contracts = z.array(
  z.looseObject({
    security_type: z.string(),
    exchange: z.string().min(1),
    code: z.string().min(1),
    name: z.string().optional(),
    category: z.string().default(""),
    currency: z.string().default("TWD"),
    delivery_date: date.optional(),
    strike_price: nonzero.optional(),
    option_right: z.enum(["", "C", "P"]).default(""),
    unit: nonzero.optional(),
    multiplier: nonzero.optional(),
    limit_up: nonzero.optional(),
    limit_down: nonzero.optional(),
    reference: nonzero.optional(),
    update_date: date.optional(),
    target_code: z.string().default(""),
  }),
);

const TYPES = { STK: "stock", FUT: "future", OPT: "option", IND: "index" } as const;

const wholeOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;

/** Stocks, futures, options and indices. A future or option without its last day or its root cannot roll and is left out. */
export const shioajiContracts: Adapter = (answer) => {
  const into = new Collector();
  for (const row of shaped(Contracts, answer)) {
    const type = TYPES[row.security_type as keyof typeof TYPES];
    const dated = type === "future" || type === "option";
    if (type === undefined) {
      into.leave(`security type ${row.security_type || "(none)"}`, row.code);
    } else if (!isCode(row.code)) {
      into.leave("its name has other letters than A-Z, 0-9 and _./", row.code);
    } else if (dated && (row.delivery_date === undefined || row.category === "")) {
      into.leave("without delivery_date or category", row.code);
    } else if (type === "option" && (row.option_right === "" || row.strike_price === undefined)) {
      into.leave("option without right or strike", row.code);
    } else {
      into.take({
        code: row.code,
        exchange: row.exchange,
        product_type: type,
        quote: row.currency === "" ? "TWD" : row.currency,
        ...some("name", row.name),
        ...some("root", dated ? row.category : undefined),
        ...some("delivery", row.delivery_date),
        ...some("right", row.option_right === "" ? undefined : row.option_right),
        ...some("strike", row.strike_price),
        ...some("alias_of", row.target_code === "" ? undefined : row.target_code),
        ...limits(row),
        ...some("board_lot", type === "stock" ? wholeOf(row.unit) : undefined),
        ...some("multiplier", dated ? wholeOf(row.multiplier) : undefined),
      } satisfies Contract);
    }
  }
  return into.listing();
};

/** Reference and limits with the day they are of; without a day they are of no day and say nothing. */
function limits(
  row: z.output<typeof Contracts>[number],
): Pick<Contract, "reference" | "limit_up" | "limit_down" | "as_of"> {
  if (row.update_date === undefined) return {};
  return {
    ...some("reference", row.reference),
    ...some("limit_up", row.limit_up),
    ...some("limit_down", row.limit_down),
    as_of: row.update_date,
  };
}
