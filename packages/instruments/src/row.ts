/** The instrument table as it lies in its file; the cores read the same. */

export interface TableRow {
  readonly id: number;
  readonly venue_id: number;
  readonly venue: string;
  readonly symbol: string;
  readonly kind: string;
  readonly [key: string]: string | number;
}

export interface InstrumentTable {
  readonly version: number;
  readonly instruments: readonly TableRow[];
}
