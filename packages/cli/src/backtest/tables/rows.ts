/** Rows of a tape, made of the rows of tables. Pure. */

import type { InstrumentRow } from "../tapes.ts";
import { barSteps, type Direction } from "./bars.ts";
import type { BarsSpec, TableSpec } from "./spec.ts";
import { type Cell, lotsOf, ticksOf, timeNs, wholeLotsOf } from "./values.ts";

/** Rows of one conversion; a longer day is several tapes. They are held in memory, 29 bytes each. */
export const TAPE_ROWS_MAX = 50_000_000;
/** Numbers of the tape's kinds, as `crates/backtest` has them. */
export const Kind = { BID: 0, ASK: 1, BUY: 2, SELL: 3 } as const;

/** Columns that grow; what the native writer takes. */
export class TapeRows {
  length = 0;
  #kinds = new Uint8Array(1_024);
  #venueNs = new BigInt64Array(1_024);
  #receivedNs = new BigInt64Array(1_024);
  #px = new Int32Array(1_024);
  #qty = new BigInt64Array(1_024);

  push(kind: number, venueNs: bigint, receivedNs: bigint, px: number, qty: number): void {
    if (this.length === this.#kinds.length) this.#grow();
    this.#kinds[this.length] = kind;
    this.#venueNs[this.length] = venueNs;
    this.#receivedNs[this.length] = receivedNs;
    this.#px[this.length] = px;
    this.#qty[this.length] = BigInt(qty);
    this.length += 1;
  }

  #grow(): void {
    if (this.length >= TAPE_ROWS_MAX) {
      throw new Error(`more than ${TAPE_ROWS_MAX} rows of a tape: split the file by days`);
    }
    const size = Math.min(TAPE_ROWS_MAX, this.length * 2);
    const grown = <T extends { set(from: T): void }>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#kinds = grown(new Uint8Array(size), this.#kinds);
    this.#venueNs = grown(new BigInt64Array(size), this.#venueNs);
    this.#receivedNs = grown(new BigInt64Array(size), this.#receivedNs);
    this.#px = grown(new Int32Array(size), this.#px);
    this.#qty = grown(new BigInt64Array(size), this.#qty);
  }

  columns() {
    const end = this.length;
    return {
      kinds: this.#kinds.subarray(0, end),
      venueNs: this.#venueNs.subarray(0, end),
      receivedNs: this.#receivedNs.subarray(0, end),
      px: this.#px.subarray(0, end),
      qty: this.#qty.subarray(0, end),
    };
  }
}

/** Where one side's quote stands. */
interface Quote {
  px: number;
  lots: number;
}

/** Takes the rows of one table. `dust` counts sizes that were cut to a lot. */
export class TableReader {
  dust = 0;
  readonly #spec: TableSpec;
  readonly #row: InstrumentRow;
  readonly #out: TapeRows;
  readonly #intervalNs: bigint;
  #lastNs = -1n;
  readonly #bid: Quote = { px: 0, lots: 0 };
  readonly #ask: Quote = { px: 0, lots: 0 };
  #direction: Direction = 1;
  #lastPx: number | null = null;

  constructor(spec: TableSpec, row: InstrumentRow, out: TapeRows, intervalNs: number) {
    this.#spec = spec;
    this.#row = row;
    this.#out = out;
    this.#intervalNs = BigInt(intervalNs);
  }

