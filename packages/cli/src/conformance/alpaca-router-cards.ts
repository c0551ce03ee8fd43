/**
 * Our order path to Alpaca, against the simulated one: the execution-router as it runs in production, what it makes of everything
 * the venue can do, and the venue's own log as the judge of it.
 */

import type { Report } from "@tidegate/contracts";
import { ALPACA } from "./alpaca-router.ts";
import { CARD_MS_MAX, type Card, expect, same, until } from "./cards.ts";
import { Hands, type Thrown } from "./router.ts";
import { cancelCards, cardMakers } from "./router-cards.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const slow = (card: Card): Card => ({ ...card, msMax: 2 * CARD_MS_MAX });

/** Each card has a venue, a router and a book of its own, and ends with both books compared. */
export function alpacaRouterCards(heard?: (report: Report) => Report): readonly Card[] {
  const make = cardMakers(ALPACA, heard);
  const { bare, card, order, unknown } = make;
  const refused = (name: string, thrown: Thrown | null, units: number, code: string) =>
    card(`refused: ${name}`, async (hands) => {
      if (thrown !== null) hands.inject(thrown);
      const id = hands.place({ units });
      const { reason, venueText } = await hands.told(id, "REJECT");
      expect(venueText.startsWith(code), `it was told ${venueText}, want ${code}`);
      same([reason, hands.kinds(id)], ["VENUE_REJECT", ["REJECT"]], "the reject");
    });
  return [
    card("login: the venue is up once the stream listens", async (hands) => {
      await hands.taken();
      same(hands.count("VENUE_DOWN"), 0, "lost sessions");
    }),
    bare("login: with a wrong key nothing is sent", { apiKey: "sim-nobody" }, async (hands) => {
      await sleep(1_500);
      const { reason } = await hands.told(hands.place(), "NEVER_SENT");
      same([reason, hands.count("VENUE_UP")], ["VENUE_UNREACHABLE", 0], "the order");
    }),
    bare(
      "login: one that nobody answers is given up and tried again",
      { before: ({ orders }) => orders.inject({ switch: "auth_timeout" }) },
      async (hands) => {
        await hands.up();
        await hands.taken();
        same(ALPACA.injected(hands.venue)["auth_timeout"], 1, "logins that were not answered");
      },
    ),
    order("LIMIT GTC rests", {}, ["ACK"], "NEW"),
    order(
      "MARKET fills at two prices",
      { type: "MARKET", units: 2 },
      ["ACK", "FILL", "FILL"],
      "FILLED",
    ),
    order("LIMIT GTC that crosses fills", { dollars: 60_001 }, ["ACK", "FILL"], "FILLED"),
    order(
      "LIMIT IOC fills what is there and is cancelled",
      { dollars: 60_001, tif: "IOC", units: 3 },
      ["ACK", "FILL", "CANCELLED"],
      "CANCELED",
    ),
    order(
      "LIMIT FOK fills whole",
      { dollars: 60_002, tif: "FOK", units: 2 },
      ["ACK", "FILL", "FILL"],
      "FILLED",
    ),
    order(
      "LIMIT FOK that cannot is cancelled",
      { dollars: 60_002, tif: "FOK", units: 3 },
      ["ACK", "CANCELLED"],
      "CANCELED",
    ),
    card("post-only: the venue has no such order, and none is sent", async (hands) => {
      const { reason } = await hands.told(hands.place({ tif: "POST_ONLY" }), "NEVER_SENT");
      same(reason, "MALFORMED", "the reason");
    }),
    refused("more than there is money for", null, 9_000, "403 40310000"),
    refused("the rule of pattern day traders", { switch: "pattern_day_trader" }, 1, "403 40310100"),
    refused("one request too many", { switch: "rate_limit" }, 1, "429 42910000"),
    card("rate limit: after a 429 nothing leaves before the venue's time", async (hands) => {
      hands.inject({ switch: "rate_limit" });
      await hands.told(hands.place(), "REJECT");
      const { reason } = await hands.told(hands.place(), "NEVER_SENT");
      same(reason, "RATE_BUDGET", "the next");
      await sleep(1_200);
      await hands.taken();
    }),
    slow(
      card(
        "rate limit: 180 in a minute are ours, and a fifth of them are for cancels [B018]",
        async (hands) => {
          const first = await hands.taken();
          const asked: string[] = [];
          // Ten at once: more would wait at a slow venue until the router counts them as faults of it.
          const answered = () => hands.count("ACK") + hands.count("NEVER_SENT");
          const before = answered();
          for (let n = 1; n <= 200; n += 1) {
            asked.push(hands.place());
            if (n % 10 === 0) await until("ten answers", () => answered() >= before + n, 20_000);
          }
          const { reason } = await hands.told(asked.at(-1) as string, "NEVER_SENT");
          same(reason, "RATE_BUDGET", "the last");
          hands.cancel(first);
          await hands.told(first, "CANCELLED");
          same(
            [hands.count("REJECT"), hands.count("VENUE_DOWN")],
            [0, 0],
            "refusals, lost sessions",
          );
          const requests = Number(hands.venue.orders.stats()["requests"]);
          expect(
            requests <= 180 && hands.count("ACK") >= 100,
            `${requests}, ${hands.count("ACK")} taken`,
          );
        },
      ),
    ),
    // Without its event, which may come before the router hears that there will be no answer.
    unknown(
      "the venue takes it and the connection ends",
      [{ switch: "gap" }, { switch: "ack_lost" }],
      true,
    ),
    unknown("the venue takes it and says 504", [{ switch: "gap" }, { switch: "ack_504" }], true),
    slow(unknown("the request is lost with its connection", [{ switch: "request_lost" }], false)),
    slow(unknown("the venue says 500 and does not take it", [{ switch: "answer_500" }], false)),
    card("unknown outcome: an answer that is too late changes nothing", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 3_500 });
      const id = hands.place();
      await sleep(4_000);
      const kinds = hands.kinds(id);
      same(kinds.filter((kind) => kind === "ACK").length, 1, `acks of ${kinds}`);
    }),
    card("unknown outcome: what it filled is fetched from the list of fills", async (hands) => {
      hands.inject({ switch: "gap", count: 4 });
      hands.inject({ switch: "ack_lost" });
      const id = hands.place({ type: "MARKET", units: 2 });
      await hands.told(id, "UNKNOWN");
      await hands.told(id, "FILL", 2);
      hands.venue.orders.inject({ switch: "disconnect" });
      await hands.up(2);
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
    }),
    card("fills: before the answer to the order", async (hands) => {
      hands.inject({ switch: "fill_before_ack" });
      const id = hands.place({ dollars: 60_001 });
      await hands.told(id, "FILL");
    }),
    card("fills: told twice they are booked once", async (hands) => {
      hands.inject({ switch: "duplicate", count: 3 });
      const id = hands.place({ type: "MARKET" });
      await hands.told(id, "FILL");
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
    card("fills: events that come late, in order", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "late_events", ms: 800 });
      hands.at(59_990);
      await hands.told(id, "FILL");
    }),
    card("amend: price and quantity, by new orders of the venue", async (hands) => {
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
    card("amend: of an order that is filled in part, to a total", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 3 });
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.at(60_000);
      hands.amend(id, 59_000, 4);
      const { leavesQtyLots, cumQtyLots } = await hands.told(id, "REPLACED");
      same(Number(leavesQtyLots) + Number(cumQtyLots), 4 * ALPACA.unitLots, "the total");
      hands.at(58_990, 5);
      await hands.agree();
      same(hands.status(id), "FILLED", "at the venue");
    }),
    card("amend: rejected after it was taken, the order stands", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "replace_rejected" });
      hands.amend(id, 58_500, 2);
      await hands.told(id, "AMEND_REJECT");
      same(hands.status(id), "NEW", "at the venue");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
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
    card("amend: what fills while it is under way comes on top", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5, units: 3 });
      hands.inject({ switch: "pending_replace", ms: 500 });
      hands.amend(id, 59_000, 3);
      await sleep(150);
      hands.at(59_998, 1);
      await hands.told(id, "FILL");
      hands.at(60_000);
      const { leavesQtyLots } = await hands.told(id, "REPLACED");
      same(Number(leavesQtyLots), 3 * ALPACA.unitLots, "what is left");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    ...cancelCards(make),
    card("cancel: done, and its event never told", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "gap" });
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel race: asked for before the order is answered", async (hands) => {
      hands.inject({ switch: "ack_late", ms: 600 });
      const id = hands.place();
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel: of an order that somebody else has replaced meanwhile", async (hands) => {
      const id = await hands.taken();
      const { venueOrderId } = await hands.told(id, "ACK");
      hands.inject({ switch: "gap", count: 2 });
      const change = { limit_price: "58000", client_order_id: `${id}-hand` };
      await hands.venue.byHand("PATCH", `/v2/orders/${venueOrderId}`, change);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("cancel: everything at once", async (hands) => {
      const ids = [await hands.taken(), await hands.taken({ dollars: 58_000 })];
      hands.cancelAll();
      for (const id of ids) await hands.told(id, "CANCELLED");
    }),
    card("reconnect: the stream is lost and comes back, orders rest on", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "disconnect" });
      await hands.down();
      await hands.up(2);
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
    card("reconnect: a stream that is dead and open is given up", async (hands) => {
      const id = await hands.taken({ dollars: 59_999.5 });
      hands.inject({ switch: "half_open" });
      hands.at(59_990);
      await hands.down();
      await hands.told(id, "FILL");
    }),
    card("reconnect: a fill of meanwhile is told once, from the list of fills", async (hands) => {
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
      await hands.told(id, "ACK");
    }),
    card(
      "our own restart: what happened meanwhile is booked once, over all versions",
      async (hands) => {
        const filled = await hands.taken({ dollars: 59_999.5, units: 2 });
        hands.at(59_998, 1);
        await hands.told(filled, "FILL");
        hands.at(60_000);
        hands.amend(filled, 59_500, 3);
        await hands.told(filled, "REPLACED");
        const rests = await hands.taken({ dollars: 50_000 });
        await hands.restart(() => hands.at(59_000, 5));
        await hands.told(filled, "FILL", 2);
        await hands.agree();
        same(hands.status(filled), "FILLED", "at the venue");
        hands.cancel(rests);
        await hands.told(rests, "CANCELLED");
      },
    ),
    card("halt: orders wait for its end, cancels do not", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "halt", ms: 800 });
      const waits = await hands.taken({ dollars: 60_001 });
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
      await hands.told(waits, "FILL");
    }),
    card("session roll: what is until cancelled rests on", async (hands) => {
      const id = await hands.taken();
      hands.inject({ switch: "session_roll", ms: 500 });
      await sleep(700);
      same(hands.status(id), "NEW", "it");
      hands.cancel(id);
      await hands.told(id, "CANCELLED");
    }),
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
    {
      name: "kill: nothing leaves, and everything at the venue is cancelled, what nobody here knows too",
      async run() {
        await using hands = await Hands.open(ALPACA, heard === undefined ? {} : { heard });
        await hands.up();
        const part = await hands.taken({ dollars: 59_999.5, units: 3 });
        hands.at(59_998, 1);
        await hands.told(part, "FILL");
        const ids = [part, await hands.taken(), await hands.taken({ dollars: 58_000 })];
        const manual = {
          symbol: "AAPL",
          qty: "1",
          side: "buy",
          type: "limit",
          time_in_force: "gtc",
        };
        await hands.venue.byHand("POST", "/v2/orders", { ...manual, limit_price: "57000" });
        hands.kill();
        for (const id of ids) await hands.told(id, "CANCELLED");
        await hands.said("mass cancel confirmed");
        same(hands.venue.truth().openOrders, [], "what is open");
        same((await hands.told(hands.place(), "NEVER_SENT")).reason, "KILLED", "a new order");
        // What comes while the kill stands goes as well.
        await hands.venue.byHand("POST", "/v2/orders", { ...manual, limit_price: "57000" });
        await until("the end of it", () => hands.venue.truth().openOrders.length === 0);
      },
    },
  ];
}
