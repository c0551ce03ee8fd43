import type { ErrorMeaning } from "../types.ts";

/** What an error answer says. 503 is a ban or a withdrawn version: stay away. 200 is never final for an order. */
export function errorMeaning(status: number, _code: number, _text: string): ErrorMeaning {
  if (status === 503) return "try_later";
  if (status >= 500) return "unknown_outcome";
  if (status === 401) return "bad_key";
  if (status === 404) return "not_found";
  if (status === 422) return "refused";
  return status >= 400 ? "bad_request" : "unknown_outcome";
}
