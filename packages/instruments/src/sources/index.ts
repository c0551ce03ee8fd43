/** The forms of contracts that are read: our own, and each venue's answer. */

import { z } from "zod";
import { Contract, type ContractCache } from "../contracts.ts";
import { parseExact } from "../decimal.ts";
import { CONTRACTS_MAX } from "../limits.ts";
import { alpacaCrypto, alpacaStocks } from "./alpaca.ts";
import { binanceCoinm, binanceSpot, binanceUsdm } from "./binance.ts";
import { shioajiContracts } from "./shioaji.ts";
import { type Adapter, type Listing, SourceError, shaped } from "./source.ts";

export { type Listing, SourceError } from "./source.ts";

/** How a form is read, which exchanges it is the whole of, and how the venue wants to know who asks. */
export interface Form {
  readonly read: Adapter;
  /** Exchanges it is the whole of, whose rows a refresh replaces; null replaces all. */
  readonly exchanges: readonly string[] | null;
  readonly auth: "none" | "alpaca" | "bearer";
}

const own = z.array(Contract).max(CONTRACTS_MAX);

export const FORMS = {
  contracts: {
    read: (answer) => ({ contracts: shaped(own, answer), leftOut: {} }),
    exchanges: null,
    auth: "none",
  },
  "binance-spot": { read: binanceSpot, exchanges: ["BINANCE_SPOT"], auth: "none" },
  "binance-usdm": { read: binanceUsdm, exchanges: ["BINANCE_USDM"], auth: "none" },
  "binance-coinm": { read: binanceCoinm, exchanges: ["BINANCE_COINM"], auth: "none" },
  alpaca: { read: alpacaStocks, exchanges: ["ALPACA"], auth: "alpaca" },
  "alpaca-crypto": { read: alpacaCrypto, exchanges: ["ALPACA_CRYPTO"], auth: "alpaca" },
  shioaji: {
    read: shioajiContracts,
    exchanges: ["TSE", "OTC", "OES", "FUT", "FUTURES", "OPT", "OPTIONS", "TAIFEX", "IDX", "INDEX"],
    auth: "bearer",
  },
} as const satisfies Readonly<Record<string, Form>>;
export type FormName = keyof typeof FORMS;

/**
 * A venue's answer, as its text, as contracts, none twice.
 *
 * Errors  `SourceError` where the answer is not of the form, lists nothing usable, or lists a code twice
 */
export function readListing(form: FormName, text: string): Listing {
  const { read, exchanges }: Form = FORMS[form];
  let answer: unknown;
  try {
    // Our own form writes decimals as texts; a venue's numbers must not pass through a double.
    answer = form === "contracts" ? JSON.parse(text) : parseExact(text);
  } catch (error) {
    throw new SourceError(`is no JSON: ${(error as Error).message}`);
  }
  const listing = read(answer);
  if (listing.contracts.length === 0) throw new SourceError("lists no contract that can be used");
  if (listing.contracts.length > CONTRACTS_MAX) {
    throw new SourceError(`lists more than ${CONTRACTS_MAX} contracts`);
  }
  const seen = new Set<string>();
  for (const { exchange, code } of listing.contracts) {
    if (exchanges !== null && !exchanges.includes(exchange)) {
      throw new SourceError(
        `${code} is of exchange ${exchange}; ${form} has ${exchanges.join(", ")}`,
      );
    }
    if (seen.has(`${exchange} ${code}`)) throw new SourceError(`${exchange} ${code} stands twice`);
    seen.add(`${exchange} ${code}`);
  }
  return listing;
}

/** What the cache holds after a refresh: the listing, and what exchanges of other forms had before. */
export function merged(
  before: ContractCache | null,
  form: FormName,
  listing: Listing,
): readonly Contract[] {
  const { exchanges }: Form = FORMS[form];
  const kept =
    exchanges === null
      ? []
      : (before?.contracts ?? []).filter(({ exchange }) => !exchanges.includes(exchange));
  return [...kept, ...listing.contracts];
}
