/**
 * Our order path to a FIX 4.4 venue, against the simulated one: the execution-router as it runs in production, what it makes of
 * everything the venue can do, and the venue's own log as the judge of it.
 */

import type { Report } from "@tidegate/contracts";
import { BUSINESS, MESSAGES_PER_10S, REFUSALS } from "@tidegate/venue-sim/fix";
import { type Card, expect, same, until } from "./cards.ts";
import { FIX, Hands, type Thrown } from "./router.ts";
import { cancelCards, cardMakers, orderCards } from "./router-cards.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const codes = (table: Readonly<Record<number, string>>): (readonly [number, string])[] =>
  Object.entries(table).map(([code, words]) => [Number(code), words]);

/** Each card has a venue, a router and a book of its own, and ends with both books compared. */
export function fixVenueCards(heard?: (report: Report) => Report): readonly Card[] {
  const make = cardMakers(FIX, heard);
  const { bare, card, unknown } = make;
  /** A new order that is refused without effect, and the code it is refused with. */
  const refused = (name: string, thrown: Thrown, code: string) =>
    card(`refused: ${name}`, async (hands) => {
      hands.inject(thrown);
      const id = hands.place();
      const { reason, venueText } = await hands.told(id, "REJECT");
      expect(venueText.startsWith(code), `it was told ${venueText}, want ${code}`);
      same([reason, hands.kinds(id)], ["VENUE_REJECT", ["REJECT"]], "the reject");
      // A refusal is of its order alone.
      await hands.taken();
    });
  return [
    card("logon: the session is up once the venue has listed what it holds", async (hands) => {
      await hands.taken();
      same(hands.count("VENUE_DOWN"), 0, "lost sessions");
    }),
    bare(
      "logon: with a wrong user name nothing is sent",
      { apiKey: "sim-nobody" },
      async (hands) => {
        await sleep(1_500);
        const { reason } = await hands.told(hands.place(), "NEVER_SENT");
        same([reason, hands.count("VENUE_UP")], ["VENUE_UNREACHABLE", 0], "the order");
      },
    ),
    bare(
      "logon: one that nobody answers is given up and tried again",
      { before: (venue) => venue.inject({ switch: "auth_timeout" }) },
      async (hands) => {
        await hands.up();
        await hands.taken();
        same(hands.venue.injected()["auth_timeout"], 1, "logons that were not answered");
      },
    ),
    bare(
      "logon: a venue whose clock is minutes off is not traded, and is when it is right again",
      { before: (venue) => venue.skew(200_000) },
      async (hands) => {
        await sleep(1_000);
        same(hands.count("VENUE_UP"), 0, "logons");
        hands.venue.skew(0);
        await hands.up();
        await hands.taken();
      },
    ),
    ...orderCards(make),
    card("refused: post-only that would take", async (hands) => {
      const id = hands.place({ tif: "POST_ONLY", dollars: 60_001 });
      const { venueText } = await hands.told(id, "REJECT");
      expect(venueText.includes("POST_ONLY"), venueText);
    }),
    card("refused: more than there is money for", async (hands) => {
      const { venueText } = await hands.told(hands.place({ units: 9_000 }), "REJECT");
      expect(venueText.startsWith("8 3 "), venueText);
    }),
    ...codes(REFUSALS).map(([code, words]) =>
      refused(`103=${code} ${words}`, { switch: "refuse", code }, `8 ${code} `),
    ),
    ...codes(BUSINESS).map(([code, words]) =>
      refused(
        `BusinessMessageReject ${code} ${words}`,
        { switch: "business_reject", code },
        `j ${code} `,
      ),
    ),
    refused("Reject of the session layer", { switch: "session_reject" }, "3 "),
    unknown("the venue takes it and never says so", [{ switch: "ack_lost" }], true),
    unknown("the request is lost with its connection", [{ switch: "request_lost" }], false),
    unknown(
      "the first question is not answered either",
      [{ switch: "ack_lost" }, { switch: "query_lost" }],
      true,
    ),
    card("unknown outcome: an answer that is too late changes nothing", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 3_500 });
      const id = hands.place();
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "ACK");
      await sleep(2_500);
      same(hands.kinds(id), ["UNKNOWN", "ACK", "STATUS"], "what was told");
    }),
    card("rejected after it was taken", async (hands) => {
      hands.inject({ switch: "reject_after_ack" });
      const id = hands.place();
      await hands.told(id, "REJECT");
      same(hands.status(id), "REJECTED", "at the venue");
    }),
    card("fills: in parts, as the market comes to the order", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 3 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.at(59_997, 5);
      await hands.agree();
      same(hands.status(id), "FILLED", "at the venue");
      const makers = hands.of(id).filter(({ kind, maker }) => kind === "FILL" && maker);
      expect(makers.length >= 2, "fills");
    }),
    card("fills: before the report of the new order", async (hands) => {
      hands.inject({ switch: "fill_before_ack" });
      const id = hands.place({ dollars: 60_001, units: 2 });
      await hands.told(id, "ACK");
      same(hands.kinds(id).slice(0, 2), ["FILL", "ACK"], "the order");
    }),
    card("fills: told twice they are booked once", async (hands) => {
      hands.inject({ switch: "duplicate", count: 2 });
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
    }),
    card("fills: a report that is lost is asked for by its number", async (hands) => {
      hands.inject({ switch: "gap", count: 2 });
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
      same(hands.count("VENUE_DOWN"), 0, "lost sessions");
    }),
    card("fills: a report with a wrong checksum is asked for by its number", async (hands) => {
      hands.inject({ switch: "garbled" });
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
      same(hands.count("VENUE_DOWN"), 0, "lost sessions");
    }),
    card("fills: reports that come late, in order", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "late_events", ms: 800 });
      hands.at(59_990);
      await hands.told(id, "FILL");
    }),
    card("fills: what the venue never tells is fetched from its list of trades", async (hands) => {
      hands.inject({ switch: "ack_lost" });
      const id = hands.place({ type: "MARKET", units: 2 });
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "FILL", 2);
    }),
    card("amend: price and quantity, under a new id at the venue", async (hands) => {
      const id = await hands.taken();
      hands.amend(id, 58_500, 2);
      await hands.told(id, "REPLACED");
      hands.amend(id, 59_999.5, 3);
      await hands.told(id, "REPLACED", 2);
      hands.at(59_990, 5);
      await hands.told(id, "FILL");
      await hands.agree();
      same(hands.status(id), "FILLED", "at the venue");
    }),
    card("amend: the order of a chain is cancelled by its newest id", async (hands) => {
      const id = await hands.taken();
      hands.amend(id, 58_500, 1);
      await hands.told(id, "REPLACED");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("amend: a part is filled, the new total counts it", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 3 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.amend(id, 59_000, 4);
      const { cumQtyLots, leavesQtyLots } = await hands.told(id, "REPLACED");
      same(Number(cumQtyLots) + Number(leavesQtyLots), 4 * FIX.unitLots, "the whole order");
    }),
    card("amend: refused, the order stands", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "replace_rejected" });
      hands.amend(id, 58_500, 2);
      const { venueText } = await hands.told(id, "AMEND_REJECT");
      expect(venueText.startsWith("9 2 "), venueText);
      same(hands.status(id), "NEW", "at the venue");
    }),
    card("amend: post-only stays post-only", async (hands) => {
      const id = await hands.taken({ tif: "POST_ONLY" });
      hands.amend(id, 60_001, 1);
      await hands.told(id, "AMEND_REJECT");
      same([hands.count("FILL"), hands.status(id)], [0, "NEW"], "it");
    }),
    card("amend: it is under way when the order fills", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "pending_replace", ms: 500 });
      hands.amend(id, 58_000, 1);
      await sleep(150);
      hands.at(59_990);
      await hands.told(id, "FILL");
      await sleep(600);
      // It ends by its fill alone.
      same([hands.count("REPLACED"), hands.status(id)], [0, "FILLED"], "it");
    }),
    card("amend: done, and its report never told", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "replace_ack_lost" });
      hands.amend(id, 58_500, 2);
      await hands.told(id, "REPLACED");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    ...cancelCards(make),
    card("cancel: done, and its report never told", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "cancel_ack_lost" });
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel race: asked for before the order is answered", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 600 });
      const id = hands.place();
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel: everything at once", async (hands) => {
      const ids = [await hands.taken(), await hands.taken({ dollars: 58_000 })];
      hands.cancelAll();
      for (const id of ids) await hands.told(id, "CANCELLED");
    }),
    card("rate limit: the venue's window is never passed, and cancels have room", async (hands) => {
      const first = await hands.taken();
      const asked = Array.from({ length: MESSAGES_PER_10S + 20 }, () => hands.place());
      const last = asked.at(-1) as string;
      same((await hands.told(last, "NEVER_SENT")).reason, "RATE_BUDGET", "the last");
      hands.cancel(first);
      await hands.told(first, "CANCELLED");
      same([hands.count("REJECT"), hands.count("VENUE_DOWN")], [0, 0], "refusals, lost sessions");
      expect(hands.count("ACK") >= MESSAGES_PER_10S / 2, `${hands.count("ACK")} were sent`);
    }),
    card("rate limit: a Logout for one message too many, and its order settled", async (hands) => {
      const rests = await hands.taken();
      hands.inject({ switch: "message_limit" });
      const id = hands.place();
      await hands.told(id, "UNKNOWN");
      await hands.up(2);
      await hands.told(id, "DEAD");
      hands.cancel(rests);
      await hands.told(rests, "CANCELLED");
    }),
    card("reconnect: the session is lost and comes back, orders rest on", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "disconnect" });
      await hands.down();
      await hands.up(2);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("reconnect: a fill of meanwhile is told once, by resend", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 2 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.inject({ switch: "disconnect" });
      hands.at(59_990, 5);
      await hands.told(id, "FILL", 2);
      await hands.up(2);
    }),
    card("reconnect: an order sent into the loss is settled", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 5_000 });
      const id = hands.place();
      await hands.told(id, "SENT");
      await sleep(100);
      hands.inject({ switch: "disconnect" });
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "ACK");
    }),
    card("reconnect: an amended order is still known by its newest id", async (hands) => {
      const id = await hands.taken();
      hands.amend(id, 58_500, 1);
      await hands.told(id, "REPLACED");
      await hands.restart(() => undefined);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card(
      "session roll: the day ends, numbers begin anew, what rests is asked for",
      async (hands) => {
        const filled = await hands.taken({ dollars: 59_999.5 });
        hands.at(59_990);
        await hands.told(filled, "FILL");
        const rests = await hands.taken({ dollars: 50_000 });
        hands.inject({ switch: "session_roll", ms: 1_000 });
        await hands.down();
        const { reason } = await hands.told(hands.place(), "NEVER_SENT");
        same(reason, "VENUE_UNREACHABLE", "meanwhile");
        await hands.up(2);
        same(hands.status(rests), "NEW", "what rests");
        hands.cancel(rests);
        await hands.told(rests, "CANCELLED");
        await hands.taken();
      },
    ),
    card("session roll: a fill of before it that was never told is fetched", async (hands) => {
      const filled = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "disconnect" });
      hands.at(59_990);
      hands.inject({ switch: "session_roll", ms: 500 });
      await hands.down();
      await hands.told(filled, "FILL");
      await hands.taken({ dollars: 58_000 });
    }),
    card("our own restart: what happened meanwhile is booked once", async (hands) => {
      const filled = await hands.taken({ dollars: 59_999.5 });
      const rests = await hands.taken({ dollars: 50_000 });
      await hands.restart(() => hands.at(59_990));
      await hands.told(filled, "FILL");
      hands.cancel(rests);
      await hands.told(rests, "CANCELLED");
    }),
    card("halt: orders are refused while it lasts, cancels are not", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "halt", ms: 800 });
      const { venueText } = await hands.told(hands.place(), "REJECT");
      expect(venueText.startsWith("8 2 "), venueText);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
      await sleep(900);
      await hands.taken();
    }),
    {
      name: "kill: nothing leaves, and everything at the venue is cancelled, what nobody here knows too",
      async run() {
        await using hands = await Hands.open(FIX, heard === undefined ? {} : { heard });
        await hands.up();
        const part = await hands.taken({ dollars: 59_999.5, units: 3 });
        hands.at(59_998, 1);
        await hands.told(part, "FILL");
        const ids = [part, await hands.taken(), await hands.taken({ dollars: 58_000 })];
        hands.venue.manual("by-hand", "57000", "0.01");
        hands.kill();
        for (const id of ids) await hands.told(id, "CANCELLED");
        await hands.said("mass cancel confirmed");
        same(hands.venue.truth().openOrders, [], "what is open");
        same((await hands.told(hands.place(), "NEVER_SENT")).reason, "KILLED", "a new order");
        // What comes while the kill stands goes as well.
        hands.venue.manual("by-hand-again", "57000", "0.01");
        await until("the end of it", () => hands.venue.truth().openOrders.length === 0);
      },
    },
    card("bust: a fill is taken back by its key, once", async (hands) => {
      const id = hands.place({ type: "MARKET" });
      const fill = await hands.told(id, "FILL");
      hands.inject({ switch: "duplicate" });
      hands.inject({ switch: "bust" });
      const bust = await until("the bust", () => hands.of(id).find(({ kind }) => kind === "BUST"));
      same(
        [bust.execId.split("/")[0], bust.lastPxTicks, bust.lastQtyLots],
        [fill.execId, fill.lastPxTicks, fill.lastQtyLots],
        "the bust",
      );
      await sleep(200);
      same(hands.count("BUST"), 1, "busts");
    }),
    card("correction: a fill is taken back and another takes its place", async (hands) => {
      const id = hands.place({ type: "MARKET" });
      const fill = await hands.told(id, "FILL");
      hands.inject({ switch: "correct" });
      const right = await hands.told(id, "FILL", 2);
      same(right.lastPxTicks, fill.lastPxTicks + 1, "its price");
      same([hands.count("BUST"), right.cumQtyLots], [1, fill.cumQtyLots], "busts, what is filled");
    }),
    card("correction: over our own restart it finds the fill it is of", async (hands) => {
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
      await hands.restart(() => hands.inject({ switch: "correct" }));
      await hands.told(id, "FILL", 2);
      same(hands.count("BUST"), 1, "busts");
    }),
  ];
}