  /** One row, its cells in the order of `columnsOf`. Errors say what is off. */
  take(cells: readonly Cell[]): void {
    const spec = this.#spec;
    const venueNs = timeNs(cells[0] ?? null, spec.time.unit);
    const received = spec.received;
    const receivedNs = received === undefined ? venueNs : timeNs(cells[1] ?? null, received.unit);
    const at = received === undefined ? 1 : 2;
    if (spec.rows === "bars") {
      this.#bar(spec, venueNs, cells);
      return;
    }
    if (receivedNs < this.#lastNs) {
      throw new Error(
        `time ${receivedNs} is before ${this.#lastNs} of an earlier row: sort the file`,
      );
    }
    this.#lastNs = receivedNs;
    const [one = null, two = null, three = null, four = null] = cells.slice(at);
    const px = (what: string, cell: Cell) => ticksOf(what, cell, this.#row, spec.pxScale);
    const lots = (what: string, cell: Cell) => lotsOf(what, cell, this.#row, spec.qtyScale);
    if (spec.rows === "quotes") {
      this.#quote(Kind.BID, this.#bid, px("bid", one), lots("bid size", two), venueNs, receivedNs);
      this.#quote(
        Kind.ASK,
        this.#ask,
        px("ask", three),
        lots("ask size", four),
        venueNs,
        receivedNs,
      );
      return;
    }
    const side = this.#side(spec.sides, three);
    const kinds = spec.rows === "trades" ? [Kind.BUY, Kind.SELL] : [Kind.BID, Kind.ASK];
    const kind = kinds[side] ?? Kind.BID;
    this.#out.push(kind, venueNs, receivedNs, px("price", one), lots("size", two));
  }

  #side(sides: { readonly buy: readonly string[]; readonly sell: readonly string[] }, cell: Cell) {
    const text = String(cell);
    if (sides.buy.includes(text)) return 0;
    if (sides.sell.includes(text)) return 1;
    const known = [...sides.buy, ...sides.sell].join(", ");
    throw new Error(`side ${JSON.stringify(text)}: the spec knows ${known}`);
  }

  /** The one level a side shows is now this; where it moved, the old one is gone first. A size of 0 is an empty side. */
  #quote(
    kind: number,
    was: Quote,
    px: number,
    lots: number,
    venueNs: bigint,
    receivedNs: bigint,
  ): void {
    if (was.lots > 0 && (was.px !== px || lots === 0)) {
      this.#out.push(kind, venueNs, receivedNs, was.px, 0);
      was.lots = 0;
    }
    if (lots > 0 && was.lots !== lots) this.#out.push(kind, venueNs, receivedNs, px, lots);
    was.px = px;
    was.lots = lots;
  }

  #bar(spec: BarsSpec, stampNs: bigint, cells: readonly Cell[]): void {
    const openNs = spec.stamp === "open" ? stampNs : stampNs - this.#intervalNs;
    if (openNs < 0n || openNs < this.#lastNs) {
      throw new Error(
        `a bar from ${openNs} begins before the end of the bar before: sort the file, or check interval`,
      );
    }
    this.#lastNs = openNs + this.#intervalNs;
    const px = (what: string, cell: Cell | undefined) =>
      ticksOf(what, cell ?? null, this.#row, spec.pxScale);
    const bar = {
      open: px("open", cells[1]),
      high: px("high", cells[2]),
      low: px("low", cells[3]),
      close: px("close", cells[4]),
      lots: 0,
    };
    const { open, high, low, close } = bar;
    if (!(low <= Math.min(open, close) && high >= Math.max(open, close))) {
      throw new Error(`open ${open}, high ${high}, low ${low}, close ${close} ticks: no bar`);
    }
    if (spec.columns.volume !== undefined) {
      const { lots, cut } = wholeLotsOf("volume", cells[5] ?? null, this.#row, spec.qtyScale);
      bar.lots = lots;
      this.dust += cut ? 1 : 0;
    } else if (spec.quoteLots === undefined) {
      throw new Error("bars without a volume: the spec wants quoteLots");
    }
    const quoteLots = spec.quoteLots ?? Math.max(1, Math.floor(bar.lots / 4));
    for (const step of barSteps(bar, this.#lastPx, this.#direction)) {
      const ns = openNs + step.offset(this.#intervalNs);
      const kind = step.direction > 0 ? Kind.BUY : Kind.SELL;
      if (step.lots > 0) this.#out.push(kind, ns, ns, step.px, step.lots);
      const bid = step.direction > 0 ? step.px - spec.spreadTicks : step.px;
      // Both levels that are gone go before one that comes, so that no book in between is crossed.
      if (this.#bid.px !== bid) this.#quote(Kind.BID, this.#bid, bid, 0, ns, ns);
      const ask = bid + spec.spreadTicks;
      if (this.#ask.px !== ask) this.#quote(Kind.ASK, this.#ask, ask, 0, ns, ns);
      this.#quote(Kind.BID, this.#bid, bid, quoteLots, ns, ns);
      this.#quote(Kind.ASK, this.#ask, ask, quoteLots, ns, ns);
      this.#direction = step.direction;
      this.#lastPx = step.px;
    }
  }
}
