/** The instruments a strategy is told of. */

import { readFileSync } from "node:fs";
import type { InstrumentInfo } from "@tidegate/strategy-sdk";

interface TableFile {
  readonly version: number;
  readonly instruments: readonly { id: number; venue_id: number; symbol: string; kind: string }[];
}

/** The instruments a strategy is told of, from the table file. */
export function readInstruments(path: string): { version: number; instruments: InstrumentInfo[] } {
  const table = JSON.parse(readFileSync(path, "utf8")) as TableFile;
  const instruments = table.instruments.map(({ id, venue_id, symbol, kind }): InstrumentInfo => {
    return { id, venueId: venue_id, symbol, kind: kind === "spot" ? "spot" : "perp" };
  });
  return { version: table.version, instruments };
}

/** What a strategy listens to: tops, trades and status of its instruments. */
export function topicsOf(instruments: readonly InstrumentInfo[]): string[] {
  return instruments.flatMap(({ venueId, id }) =>
    ["top", "trade", "status"].map((kind) => `md.${venueId}.${id}.${kind}.`),
  );
}
