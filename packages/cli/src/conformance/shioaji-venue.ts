/** Our adapter of Shioaji against the simulated daemon: what it makes of everything the venue can do, its log as the judge. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Injection } from "@tidegate/venue-sim/shioaji";
import {
  ACCOUNT_ID,
  BROKER_ID,
  LOT_SHARES,
  REFUSALS,
  ShioajiOrders,
} from "@tidegate/venue-sim/shioaji";
import { NoAnswer, type RestAnswer, RestClient, shioaji } from "@tidegate/venues";
import { type Card, expect, same, until } from "./cards.ts";

const { orders, session, account, paths } = shioaji;
type NewOrder = shioaji.orders.NewOrder;
type Outcome = shioaji.orders.Outcome;
type Found = shioaji.orders.Found;

const ACCOUNT = { brokerId: BROKER_ID, accountId: ACCOUNT_ID };
const SCALES = { pxScale: 2, qtyScale: 0 };
const CODE = "2890";
const KEY = "key:secret";
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Booked {
  readonly customField: string;
  readonly pxTicks: bigint;
  readonly qtyLots: bigint;
}

interface HandsOptions {
  /** False where there is no venue to compare with at the end. */
  readonly compares?: boolean;
  readonly bearer?: string;
  readonly answerMsMax?: number;
  /** What comes of a fill before it is booked: the place to plant a fault. */
  readonly heard?: (fill: Booked) => Booked;
}

/** The adapter as a shell holds it: one client, one stream, one book of fills; requests of orders one after the other. */
class Hands implements AsyncDisposable {
  readonly venue: ShioajiOrders;
  readonly operations: shioaji.session.Operation[] = [];
  readonly booked: Booked[] = [];
  readonly #rest: RestClient;
  readonly #window = new shioaji.limits.OrderWindow();
  readonly #deals = new session.Deals();
  readonly #heard: (fill: Booked) => Booked;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #dir: string;
  readonly #armed = new Set<string>();
  #stream: AbortController | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #sent = 0;
  beats = 0;
  unread = 0;
  streamEnds = 0;

  private constructor(venue: ShioajiOrders, dir: string, options: HandsOptions) {
    this.venue = venue;
    this.#dir = dir;
    this.#heard = options.heard ?? ((fill) => fill);
    this.#base = `http://127.0.0.1:${venue.port}`;
    this.#headers = { authorization: `Bearer ${options.bearer ?? KEY}` };
    const { answerMsMax = 5_000 } = options;
    this.#rest = new RestClient({ baseUrl: this.#base, answerMsMax, headers: this.#headers });
  }

  static async open(options: HandsOptions = {}): Promise<Hands> {
    const dir = mkdtempSync(join(tmpdir(), "tidegate-shioaji-"));
    const venue = await ShioajiOrders.alone(dir, {
      bearer: KEY,
      onFatal: (error) => {
        throw error;
      },
    });
    const hands = new Hands(venue, dir, options);
    hands.at(3_000);
    return hands;
  }

  /** Writes the market: so many lots at each of two prices a side, a step and two from the middle, in hundredths. */
  at(ticks: number, lots = 1): void {
    const level = (away: number) => [((ticks + away) / 100).toFixed(2), lots] as const;
    this.venue.book(CODE, { bids: [level(-5), level(-10)], asks: [level(5), level(10)] });
  }

  inject(injection: Injection): void {
    this.#armed.add(injection.switch);
    this.venue.inject(injection);
  }

