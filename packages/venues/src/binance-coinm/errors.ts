import { meaningOf } from "../errors.ts";
import type { ErrorMeaning } from "../types.ts";

/** Codes of this venue beside the common ones. */
const OWN: ReadonlyMap<number, ErrorMeaning> = new Map([
  [-5022, "refused"], // post-only would take
  [-4531, "refused"], // position side does not fit the account's mode
  [-1125, "bad_key"], // the listen key is gone
]);

/** What an error answer says. */
export const errorMeaning = (status: number, code: number, text: string): ErrorMeaning =>
  meaningOf(OWN, status, code, text);
