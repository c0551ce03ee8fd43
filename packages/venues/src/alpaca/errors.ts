import type { ErrorMeaning } from "../types.ts";

/** What an error answer says. A code is the HTTP status times 10^5 and a number; texts have varied, so they are read loosely. */
export function errorMeaning(status: number, code: number, text: string): ErrorMeaning {
  if (status >= 500) return "unknown_outcome";
  if (code === 40_010_001 || text.includes("client_order_id must be unique")) return "duplicate";
  if (status === 401 || (status === 403 && code === 0)) return "bad_key";
  if (status === 404) return "not_found";
  if (status === 429) return "try_later";
  if (status === 403 || status === 422) return "refused";
  return status >= 400 ? "bad_request" : "unknown_outcome";
}