  order(change: Partial<NewOrder> = {}): NewOrder {
    this.#sent += 1;
    return {
      ...{ customField: orders.customField(this.#sent), exchange: "TSE", code: CODE, side: "BUY" },
      ...{ type: "LIMIT", tif: "ROD", qtyLots: 1n, pxTicks: 2_950n },
      ...change,
    } as NewOrder;
  }

  async ask({ method, target, body }: shioaji.orders.Request): Promise<RestAnswer | NoAnswer> {
    try {
      return await this.#rest.send(method, target, body);
    } catch (error) {
      if (error instanceof NoAnswer) return error;
      throw error;
    }
  }

  /** One request of orders at a time, and none that the venue's window has no room for. */
  change(request: shioaji.orders.Request): Promise<Outcome> {
    const act = async (): Promise<Outcome> => {
      const waitMs = this.#window.take(performance.now());
      if (waitMs > 0) return { kind: "later", reason: "RATE_BUDGET", waitMs };
      return orders.outcomeOf(await this.ask(request), SCALES);
    };
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  place(order: NewOrder): Promise<Outcome> {
    return this.change(orders.placeRequest(order, ACCOUNT, SCALES));
  }

  /** Places an order that must be taken. */
  async taken(order: NewOrder): Promise<string> {
    const outcome = await this.place(order);
    if (outcome.kind !== "taken") throw new Error(`not taken: ${outcome.kind}`);
    return outcome.order.tradeId;
  }

  async find(order: NewOrder): Promise<Found> {
    this.#window.take(performance.now());
    return orders.foundOf(await this.ask(orders.tradesRequest(ACCOUNT)), order, SCALES);
  }

  async state(order: NewOrder): Promise<string> {
    const found = await this.find(order);
    return found.kind === "found" ? found.order.state : found.kind;
  }

  async view(order: NewOrder): Promise<shioaji.orders.OrderView> {
    const found = await this.find(order);
    if (found.kind !== "found") throw new Error(`it is ${found.kind}`);
    return found.order;
  }

  /** Asks for the terms; every outcome, in order. */
  async amend(order: NewOrder, totalLots: bigint, pxTicks: bigint): Promise<string[]> {
    const requests = orders.amendRequests(await this.view(order), { totalLots, pxTicks }, SCALES);
    if (requests === null) return ["impossible"];
    const kinds: string[] = [];
    for (const request of requests) kinds.push((await this.change(request)).kind);
    return kinds;
  }

  /** What was missed while nobody heard: the day's orders, with the fills nobody told. */
  async catchUp(): Promise<void> {
    const answer = await this.ask(orders.tradesRequest(ACCOUNT));
    if (answer instanceof NoAnswer) throw answer;
    for (const view of orders.orderViews(answer, SCALES)) {
      for (const { pxTicks, qtyLots } of this.#deals.adopt(view)) {
        this.booked.push(this.#heard({ customField: view.customField, pxTicks, qtyLots }));
      }
    }
  }

  /** Subscribes to the account's trades and opens the stream. */
  async listen(subscribe = true): Promise<void> {
    if (subscribe) {
      const answer = await this.ask(session.subscribeTradeRequest(ACCOUNT));
      same(answer instanceof NoAnswer ? 0 : answer.status, 200, "subscribe_trade");
    }
    this.#stream?.abort();
    const stream = new AbortController();
    this.#stream = stream;
    const before = this.beats;
    void this.#read(stream.signal).catch(() => {
      this.streamEnds += 1;
    });
    await until("the first heartbeat", () => this.beats > before, 3_000);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const response = await fetch(`${this.#base}${paths.orderEvents}`, {
      headers: this.#headers,
      signal,
    });
    const reader = new session.EventReader();
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      for (const event of reader.push(decoder.decode(chunk, { stream: true }))) this.#hear(event);
    }
    if (!signal.aborted) this.streamEnds += 1;
  }

  #hear(event: shioaji.session.StreamEvent): void {
    let read: shioaji.session.Message;
    try {
      read = session.message(event, SCALES);
    } catch {
      // It was something: the day's orders say what.
      this.unread += 1;
      void this.catchUp();
      return;
    }
    if (read.kind === "heartbeat") this.beats += 1;
    if (read.kind === "operation") this.operations.push(read.operation);
    if (read.kind === "deal" && this.#deals.hear(read.deal)) {
      const { customField, pxTicks, qtyLots } = read.deal;
      this.booked.push(this.#heard({ customField, pxTicks, qtyLots }));
    }
  }

  /** Waits for an operation on an order. */
  told(order: NewOrder, type: string, done = true): Promise<shioaji.session.Operation> {
    return until(`${type} of ${order.customField}`, () =>
      this.operations.find(
        (each) =>
          each.customField === order.customField && each.type === type && each.done === done,
      ),
    );
  }

  fills(order: NewOrder): Booked[] {
    return this.booked.filter(({ customField }) => customField === order.customField);
  }

  filled(order: NewOrder, times = 1): Promise<boolean> {
    return until(`fills of ${order.customField}`, () => this.fills(order).length >= times);
  }

  /** Our book is the venue's: the same fills, each once; nothing is there twice; each switch that was thrown has acted. */
  async agree(): Promise<void> {
    await this.catchUp();
    const { fills, duplicates, inconsistencies } = this.venue.truth();
    same([inconsistencies, duplicates], [[], 0], "the venue's log");
    const ours = this.booked.map((each) => `${each.customField} ${each.pxTicks} ${each.qtyLots}`);
    const theirs = fills.map(
      ({ clientOrderId, pxTicks, qtyLots }) =>
        `${clientOrderId} ${pxTicks} ${qtyLots / BigInt(LOT_SHARES)}`,
    );
    same(ours.toSorted(), theirs.toSorted(), "the fills");
    const injected = this.venue.injected();
    for (const name of this.#armed)
      expect((injected[name] ?? 0) > 0, `${name} was armed and nothing met it`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream?.abort();
    await this.venue[Symbol.asyncDispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Refusals that an order can earn by itself, with our reason for each. */
const OWN_FAULTS: readonly (readonly [what: string, change: Partial<NewOrder>, reason: string])[] =
  [
    ["a price between two ticks", { pxTicks: 2_951n }, "PRICE_OFF_TICK"],
    ["no quantity", { qtyLots: 0n }, "VENUE_REJECT"],
    ["more lots than one order may have", { qtyLots: 500n }, "VENUE_REJECT"],
    [
      "more than there are holdings for",
      { code: "6488", side: "SELL", qtyLots: 499n },
      "VENUE_REJECT",
    ],
    ["a market order for the day", { type: "MARKET", pxTicks: null }, "VENUE_REJECT"],
    ["a stock nobody knows", { code: "9999" }, "UNKNOWN_ORDER"],
    ["a custom field that is too long", { customField: "0000000" }, "VENUE_REJECT"],
  ];

/** Each card opens a daemon of its own with 2890 at 30.00, one lot at each of two prices a side. */
export function shioajiVenueCards(heard?: (fill: Booked) => Booked): readonly Card[] {
  const card = (
    name: string,
    act: (hands: Hands) => Promise<void>,
    options: HandsOptions = {},
  ): Card => ({
    name,
    async run() {
      await using hands = await Hands.open({
        ...options,
        ...(heard === undefined ? {} : { heard }),
      });
      await act(hands);
      if (options.compares !== false) await hands.agree();
    },
  });
  /** A card that begins with the stream open. */
  const live = (name: string, act: (hands: Hands) => Promise<void>, answerMsMax = 5_000): Card =>
    card(
      name,
      async (hands) => {
        await hands.listen();
        await act(hands);
      },
      { answerMsMax },
    );
  /** A switch that leaves the outcome of a new order unknown, and whether the order is there. */
  const unknown = (
    name: "ack_lost" | "ack_500" | "request_lost" | "answer_500",
    there: boolean,
  ): Card =>
    live(`unknown outcome: ${name}`, async (hands) => {
      hands.inject({ switch: name });
      const order = hands.order();
      same((await hands.place(order)).kind, "unknown", "the outcome");
      same((await hands.find(order)).kind, there ? "found" : "absent", "in the list of trades");
    });
  const atMarket = { type: "MARKET", tif: "IOC", pxTicks: null } as const;
  return [
    card("logon: the daemon is well, and the stream beats", async (hands) => {
      const answer = await hands.ask(account.healthRequest());
      if (answer instanceof NoAnswer) throw answer;
      same(account.healthOf(answer), { tokenStale: false, certificateExpired: false }, "health");
      await hands.listen();
    }),
    card(
      "logon: a wrong key is told so, and nothing is taken",
      async (hands) => {
        const outcome = await hands.place(hands.order());
        same(outcome.kind, "refused", "the order");
        same(hands.venue.truth().orders.size, 0, "orders at the venue");
      },
      { bearer: "nobody:nothing", compares: false },
    ),
    card("logon: a stream that nobody answers is given up; the next is heard", async (hands) => {
      hands.inject({ switch: "auth_timeout" });
      let late = false;
      await hands.listen().catch(() => {
        late = true;
      });
      expect(late, "it was answered");
      await hands.listen();
    }),
    card("logon: without subscribe_trade there are heartbeats and nothing else", async (hands) => {
      await hands.listen(false);
      const order = hands.order(atMarket);
      await hands.taken(order);
      await sleep(200);
      same([hands.operations.length, hands.booked.length], [0, 0], "what was told");
    }),
    live("new order: LMT ROD rests, and 200 was not the last word", async (hands) => {
      const order = hands.order();
      const outcome = await hands.place(order);
      same(outcome.kind === "taken" && outcome.order.state, "PENDING", "the answer");
      await hands.told(order, "New");
      same(await hands.state(order), "LIVE", "it");
    }),
    live("new order: MKT IOC fills at two prices", async (hands) => {
      const order = hands.order({ ...atMarket, qtyLots: 2n });
      await hands.taken(order);
      await hands.filled(order, 2);
      same(
        hands.fills(order).map(({ pxTicks, qtyLots }) => [pxTicks, qtyLots]),
        [
          [3_005n, 1n],
          [3_010n, 1n],
        ],
        "the fills",
      );
      same(await hands.state(order), "FILLED", "it");
    }),
    live("new order: LMT IOC fills what is there, the rest is cancelled", async (hands) => {
      const order = hands.order({ tif: "IOC", pxTicks: 3_005n, qtyLots: 3n });
      await hands.taken(order);
      await hands.filled(order);
      const { state, filledLots, cancelledLots } = await hands.view(order);
      same([state, filledLots, cancelledLots], ["CANCELED", 1n, 2n], "it");
    }),
    live("new order: LMT FOK that cannot is cancelled whole", async (hands) => {
      const order = hands.order({ tif: "FOK", pxTicks: 3_010n, qtyLots: 3n });
      await hands.taken(order);
      await hands.told(order, "Cancel");
      same([await hands.state(order), hands.fills(order).length], ["CANCELED", 0], "it");
    }),
    live("new order: LMT FOK fills whole", async (hands) => {
      const order = hands.order({ tif: "FOK", pxTicks: 3_010n, qtyLots: 2n });
      await hands.taken(order);
      await hands.filled(order, 2);
    }),
    ...OWN_FAULTS.map(([what, change, reason]) =>
      live(`refused: ${what}`, async (hands) => {
        const outcome = await hands.place(hands.order(change));
        same([outcome.kind, "reason" in outcome && outcome.reason], ["refused", reason], "it");
        same(hands.venue.truth().orders.size, 0, "orders at the venue");
      }),
    ),
    live("refused: more than there is money for", async (hands) => {
      hands.venue.book("2330", { bids: [["2000", 1]], asks: [["2005", 1]] });
      const outcomes: string[] = [];
      for (let n = 0; n < 3; n += 1) {
        const order = hands.order({ code: "2330", qtyLots: 499n, pxTicks: 199_500n });
        const outcome = await hands.place(order);
        outcomes.push("reason" in outcome ? outcome.reason : outcome.kind);
      }
      same(outcomes, ["taken", "BUYING_POWER_EXCEEDED", "BUYING_POWER_EXCEEDED"], "they");
    }),
    ...Object.entries(REFUSALS).map(([status, words]) =>
      live(`refused: status ${status} ${words}`, async (hands) => {
        hands.inject({ switch: "refuse", code: Number(status) });
        const outcome = await hands.place(hands.order());
        same(
          [outcome.kind, "words" in outcome && outcome.words],
          ["refused", words],
          "the outcome",
        );
        await hands.taken(hands.order());
      }),
    ),
    live("rejected after it was taken", async (hands) => {
      hands.inject({ switch: "reject_after_ack" });
      const order = hands.order();
      await hands.taken(order);
      await hands.told(order, "New", false);
      same(await hands.state(order), "REJECTED", "it");
    }),
    live("fills: each has the exchange's own key", async (hands) => {
      const order = hands.order({ pxTicks: 2_995n, qtyLots: 3n });
      await hands.taken(order);
      hands.at(2_985, 1);
      hands.at(2_980, 5);
      await hands.filled(order, 2);
    }),
    live("fills: before their order's event", async (hands) => {
      hands.inject({ switch: "fill_before_ack" });
      const order = hands.order(atMarket);
      await hands.taken(order);
      await hands.filled(order);
      await hands.told(order, "New");
    }),
    live("fills: told twice they are booked once", async (hands) => {
      hands.inject({ switch: "duplicate", count: 2 });
      const order = hands.order(atMarket);
      await hands.taken(order);
      await hands.filled(order);
      await sleep(150);
      same(hands.fills(order).length, 1, "fills");
    }),
    live("fills: one that nobody told is in the list of trades", async (hands) => {
      hands.inject({ switch: "gap", count: 2 });
      const order = hands.order(atMarket);
      await hands.taken(order);
      await sleep(150);
      same(hands.fills(order).length, 0, "fills that were told");
      await hands.catchUp();
      same(hands.fills(order).length, 1, "fills");
    }),
    live("fills: one that was listed first and told after that counts once", async (hands) => {
      hands.inject({ switch: "late_events", ms: 600 });
      const order = hands.order(atMarket);
      await hands.taken(order);
      await hands.catchUp();
      same(hands.fills(order).length, 1, "fills of the list");
      await hands.told(order, "New");
      await sleep(100);
      same(hands.fills(order).length, 1, "fills");
    }),
    live("fills: an event that cannot be read is asked for", async (hands) => {
      hands.inject({ switch: "garbled", count: 2 });
      const order = hands.order(atMarket);
      await hands.taken(order);
      await hands.filled(order);
      expect(hands.unread > 0, "it was read");
    }),
    live("amend: another price", async (hands) => {
      const order = hands.order();
      await hands.taken(order);
      same(await hands.amend(order, 1n, 2_900n), ["taken"], "it");
      await hands.told(order, "UpdatePrice");
      same((await hands.view(order)).pxTicks, 2_900n, "its price");
    }),
    live("amend: a quantity is taken off, by as much as is too much", async (hands) => {
      const order = hands.order({ qtyLots: 5n });
      await hands.taken(order);
      same(await hands.amend(order, 2n, 2_950n), ["taken"], "it");
      await hands.told(order, "UpdateQty");
      const { qtyLots, cancelledLots } = await hands.view(order);
      same([qtyLots, cancelledLots], [5n, 3n], "the order");
      same(await hands.amend(order, 1n, 2_900n), ["taken", "taken"], "both at once");
      await hands.told(order, "UpdatePrice");
      same((await hands.view(order)).cancelledLots, 4n, "what was taken off");
    }),
    live("amend: what is filled counts in the total", async (hands) => {
      const order = hands.order({ pxTicks: 2_995n, qtyLots: 4n });
      await hands.taken(order);
      hands.at(2_985, 1);
      await hands.filled(order);
      const filled = (await hands.view(order)).filledLots;
      await hands.amend(order, filled + 1n, 2_995n);
      hands.at(2_970, 9);
      await until("the end", () => hands.fills(order).length >= 2);
      const { state, filledLots } = await hands.view(order);
      same([state, filledLots], ["FILLED", filled + 1n], "the order");
    }),
    live("amend: to more there is no way", async (hands) => {
      const order = hands.order();
      await hands.taken(order);
      same(await hands.amend(order, 2n, 2_950n), ["impossible"], "it");
    }),
    live("amend: refused, the order stands", async (hands) => {
      const order = hands.order();
      await hands.taken(order);
      hands.inject({ switch: "replace_rejected" });
      await hands.amend(order, 1n, 2_900n);
      await hands.told(order, "UpdatePrice", false);
      const { state, pxTicks } = await hands.view(order);
      same([state, pxTicks], ["LIVE", 2_950n], "the order");
    }),
    live("amend: it is under way when the order fills", async (hands) => {
      const order = hands.order({ pxTicks: 2_995n });
      await hands.taken(order);
      hands.inject({ switch: "pending_replace", ms: 200 });
      await hands.amend(order, 1n, 2_900n);
      hands.at(2_980);
      await hands.told(order, "UpdatePrice", false);
      same(await hands.state(order), "FILLED", "the order");
    }),
    live("cancel: taken is not final, the stream is", async (hands) => {
      const order = hands.order();
      const id = await hands.taken(order);
      const outcome = await hands.change(orders.cancelRequest(id));
      same(outcome.kind, "taken", "the cancel");
      same((await hands.told(order, "Cancel")).cancelledLots, 1n, "the event");
      same(await hands.state(order), "CANCELED", "the order");
    }),
    live("cancel: of what has ended, and of what nobody knows", async (hands) => {
      const order = hands.order(atMarket);
      const id = await hands.taken(order);
      await hands.filled(order);
      await hands.change(orders.cancelRequest(id));
      await hands.told(order, "Cancel", false);
      const outcome = await hands.change(orders.cancelRequest("deadbeef"));
      same("reason" in outcome && outcome.reason, "UNKNOWN_ORDER", "the reason");
    }),
    live("cancel: rejected although the order stands; a later one works", async (hands) => {
      const order = hands.order();
      const id = await hands.taken(order);
      hands.inject({ switch: "cancel_rejected" });
      await hands.change(orders.cancelRequest(id));
      await hands.told(order, "Cancel", false);
      await hands.change(orders.cancelRequest(id));
      await hands.told(order, "Cancel");
    }),
    live("cancel: done, and its answer lost", async (hands) => {
      const order = hands.order();
      const id = await hands.taken(order);
      hands.inject({ switch: "cancel_ack_lost" });
      same((await hands.change(orders.cancelRequest(id))).kind, "unknown", "the outcome");
      await hands.told(order, "Cancel");
    }),
    live("cancel race: it is under way when the order fills", async (hands) => {
      const order = hands.order({ pxTicks: 2_995n });
      const id = await hands.taken(order);
      hands.inject({ switch: "pending_cancel", ms: 200 });
      await hands.change(orders.cancelRequest(id));
      hands.at(2_980);
      await hands.told(order, "Cancel", false);
      same([await hands.state(order), hands.fills(order).length], ["FILLED", 1], "the order");
    }),
    unknown("ack_lost", true),
    unknown("ack_500", true),
    unknown("request_lost", false),
    unknown("answer_500", false),
    live(
      "unknown outcome: an answer that is too late",
      async (hands) => {
        hands.inject({ switch: "ack_late", ms: 1_500 });
        const order = hands.order();
        same((await hands.place(order)).kind, "unknown", "the outcome");
        same(await hands.state(order), "LIVE", "the order");
      },
      500,
    ),
    live(
      "unknown outcome: the list of trades is not answered either",
      async (hands) => {
        hands.inject({ switch: "ack_lost" });
        hands.inject({ switch: "query_lost" });
        const order = hands.order();
        await hands.place(order);
        same((await hands.find(order)).kind, "silent", "asked once");
        same((await hands.find(order)).kind, "found", "and again");
      },
      500,
    ),
    live(
      "unknown outcome: its price was changed meanwhile, and it is found all the same",
      async (hands) => {
        hands.inject({ switch: "ack_lost" });
        const order = hands.order();
        await hands.place(order);
        await hands.amend(order, 1n, 2_900n);
        same((await hands.view(order)).pxTicks, 2_900n, "the order");
      },
    ),
    live("unknown outcome: two that look alike are a person's", async (hands) => {
      const order = hands.order();
      await hands.taken(order);
      const twin = orders.placeRequest(order, ACCOUNT, SCALES);
      // Sent behind the adapter's back: it never sends a field twice.
      await hands.ask(orders.cancelRequest((await hands.view(order)).tradeId));
      await hands.ask({
        ...twin,
        body: (twin.body ?? "").replace(`"${order.customField}"`, '"twin"'),
      });
      const found = await hands.find({ ...order, customField: "twin" });
      same(found.kind, "found", "another field is another order");
      const answer = await hands.ask(orders.tradesRequest(ACCOUNT));
      if (answer instanceof NoAnswer) throw answer;
      const [first, second] = JSON.parse(Buffer.from(answer.body).toString()) as [object, object];
      const body = Buffer.from(JSON.stringify([first, first, second]));
      same(
        orders.foundOf({ ...answer, body }, order, SCALES).kind,
        "ambiguous",
        "two of one field",
      );
    }),
    card(
      "never sent: a daemon that is away",
      async (hands) => {
        await hands.venue[Symbol.asyncDispose]();
        const outcome = await hands.place(hands.order());
        same([outcome.kind, "reason" in outcome && outcome.reason], ["later", "NEVER_SENT"], "it");
      },
      { compares: false },
    ),
    live("rate limit: 503 is a ban, and nothing was done", async (hands) => {
      hands.inject({ switch: "rate_limit", ms: 400 });
      const outcome = await hands.place(hands.order());
      same(
        outcome,
        { kind: "later", reason: "RATE_BUDGET", waitMs: orders.BAN_WAIT_MS },
        "the outcome",
      );
      await sleep(450);
      await hands.taken(hands.order());
    }),
    live("rate limit: the venue's window is never passed", async (hands) => {
      const kinds = await Promise.all(
        Array.from({ length: 260 }, () => hands.place(hands.order({ pxTicks: 2_900n }))),
      );
      const later = kinds.filter(({ kind }) => kind === "later");
      same([later.length, kinds.at(-1)?.kind], [10, "later"], "those that were held back");
      const waits = later.map((each) => ("waitMs" in each ? each.waitMs : 0));
      expect(Math.max(...waits) <= 10_000 && Math.min(...waits) > 0, `waits ${waits.join()}`);
      expect(
        later.every((each) => "waitMs" in each && each.waitMs !== orders.BAN_WAIT_MS),
        "the venue had to say it",
      );
      // The list of trades has its place in the window too, which at the venue began when the last of them came there.
      await sleep(Math.max(...waits) + 2_000);
    }),
    live("reconnect: the stream ends, and what was missed is found", async (hands) => {
      const order = hands.order({ pxTicks: 2_995n });
      await hands.taken(order);
      await hands.told(order, "New");
      hands.inject({ switch: "disconnect" });
      await until("the end of the stream", () => hands.streamEnds > 0);
      hands.at(2_980);
      same(hands.fills(order).length, 0, "fills that were told");
      await hands.listen();
      await hands.catchUp();
      same(hands.fills(order).length, 1, "fills");
      const next = hands.order(atMarket);
      await hands.taken(next);
      await hands.filled(next);
    }),
    live("reconnect: a daemon started anew knows its orders after the list", async (hands) => {
      const order = hands.order();
      const id = await hands.taken(order);
      hands.inject({ switch: "daemon_restart" });
      const lost = await hands.change(orders.cancelRequest(id));
      same("reason" in lost && lost.reason, "UNKNOWN_ORDER", "before the list");
      await hands.listen();
      await hands.catchUp();
      await hands.change(orders.cancelRequest(id));
      await hands.told(order, "Cancel");
    }),
    live("session roll: what was for the day is over, and nobody says so", async (hands) => {
      const order = hands.order();
      await hands.taken(order);
      await hands.told(order, "New");
      hands.inject({ switch: "session_roll", ms: 300 });
      await until("the end of the stream", () => hands.streamEnds > 0);
      same((await hands.place(hands.order())).kind, "unknown", "meanwhile");
      await sleep(350);
      await hands.listen();
      same(await hands.state(order), "EXPIRED", "the order");
    }),
    live("halt: orders fail while it lasts, cancels are done", async (hands) => {
      const order = hands.order();
      const id = await hands.taken(order);
      hands.inject({ switch: "halt", ms: 400 });
      same((await hands.place(hands.order())).kind, "refused", "meanwhile");
      await hands.change(orders.cancelRequest(id));
      await hands.told(order, "Cancel");
      await sleep(450);
      await hands.taken(hands.order());
    }),
    live("positions: what the account holds is what was filled", async (hands) => {
      const order = hands.order({ ...atMarket, qtyLots: 2n });
      await hands.taken(order);
      await hands.filled(order, 2);
      const answer = await hands.ask(account.positionsRequest(ACCOUNT));
      if (answer instanceof NoAnswer) throw answer;
      same(account.positionViews(answer), [{ code: CODE, qtyLots: 2n }], "the position");
    }),
  ];
}
