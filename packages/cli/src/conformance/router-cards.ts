/** What the cards of every venue the execution-router trades at have in common: how they are made, and what orders do at once. */

import type { Report } from "@tidegate/contracts";
import { type Card, same } from "./cards.ts";
import {
  type CardVenue,
  Hands,
  type HandsOptions,
  type Market,
  type Terms,
  type Thrown,
} from "./router.ts";

/** Makers of cards. Each card has a venue, a router and a book of its own, and ends with both books compared. */
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface CardMakers<V extends CardVenue> {
  bare(name: string, options: HandsOptions<V>, act: (hands: Hands<V>) => Promise<void>): Card;
  /** A card that begins with the venue up. */
  card(name: string, act: (hands: Hands<V>) => Promise<void>): Card;
  /** One order that is filled at once, or at once ended. */
  order(name: string, terms: Terms, want: readonly string[], status: string | null): Card;
  /** An order whose outcome nobody says, and whether it is there. */
  unknown(name: string, thrown: readonly Thrown[], there: boolean): Card;
}

export function cardMakers<V extends CardVenue>(
  market: Market<V>,
  heard?: (report: Report) => Report,
): CardMakers<V> {
  const bare: CardMakers<V>["bare"] = (name, options, act) => ({
    name,
    async run() {
      const planted = heard === undefined ? {} : { heard };
      await using hands = await Hands.open(market, { ...options, ...planted });
      await act(hands);
      await hands.agree();
    },
  });
  const card: CardMakers<V>["card"] = (name, act) =>
    bare(name, {}, async (hands) => {
      await hands.up();
      await act(hands);
    });
  const order: CardMakers<V>["order"] = (name, terms, want, status) =>
    card(`new order: ${name}`, async (hands) => {
      const id = hands.place(terms);
      const fills = want.filter((kind) => kind === "FILL").length;
      await hands.told(id, want.at(-1) as Report["kind"], fills || 1);
      await hands.agree();
      same(
        [hands.kinds(id).toSorted(), hands.status(id)],
        [want.toSorted(), status],
        "what was told, and where it stands",
      );
    });
  const unknown: CardMakers<V>["unknown"] = (name, thrown, there) =>
    card(`unknown outcome: ${name}`, async (hands) => {
      for (const each of thrown) hands.inject(each);
      const id = hands.place();
      await hands.told(id, "UNKNOWN");
      await hands.told(id, there ? "ACK" : "DEAD");
      same(hands.status(id), there ? "NEW" : null, "at the venue");
      // What is known again can be worked with.
      if (!there) return;
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    });
  return { bare, card, order, unknown };
}

/** What becomes of an order at once, at any venue whose market stands as a card's does. */
export const orderCards = <V extends CardVenue>({ order }: CardMakers<V>): readonly Card[] => [
  order("LIMIT GTC rests", {}, ["ACK"], "NEW"),
  order(
    "MARKET fills at two prices",
    { type: "MARKET", units: 2 },
    ["ACK", "FILL", "FILL"],
    "FILLED",
  ),
  order("LIMIT GTC that crosses fills", { dollars: 60_001 }, ["ACK", "FILL"], "FILLED"),
  order(
    "LIMIT IOC fills what is there and expires",
    { dollars: 60_001, tif: "IOC", units: 3 },
    ["ACK", "FILL", "EXPIRED"],
    "EXPIRED",
  ),
  order(
    "LIMIT FOK fills whole",
    { dollars: 60_002, tif: "FOK", units: 2 },
    ["ACK", "FILL", "FILL"],
    "FILLED",
  ),
  order(
    "LIMIT FOK that cannot expires",
    { dollars: 60_002, tif: "FOK", units: 3 },
    ["ACK", "EXPIRED"],
    "EXPIRED",
  ),
  order("post-only rests", { tif: "POST_ONLY" }, ["ACK"], "NEW"),
];

/** What may become of a cancel, at any venue that answers one by an event. */
export const cancelCards = <V extends CardVenue>({ card }: CardMakers<V>): readonly Card[] => [
  card("cancel: of a resting order, and of a part", async (hands) => {
    const id = await hands.taken({ dollars: 59_999.5, units: 3 });
    hands.at(59_998, 1);
    await hands.told(id, "FILL");
    hands.cancel(id);
    await hands.told(id, "CANCELLED");
  }),
  card("cancel: refused although the order stands; a later one works", async (hands) => {
    const id = await hands.taken();
    hands.inject({ switch: "cancel_rejected" });
    hands.cancel(id);
    await hands.told(id, "CANCEL_REJECT");
    hands.cancel(id);
    await hands.told(id, "CANCELLED");
  }),
  card("cancel race: it is under way when the order fills", async (hands) => {
    const id = await hands.taken({ dollars: 59_999.5 });
    hands.inject({ switch: "pending_cancel", ms: 500 });
    hands.cancel(id);
    await sleep(150);
    hands.at(59_990);
    await hands.told(id, "FILL");
    await sleep(600);
    same([hands.count("CANCELLED"), hands.status(id)], [0, "FILLED"], "it");
  }),
];
