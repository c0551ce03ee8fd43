/**
 * Our order path to Shioaji's daemon, against the simulated one: the execution-router as it runs in production, what it makes of
 * everything the venue can do, and the venue's own log as the judge of it.
 */

import type { Report } from "@tidegate/contracts";
import { CARD_MS_MAX, type Card, expect, same, until } from "./cards.ts";
import { Hands, type Thrown } from "./router.ts";
import { cancelCards, cardMakers } from "./router-cards.ts";
import { SHIOAJI } from "./shioaji-router.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const slow = (card: Card): Card => ({ ...card, msMax: 2 * CARD_MS_MAX });

/** Each card has a venue, a router and a book of its own, and ends with both books compared. */
export function shioajiRouterCards(heard?: (report: Report) => Report): readonly Card[] {
  const make = cardMakers(SHIOAJI, heard);
  const { bare, card, order, unknown } = make;
  const refused = (code: number) =>
    card(`refused: ${code}`, async (hands) => {
      hands.inject({ switch: "refuse", code });
      const id = hands.place();
      const { reason, venueText } = await hands.told(id, "REJECT");
      expect(venueText.startsWith(`${code} `), `it was told ${venueText}`);
      same([reason, hands.kinds(id)], ["VENUE_REJECT", ["REJECT"]], "the reject");
    });
  // Without its event, which may come before the router hears that there will be no answer.
  const lost = (name: string, thrown: Thrown, there: boolean) =>
    slow(unknown(name, there ? [{ switch: "gap" }, thrown] : [thrown], there));
  return [
    card("login: the venue is up once its trades are listed", async (hands) => {
      await hands.taken();
      same(hands.count("VENUE_DOWN"), 0, "lost sessions");
    }),
    bare("login: with a wrong key nothing is sent", { apiKey: "sim-nobody" }, async (hands) => {
      await sleep(1_500);
      const { reason } = await hands.told(hands.place(), "NEVER_SENT");
      same([reason, hands.count("VENUE_UP")], ["VENUE_UNREACHABLE", 0], "the order");
    }),
    bare(
      "login: a stream that nobody answers is given up and tried again",
      { before: ({ orders }) => orders.inject({ switch: "auth_timeout" }) },
      async (hands) => {
        await hands.up();
        await hands.taken();
      },
    ),
    order("LIMIT for the day rests", {}, ["ACK"], "NEW"),
    order(
      "MARKET fills at two prices",
      { type: "MARKET", units: 2 },
      ["ACK", "FILL", "FILL"],
      "FILLED",
    ),
    order("LIMIT that crosses fills", { dollars: 60_001 }, ["ACK", "FILL"], "FILLED"),
    order(
      "LIMIT FOK fills whole",
      { dollars: 60_002, tif: "FOK", units: 2 },
      ["ACK", "FILL", "FILL"],
      "FILLED",
    ),
    card("post-only: the venue has no such order, and none is sent", async (hands) => {
      const { reason } = await hands.told(hands.place({ tif: "POST_ONLY" }), "NEVER_SENT");
      same(reason, "MALFORMED", "the reason");
    }),
    ...[200, 400, 401, 404, 422].map(refused),
    lost("the venue takes it and the connection ends", { switch: "ack_lost" }, true),
    card(
      "unknown outcome: the venue takes it and says 500; its event comes first",
      async (hands) => {
        hands.inject({ switch: "ack_500" });
        const id = hands.place();
        await hands.told(id, "ACK");
        hands.cancel(id);
        await hands.told(id, "CANCELLED");
      },
    ),
    lost("the request is lost with its connection", { switch: "request_lost" }, false),
    lost("the venue says 500 and does not take it", { switch: "answer_500" }, false),
    card("unknown outcome: an answer that is too late changes nothing", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 3_500 });
      const id = hands.place();
      await sleep(4_000);
      const kinds = hands.kinds(id);
      same(kinds.filter((kind) => kind === "ACK").length, 1, `acks of ${kinds}`);
    }),
    card("new orders go one after the other, and none is lost", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 600 });
      const ids = [
        hands.place(),
        hands.place({ dollars: 58_000 }),
        hands.place({ dollars: 57_000 }),
      ];
      for (const id of ids) await hands.told(id, "ACK");
    }),
    card("rejected after it was taken", async (hands) => {
      hands.inject({ switch: "reject_after_ack" });
      const id = hands.place();
      await hands.told(id, "REJECT");
      same(hands.status(id), "REJECTED", "at the venue");
    }),
    card("rejected after it was taken, although it would trade", async (hands) => {
      hands.inject({ switch: "reject_after_ack" });
      const id = hands.place({ dollars: 60_001, tif: "IOC" });
      await hands.told(id, "REJECT");
      same(hands.status(id), "REJECTED", "at the venue");
      same(hands.venue.truth().fills.length, 0, "fills");
    }),
    card("fills: before the event of the order", async (hands) => {
      hands.inject({ switch: "fill_before_ack" });
      const id = hands.place({ dollars: 60_001 });
      await hands.told(id, "FILL");
    }),
    card("fills: told twice they are booked once", async (hands) => {
      hands.inject({ switch: "duplicate", count: 3 });
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
    }),
    card("fills: two alike are two", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 2 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.at(59_990, 5);
      await hands.told(id, "FILL", 2);
    }),
    card(
      "fills: one that the stream never tells is fetched once the order is asked for",
      async (hands) => {
        hands.inject({ switch: "gap", count: 3 });
        const id = hands.place({ type: "MARKET", units: 2 });
        await hands.told(id, "ACK");
        await sleep(200);
        hands.query(id);
        await hands.told(id, "FILL", 2);
      },
    ),
    card("fills: an event that cannot be read is asked for", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "garbled" });
      hands.at(59_990);
      await hands.told(id, "FILL");
    }),
    card("fills: events that come late, in order", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "late_events", ms: 800 });
      hands.at(59_990);
      await hands.told(id, "FILL");
    }),
    card("amend: another price, and less", async (hands) => {
      const id = await hands.taken({ units: 3 });
      hands.amend(id, 58_500, 3);
      await hands.told(id, "REPLACED");
      hands.amend(id, 58_500, 2);
      await hands.told(id, "REPLACED", 2);
      hands.at(58_490, 5);
      await hands.agree();
      same(hands.status(id), "FILLED", "at the venue");
    }),
    card("amend: more, and both at once, are refused before a byte is sent", async (hands) => {
      const id = await hands.taken({ units: 2 });
      hands.amend(id, 59_000, 3);
      await hands.told(id, "AMEND_REJECT");
      hands.amend(id, 58_500, 1);
      await hands.told(id, "AMEND_REJECT", 2);
      same(hands.status(id), "NEW", "at the venue");
    }),
    card("amend: rejected after it was taken, the order stands", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "replace_rejected" });
      hands.amend(id, 58_500, 1);
      await hands.told(id, "AMEND_REJECT");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    slow(
      card("amend: done, and its answer never told", async (hands) => {
        const id = await hands.taken();
        hands.inject({ switch: "replace_ack_lost" });
        hands.amend(id, 58_500, 1);
        await hands.told(id, "REPLACED");
      }),
    ),
    card("amend: it is under way when the order fills", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "pending_replace", ms: 500 });
      hands.amend(id, 58_000, 1);
      await sleep(150);
      hands.at(59_990);
      await hands.told(id, "FILL");
      await sleep(600);
      same([hands.count("REPLACED"), hands.status(id)], [0, "FILLED"], "it");
    }),
    ...cancelCards(make),
    card("cancel: done, and its answer never told", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "cancel_ack_lost" });
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("reconnect: the stream is lost and comes back, orders rest on", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "disconnect" });
      await hands.down();
      await hands.up(2);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("reconnect: a fill of meanwhile is told once, from the list of trades", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 2 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.inject({ switch: "disconnect" });
      hands.at(59_990, 5);
      await hands.told(id, "FILL", 2);
      await hands.up(2);
    }),
    card("daemon restart: it knows its orders again once they are listed", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "daemon_restart" });
      await hands.down();
      await hands.up(2);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("our own restart: what happened meanwhile is booked once", async (hands) => {
      const filled = await hands.taken({ dollars: 59_999.5, units: 2 });
      hands.at(59_998, 1);
      await hands.told(filled, "FILL");
      const rests = await hands.taken({ dollars: 50_000 });
      await hands.restart(() => hands.at(59_000, 5));
      await hands.told(filled, "FILL", 2);
      hands.cancel(rests);
      await hands.told(rests, "CANCELLED");
    }),
    card("session roll: what is for the day has expired, and nobody told it", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "session_roll", ms: 800 });
      await hands.down();
      await hands.up(2);
      await hands.told(id, "EXPIRED");
    }),
    card("rate limit: a ban is kept, and nothing is asked for meanwhile", async (hands) => {
      hands.inject({ switch: "rate_limit", ms: 500 });
      await hands.told(hands.place(), "REJECT");
      const { reason } = await hands.told(hands.place(), "NEVER_SENT");
      same(reason, "RATE_BUDGET", "the next");
    }),
    {
      name: "kill: nothing leaves, and everything at the venue is cancelled",
      async run() {
        await using hands = await Hands.open(SHIOAJI, heard === undefined ? {} : { heard });
        await hands.up();
        const part = await hands.taken({ dollars: 59_999.5, units: 3 });
        hands.at(59_998, 1);
        await hands.told(part, "FILL");
        const ids = [part, await hands.taken(), await hands.taken({ dollars: 58_000 })];
        hands.kill();
        for (const id of ids) await hands.told(id, "CANCELLED");
        await hands.said("mass cancel confirmed");
        await until("the end of it", () => hands.venue.truth().openOrders.length === 0);
        same((await hands.told(hands.place(), "NEVER_SENT")).reason, "KILLED", "a new order");
      },
    },
  ];
}
