/**
 * Our order path to Binance, spot and USD-M, against the simulated venue: the execution-router as it runs in production, what
 * it makes of everything the venue can do, and the venue's own log as the judge of it.
 */

import type { Report } from "@tidegate/contracts";
import { REFUSALS } from "@tidegate/venue-sim/binance";
import { type Card, expect, same } from "./cards.ts";
import type { BinanceMarket } from "./router.ts";
import { cardMakers, orderCards } from "./router-cards.ts";

/** What the venue may say to a new order, by its code, and what we must make of it. */
type Code = keyof typeof REFUSALS;
/** Nobody knows whether it is there: it is asked for until that is proven. */
const UNCLEAR: readonly Code[] = [-1000, -1001, -1006, -1007, -1016];
/** Refused, with no effect. */
const REFUSED: Readonly<Record<BinanceMarket["id"], readonly Code[]>> = {
  spot: [
    ...[-1008, -1013, -1014, -1020, -1021, -1022, -1100, -1102, -1111, -1115, -1116],
    ...[-1117, -1121, -2010, -2014, -2015],
  ] as Code[],
  usdm: [
    ...[-1008, -1013, -1021, -1022, -1102, -1111, -1121, -2014, -2015, -2018, -2019, -2020],
    ...[-2021, -2022, -2024, -2025, -2027, -4003, -4014, -4061, -4131, -4164, -5021],
  ] as Code[],
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Cards of one market. Each has a venue, a router and a book of its own, and ends with both books compared. */
export function binanceVenueCards(
  market: BinanceMarket,
  heard?: (report: Report) => Report,
): readonly Card[] {
  const spot = market.id === "spot";
  const make = cardMakers(market, heard);
  const { bare, card, unknown } = make;
  return [
    card("logon: the order session and the user stream are up", async (hands) => {
      await hands.taken();
      same(hands.count("VENUE_DOWN"), 0, "lost sessions");
    }),
    bare("logon: with a wrong key nothing is sent", { apiKey: "sim-nobody" }, async (hands) => {
      await sleep(1_500);
      const { reason } = await hands.told(hands.place(), "NEVER_SENT");
      same([reason, hands.count("VENUE_UP")], ["VENUE_UNREACHABLE", 0], "the order");
    }),
    bare(
      "logon: one that nobody answers is given up and tried again",
      { before: (venue) => venue.inject({ switch: "auth_timeout", market: market.id }) },
      async (hands) => {
        await hands.up();
        await hands.taken();
        same(hands.venue.injected(market.id)["auth_timeout"], 1, "logins that were not answered");
      },
    ),
    ...orderCards(make),
    card("refused: post-only that would take", async (hands) => {
      const { reason, venueText } = await hands.told(
        hands.place({ tif: "POST_ONLY", dollars: 60_001 }),
        "REJECT",
      );
      same([reason, venueText.split(" ")[1]], ["VENUE_REJECT", spot ? "-2010" : "-5022"], "it");
    }),
    ...(spot
      ? [
          card("refused: more than there is money for", async (hands) => {
            const { venueText } = await hands.told(hands.place({ units: 9_000 }), "REJECT");
            expect(venueText.includes("insufficient balance"), venueText);
          }),
        ]
      : []),
    ...REFUSED[market.id].map((code) =>
      card(`refused: ${code} ${REFUSALS[code][1]}`, async (hands) => {
        hands.inject({ switch: "refuse", code });
        const id = hands.place();
        const { reason, venueText } = await hands.told(id, "REJECT");
        same([reason, venueText.split(" ")[1]], ["VENUE_REJECT", String(code)], "the reject");
        same(hands.kinds(id), ["REJECT"], "what was told");
        // A refusal is of its order alone.
        await hands.taken();
      }),
    ),
    ...UNCLEAR.map((code) =>
      unknown(`${code} ${REFUSALS[code][1]}`, [{ switch: "refuse", code }], false),
    ),
    unknown(
      "the answer is lost and so is the event",
      [{ switch: "ack_lost" }, { switch: "gap" }],
      true,
    ),
    unknown("-1007 although the order is there", [{ switch: "ack_504" }, { switch: "gap" }], true),
    unknown("the request is lost with its connection", [{ switch: "request_lost" }], false),
    unknown("500, and nothing is there", [{ switch: "answer_500" }], false),
    card("unknown outcome: an answer that is too late changes nothing", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 3_500 });
      hands.inject({ switch: "gap" });
      const id = hands.place();
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "ACK");
      await sleep(2_500);
      same(hands.kinds(id), ["UNKNOWN", "ACK", "STATUS"], "what was told");
    }),
    card("unknown outcome: the first question is not answered either", async (hands) => {
      for (const name of ["ack_lost", "gap", "query_lost"] as const) hands.inject({ switch: name });
      const id = hands.place();
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "ACK");
      same(hands.status(id), "NEW", "at the venue");
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
      expect(
        hands.of(id).filter(({ kind, maker }) => kind === "FILL" && maker).length >= 2,
        "fills",
      );
    }),
    card("fills: before the answer", async (hands) => {
      hands.inject({ switch: "fill_before_ack", ms: 400 });
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
      await sleep(600);
      same(hands.kinds(id).filter((kind) => kind === "FILL").length, 1, "fills");
    }),
    card("fills: told twice they count once", async (hands) => {
      hands.inject({ switch: "duplicate", count: 6 });
      const id = hands.place({ type: "MARKET", units: 2 });
      await hands.told(id, "FILL", 2);
      await sleep(200);
      same(hands.kinds(id).filter((kind) => kind === "FILL").length, 2, "fills");
    }),
    card(
      "fills: one that nobody told is fetched when the next one shows the gap",
      async (hands) => {
        const id = await hands.taken({ dollars: 59_999.5, units: 3 });
        hands.inject({ switch: "gap" });
        hands.at(59_998, 1);
        hands.at(59_997, 5);
        await hands.told(id, "FILL", 2);
      },
    ),
    card("fills: one that nobody told is found by the gateway's question", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "gap" });
      hands.at(59_990);
      await sleep(200);
      same(hands.kinds(id), ["ACK"], "before the question");
      hands.query(id);
      await hands.told(id, "FILL");
    }),
    card("fills: an event that cannot be read is asked for", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "garbled" });
      hands.at(59_990);
      await hands.told(id, "FILL");
    }),
    card("events that are late are taken in their order", async (hands) => {
      hands.inject({ switch: "late_events", ms: 1_200 });
      const id = hands.place({ type: "MARKET", units: 2 });
      await hands.told(id, "ACK");
      await hands.told(id, "FILL", 2);
    }),
    card("amend: a smaller quantity at the same price", async (hands) => {
      const id = await hands.taken({ units: 3 });
      hands.amend(id, 59_000, 2);
      const { lastPxTicks } = await hands.told(id, "REPLACED");
      same(lastPxTicks, market.ticks(59_000), "the price");
      hands.at(58_990, 9);
      await hands.agree();
      same(hands.status(id), "FILLED", "it");
    }),
    card(
      spot ? "amend: another price is refused unsent" : "amend: another price and more of it",
      async (hands) => {
        const id = await hands.taken({ units: 2 });
        hands.amend(id, 59_100, 3);
        if (!spot) {
          await hands.told(id, "REPLACED");
          hands.at(59_090, 9);
          await hands.agree();
          return same(hands.status(id), "FILLED", "it");
        }
        const { reason } = await hands.told(id, "AMEND_REJECT");
        same([reason, hands.status(id)], ["MALFORMED", "NEW"], "it");
      },
    ),
    card("amend: refused by the venue, the order stands as it was", async (hands) => {
      const id = await hands.taken({ units: 2 });
      hands.inject({ switch: "replace_rejected" });
      hands.amend(id, 59_000, 1);
      same((await hands.told(id, "AMEND_REJECT")).reason, "VENUE_REJECT", "the reason");
      hands.at(58_990, 9);
      await hands.agree();
      same(hands.venue.truth().orders.get(id)?.cumLots, BigInt(2 * market.unitLots), "filled");
    }),
    card("amend: its answer is lost, the event tells", async (hands) => {
      const id = await hands.taken({ units: 2 });
      hands.inject({ switch: "replace_ack_lost" });
      hands.amend(id, 59_000, 1);
      await hands.told(id, "REPLACED");
    }),
    card("amend: answer and event are lost, the terms at the venue decide", async (hands) => {
      const id = await hands.taken({ units: 2 });
      hands.inject({ switch: "replace_ack_lost" });
      hands.inject({ switch: "gap" });
      hands.amend(id, 59_000, 1);
      await hands.told(id, "REPLACED");
    }),
    card("amend: it is under way when the order fills", async (hands) => {
      const id = await hands.taken({ units: 2 });
      hands.inject({ switch: "pending_replace", ms: 500 });
      hands.amend(id, 59_000, 1);
      await sleep(150);
      hands.at(58_990, 9);
      await hands.told(id, "FILL");
      await sleep(600);
      // Its end is what is told; the amend came to nothing.
      same([hands.count("REPLACED"), hands.status(id)], [0, "FILLED"], "it");
    }),
    card("cancel: of an open order, with what was filled before", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 3 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.cancel(id);
      const told = await hands.told(id, "CANCELLED");
      same(told.cumQtyLots > 0, true, "the filled quantity");
    }),
    card("cancel: of what has ended, and of what was never sent", async (hands) => {
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
      hands.cancel(id);
      same((await hands.told(id, "CANCEL_REJECT")).reason, "UNKNOWN_ORDER", "of what has ended");
      const nobody = "v".repeat(25);
      hands.cancel(nobody);
      same((await hands.told(nobody, "NEVER_SENT")).reason, "NEVER_SENT", "of nobody's order");
    }),
    card("cancel: the venue refuses it although the order stands", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "cancel_rejected" });
      hands.cancel(id);
      await hands.told(id, "CANCEL_REJECT");
      same(hands.status(id), "NEW", "it");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel: its answer is lost", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "cancel_ack_lost" });
      hands.inject({ switch: "gap" });
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel race: it is under way when the order fills", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "pending_cancel", ms: 500 });
      hands.cancel(id);
      await sleep(150);
      hands.at(58_990);
      await hands.told(id, "FILL");
      await sleep(600);
      same([hands.count("CANCELLED"), hands.status(id)], [0, "FILLED"], "it");
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
    ...([429, 418] as const).map((status) =>
      card(`rate limit: after ${status} nothing is sent before its time`, async (hands) => {
        const resting = await hands.taken();
        hands.venue.block(market.id, status, 2_000);
        const began = performance.now();
        const first = hands.place();
        await hands.told(first, "REJECT");
        const second = hands.place();
        same((await hands.told(second, "NEVER_SENT")).reason, "RATE_BUDGET", "the next order");
        hands.cancel(resting);
        await hands.told(resting, "CANCELLED");
        const ms = performance.now() - began;
        expect(ms >= 1_900, `the cancel was done after ${ms} ms`);
        await hands.taken();
      }),
    ),
    card("rate limit: the venue's window is never passed, and cancels have room", async (hands) => {
      const first = await hands.taken();
      const asked = Array.from({ length: market.ordersPer10s + 20 }, () => hands.place());
      const last = asked.at(-1) as string;
      same((await hands.told(last, "NEVER_SENT")).reason, "RATE_BUDGET", "the last");
      hands.cancel(first);
      await hands.told(first, "CANCELLED");
      same(hands.count("REJECT"), 0, "refusals of the venue");
      expect(hands.count("ACK") >= market.ordersPer10s / 2, `${hands.count("ACK")} were sent`);
    }),
    card("reconnect: the session is lost and comes back, orders rest on", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "disconnect" });
      await hands.down();
      await hands.up(2);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("reconnect: an order sent into the loss is settled", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 5_000 });
      hands.inject({ switch: "gap" });
      const id = hands.place();
      await hands.told(id, "SENT");
      await sleep(100);
      hands.inject({ switch: "disconnect" });
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "ACK");
    }),
    card("reconnect: the user stream alone ends", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "stream_ends" });
      await hands.down();
      hands.at(59_990);
      await hands.up(2);
      await hands.told(id, "FILL");
    }),
    card("session roll: the venue says goodbye, is away and trades meanwhile", async (hands) => {
      const filled = await hands.taken({ dollars: 59_999.5 });
      const rests = await hands.taken({ dollars: 50_000 });
      hands.inject({ switch: "session_roll", ms: 1_000 });
      await hands.down();
      hands.at(59_990);
      same(
        (await hands.told(hands.place(), "NEVER_SENT")).reason,
        "VENUE_UNREACHABLE",
        "meanwhile",
      );
      await hands.up(2);
      await hands.told(filled, "FILL");
      same(hands.status(rests), "NEW", "the other");
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
      await hands.told(hands.place(), "REJECT");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
      await sleep(900);
      await hands.taken();
    }),
    ...([5_000, -5_000] as const).map((ms) =>
      card(
        `clock: the venue's is ${ms / 1_000} s off, orders are refused and not lost`,
        async (hands) => {
          hands.venue.skew(ms);
          const { venueText } = await hands.told(hands.place(), "REJECT");
          same(venueText.split(" ")[1], "-1021", "the code");
          hands.venue.skew(0);
          await hands.taken();
        },
      ),
    ),
  ];
}
