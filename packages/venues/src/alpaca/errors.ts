import type { ErrorMeaning } from "../types.ts";

/**
 * What an error answer says. A code is the HTTP status times 10^5 and a number; texts have varied, so they are read loosely.
 *
 * One code, 40010001, stands for a client id that was used before and for any other field that is wrong. Whatever speaks of
 * the client id is taken for the former: asking for the order shows whether it is there, and costs nothing where it is not.
 */
export function errorMeaning(status: number, code: number, text: string): ErrorMeaning {
  if (status >= 500 || status === 408) return "unknown_outcome";
  if (status === 422 && /client.?order.?id/i.test(text)) return "duplicate";
  if (status === 401 || (status === 403 && code === 0)) return "bad_key";
  if (status === 404) return "not_found";
  if (status === 429) return "try_later";
  if (status === 403 || status === 422) return "refused";
  return status >= 400 ? "bad_request" : "unknown_outcome";
}
