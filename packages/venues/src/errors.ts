import type { ErrorMeaning } from "./types.ts";

/** Codes every Binance market shares. The order path's own table is Rust's; this one is for queries and tools. */
const COMMON: ReadonlyMap<number, ErrorMeaning> = new Map<number, ErrorMeaning>([
  [-1000, "unknown_outcome"],
  [-1001, "unknown_outcome"],
  [-1003, "try_later"],
  [-1006, "unknown_outcome"],
  [-1007, "unknown_outcome"],
  [-1008, "try_later"],
  [-1013, "refused"],
  [-1015, "try_later"],
  [-1021, "bad_request"],
  [-1022, "bad_key"],
  [-1121, "bad_request"],
  [-2010, "refused"],
  [-2011, "refused"],
  [-2013, "not_found"],
  [-2014, "bad_key"],
  [-2015, "bad_key"],
]);

/**
 * What an error answer says. A status of the venue's own failure means an unknown outcome whatever its code, but for
 * -1008, which says that nothing was done; a duplicate says that the order is there.
 */
export function meaningOf(
  own: ReadonlyMap<number, ErrorMeaning>,
  status: number,
  code: number,
  text: string,
): ErrorMeaning {
  if (status >= 500 && code !== -1008) return "unknown_outcome";
  if (text.includes("Duplicate order")) return "duplicate";
  const known = own.get(code) ?? COMMON.get(code);
  if (known !== undefined) return known;
  if (status === 429 || status === 418) return "try_later";
  return status >= 400 ? "bad_request" : "unknown_outcome";
}
