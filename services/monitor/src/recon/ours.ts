/** Our side as the gateway's journal tells it: what was sent, and what the router reported. */

import type { Command, Envelope, Report } from "@tidegate/contracts";
import type { OurBook } from "./book.ts";
import type { OpenOrder, Side } from "./types.ts";

/** Where a book's records are: one instrument of one venue. */
export interface Place {
  readonly venueId: number;
  readonly instrumentId: number;
}

/** Takes one record of the journal into the book, where it is about it. Pure but for the book. */
export function takeRecord(book: OurBook, place: Place, { payload }: Envelope): void {
  if (payload.kind === "command") takeCommand(book, place, payload.value);
  else if (payload.kind === "report") takeReport(book, place, payload.value);
}

const isHere = (at: Place, { venueId, instrumentId }: Place): boolean =>
  at.venueId === venueId && at.instrumentId === instrumentId;

function takeCommand(book: OurBook, place: Place, command: Command): void {
  const { kind, clientOrderId, side, pxTicks, qtyLots } = command;
  if (!isHere(place, command) || side === null) return;
  // From before its bytes leave: the venue may show it before the router says so.
  if (kind === "NEW" || kind === "FORCE_FLAT")
    book.sent({ clientOrderId, side: side as Side, pxTicks, qtyLots, cumLots: 0 as never });
}

function takeReport(book: OurBook, place: Place, report: Report): void {
  if (!isHere(place, report)) return;
  const { kind, clientOrderId, execId } = report;
  switch (kind) {
    case "ACK":
    case "STATUS":
      book.acked(clientOrderId);
      break;
    case "FILL":
      book.executed({
        execId,
        clientOrderId,
        venueOrderId: report.venueOrderId,
        side: report.side as Side,
        pxTicks: report.lastPxTicks,
        qtyLots: report.lastQtyLots,
        fee: report.feeE8,
        feeAsset: report.feeAsset,
        atMs: Number(report.tsVenueNs / 1_000_000n),
      });
      break;
    case "REPLACED": {
      const known = book.orders.get(clientOrderId);
      if (known === undefined) break;
      const qtyLots = (report.cumQtyLots + report.leavesQtyLots) as OpenOrder["qtyLots"];
      book.replaced({ ...known, pxTicks: report.lastPxTicks, qtyLots });
      break;
    }
    case "CANCELLED":
    case "EXPIRED":
    case "REJECT":
    case "NEVER_SENT":
    case "DEAD":
      book.ended(clientOrderId);
      break;
    // A bust names an execution of its own and not the one it undoes: the balances show the difference, and a case is made.
    default:
  }
}
