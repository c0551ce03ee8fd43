/** `hft conformance venues`: our order paths against the simulated venues, card by card. */

import type { Report } from "@tidegate/contracts";
import type { AlpacaOrders } from "@tidegate/venue-sim/alpaca";
import { type Check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { AlpacaVenues } from "./alpaca-orders.ts";
import { alpacaRouterCards } from "./alpaca-router-cards.ts";
import { alpacaVenueCards } from "./alpaca-venue.ts";
import { binanceVenueCards } from "./binance-venue.ts";
import { type Card, judged, type Played, play } from "./cards.ts";
import { fixVenueCards } from "./fix-venue.ts";
import { type BinanceMarket, SPOT, USDM } from "./router.ts";
import { shioajiRouterCards } from "./shioaji-router-cards.ts";
import { shioajiVenueCards } from "./shioaji-venue.ts";

/** The router's cards beside those of an adapter of the same venue. */
const ofTheRouter = (cards: readonly Card[]): Card[] =>
  cards.map((card) => ({ ...card, name: `router: ${card.name}` }));
/** Fewest cards of a venue that say anything. */
export const CARDS_MIN = 25;
/** Cards of a venue that are played at once where each has processes of its own: they wait more than they work. */
const LANES = 3;

async function ofAlpaca(wrong: boolean): Promise<Played[]> {
  using venues = new AlpacaVenues(false);
  const open = async (): Promise<AlpacaOrders> => {
    const venue = await venues.open();
    // The planted fault: a venue that tells everything twice.
    if (wrong) venue.inject({ switch: "duplicate", count: 1_000_000 });
    return venue;
  };
  const client = await play(alpacaVenueCards(open));
  return wrong ? client : [...client, ...(await play(ofTheRouter(alpacaRouterCards()), LANES))];
}

/** The planted fault: a router that tells each fill a tick dearer than it was. */
const dearer = (report: Report): Report =>
  report.kind === "FILL"
    ? { ...report, lastPxTicks: (report.lastPxTicks + 1) as Report["lastPxTicks"] }
    : report;

const ofBinance =
  (market: BinanceMarket) =>
  (wrong: boolean): Promise<Played[]> => {
    const cards: readonly Card[] = binanceVenueCards(market, wrong ? dearer : undefined);
    // Planted, a few cards with fills are enough to say whether anybody notices.
    const played = wrong ? cards.filter(({ name }) => name.startsWith("new order")) : cards;
    return play(played, LANES);
  };

const ofFix = (wrong: boolean): Promise<Played[]> => {
  const cards = fixVenueCards(wrong ? dearer : undefined);
  return play(
    wrong ? cards.filter(({ name }) => name.endsWith("that crosses fills")) : cards,
    LANES,
  );
};

const ofShioaji = async (wrong: boolean): Promise<Played[]> => {
  const client = await play(
    shioajiVenueCards(wrong ? (fill) => ({ ...fill, pxTicks: fill.pxTicks + 1n }) : undefined),
    LANES,
  );
  return wrong ? client : [...client, ...(await play(ofTheRouter(shioajiRouterCards()), LANES))];
};

/** Of a router that tells wrong fills, at the venues whose adapter has cards of its own beside the router's. */
const OF_ROUTER: Readonly<Partial<Record<string, (wrong: typeof dearer) => readonly Card[]>>> = {
  alpaca: alpacaRouterCards,
  shioaji: shioajiRouterCards,
};

/** The venues the platform has an order path to, each with its cards. */
export const SETS = {
  alpaca: ofAlpaca,
  "binance-spot": ofBinance(SPOT),
  "binance-usdm": ofBinance(USDM),
  fix: ofFix,
  shioaji: ofShioaji,
} as const satisfies Readonly<Record<string, (wrong: boolean) => Promise<Played[]>>>;
type Venue = keyof typeof SETS;

/** Each fault that can be planted, and the venues whose cards must notice it. */
export const BREAKS: Readonly<Record<string, readonly Venue[]>> = {
  "double-events": ["alpaca"],
  "wrong-fills": ["binance-spot", "binance-usdm", "fix", "shioaji"],
  "dearer-fills": ["alpaca", "shioaji"],
};

export async function venues(
  command: string,
  only: string | null,
  plant: string | null,
): Promise<Result> {
  if (only !== null && !Object.hasOwn(SETS, only)) {
    throw new UsageError(`--only ${only}: want ${Object.keys(SETS).join(", ")}`);
  }
  const noticing = plant === null ? null : BREAKS[plant];
  if (noticing === undefined) {
    throw new UsageError(`--break ${plant}: want ${Object.keys(BREAKS).join(", ")}`);
  }
  const asked = (Object.keys(SETS) as Venue[]).filter((name) => only === null || name === only);
  const names = noticing === null ? asked : asked.filter((name) => noticing.includes(name));
  if (names.length === 0) {
    throw new UsageError(`--break ${plant}: noticed by ${noticing?.join(", ")}, not by ${only}`);
  }
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {};
  for (const name of names) {
    const planted = plant === "dearer-fills" ? OF_ROUTER[name]?.(dearer) : undefined;
    const crossing = planted?.filter((card) => card.name.endsWith("that crosses fills"));
    const played =
      crossing === undefined ? await SETS[name](plant !== null) : await play(crossing, LANES);
    checks.push(...judged(name, played, CARDS_MIN));
    figures[name] = played;
  }
  return result(command, checks, figures);
}
