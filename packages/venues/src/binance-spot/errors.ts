import { meaningOf } from "../errors.ts";
import type { ErrorMeaning } from "../types.ts";

/** Codes of this venue beside the common ones. */
const OWN: ReadonlyMap<number, ErrorMeaning> = new Map([[-2010, "refused"]]);

/** What an error answer says. */
export const errorMeaning = (status: number, code: number, text: string): ErrorMeaning =>
  meaningOf(OWN, status, code, text);
