/** Our adapter of Alpaca against the simulated venue: what it makes of everything the venue can do. */

import type { AlpacaOrders } from "@tidegate/venue-sim/alpaca";
import { alpaca, NoAnswer, type RestAnswer, RestClient, retried } from "@tidegate/venues";
import { WebSocket } from "ws";
import { KEY, market } from "./alpaca-orders.ts";
import { type Card, expect, same, until } from "./cards.ts";

const { orders, session, account, codec } = alpaca;
type NewOrder = alpaca.orders.NewOrder;
type Message = alpaca.session.Message;
type Update = Extract<Message, { kind: "update" }>;

const SCALES = { pxScale: 2, qtyScale: 6 };
const scales = () => SCALES;
const SHARE = 1_000_000n;
/** Nobody's order. */
const NOBODY = "00000000-0000-4000-8000-000000000000";

/** The adapter as a shell holds it: one client, one stream. */
class Hands implements Disposable {
  readonly venue: AlpacaOrders;
  readonly rest: RestClient;
  readonly updates: Update[] = [];
  readonly #base: string;
  #sent = 0;
  #socket: WebSocket | null = null;
  #closed = false;

  constructor(venue: AlpacaOrders, answerMsMax = 5_000) {
    this.venue = venue;
    this.#base = `http://127.0.0.1:${venue.port}`;
    const headers = { "APCA-API-KEY-ID": KEY.keyId, "APCA-API-SECRET-KEY": KEY.secret };
    this.rest = new RestClient({ baseUrl: this.#base, answerMsMax, headers });
  }

  async ask({ method, target, body }: alpaca.orders.Request): Promise<RestAnswer | NoAnswer> {
    try {
      return await this.rest.send(method, target, body);
    } catch (error) {
      if (error instanceof NoAnswer) return error;
      throw error;
    }
  }

  order(change: Partial<NewOrder> = {}): NewOrder {
    this.#sent += 1;
    return {
      clientOrderId: `card-${this.#sent}`,
      symbol: "AAPL",
      side: "BUY",
      type: "LIMIT",
      tif: "DAY",
      qtyLots: SHARE,
      pxTicks: 9_000n,
      stopTicks: null,
      ...change,
    };
  }

  async place(order: NewOrder): Promise<alpaca.orders.Outcome> {
    return orders.outcomeOf(await this.ask(orders.placeRequest(order, SCALES)), scales);
  }

  /** Places an order that must be taken, and gives the venue's id of it. */
  async taken(order: NewOrder): Promise<string> {
    const outcome = await this.place(order);
    if (outcome.kind !== "taken" || outcome.order === null) {
      throw new Error(`not taken: ${JSON.stringify(outcome)}`);
    }
    return outcome.order.venueOrderId;
  }

  async cancel(venueOrderId: string): Promise<alpaca.orders.Outcome> {
    return orders.outcomeOf(await this.ask(orders.cancelRequest(venueOrderId)), scales);
  }

  async amend(amend: alpaca.orders.Amend): Promise<alpaca.orders.Outcome> {
    return orders.outcomeOf(await this.ask(orders.amendRequest(amend, SCALES)), scales);
  }

  async find(clientOrderId: string): Promise<alpaca.orders.Found> {
    return orders.foundOf(await this.ask(orders.byClientIdRequest(clientOrderId)), scales);
  }

  /** Where an order stands, by our id. */
  async state(clientOrderId: string): Promise<string> {
    const found = await this.find(clientOrderId);
    return found.kind === "found" ? found.order.state : found.kind;
  }

  async body(request: alpaca.orders.Request): Promise<unknown> {
    const answer = await this.ask(request);
    if (answer instanceof NoAnswer) throw answer;
    return codec.json(answer);
  }

  async fills(): Promise<alpaca.account.FillView[]> {
    return account.fillViews(await this.body(account.fillsRequest(0, null)), scales);
  }

  /** Opens the stream and waits until it hears; false where the login is refused. */
  async listen(secret = KEY.secret): Promise<boolean> {
    const socket = new WebSocket(`${this.#base.replace("http", "ws")}/stream`);
    this.#socket = socket;
    this.#closed = false;
    let granted: boolean | null = null;
    let listening = false;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#closed = true;
    });
    socket.on("open", () => socket.send(session.login(KEY.keyId, secret)));
    socket.on("message", (data: Buffer) => {
      const read = session.message(data, scales);
      if (read.kind === "login") {
        granted = read.granted;
        if (granted) socket.send(session.listen());
      }
      if (read.kind === "listening") listening = read.streams.includes("trade_updates");
      if (read.kind === "update") this.updates.push(read);
    });
    await until("the stream", () => granted === false || listening, 3_000);
    return listening;
  }

  async ended(): Promise<void> {
    await until("the end of the stream", () => this.#closed);
  }

  /** Waits for an event of an order. */
  async told(clientOrderId: string, event: string): Promise<Update> {
    return until(`${event} of ${clientOrderId}`, () =>
      this.updates.find(
        (each) => each.order.clientOrderId === clientOrderId && each.event === event,
      ),
    );
  }

  events(clientOrderId: string): string[] {
    return this.updates
      .filter(({ order }) => order.clientOrderId === clientOrderId)
      .map(({ event }) => event);
  }

  [Symbol.dispose](): void {
    this.#socket?.terminate();
  }
}

/** Refusals that a request can earn, with our reason for each. */
const REFUSALS: readonly (readonly [what: string, change: Partial<NewOrder>, reason: string])[] = [
  ["more than there is money for", { qtyLots: 9_000n * SHARE }, "BUYING_POWER_EXCEEDED"],
  [
    "a short sale of what nobody lends",
    { symbol: "FAKEPACA", side: "SELL" },
    "SHORT_NOT_AVAILABLE",
  ],
  ["a symbol nobody knows", { symbol: "NOPE" }, "VENUE_REJECT"],
  ["a symbol that is gone", { symbol: "GONE" }, "VENUE_REJECT"],
  ["a quantity of nothing", { qtyLots: 0n }, "VENUE_REJECT"],
  ["a stop on the wrong side", { type: "STOP", pxTicks: null, stopTicks: 9_000n }, "VENUE_REJECT"],
  ["a limit order without a limit", { pxTicks: null }, "VENUE_REJECT"],
  ["a fraction until cancelled", { tif: "GTC", qtyLots: SHARE / 2n }, "VENUE_REJECT"],
  ["a coin for the day", { symbol: "BTC/USD" }, "VENUE_REJECT"],
];

/** Each card opens a venue of its own with AAPL at 100.00, 100 shares at each of two prices a side. */
export function alpacaVenueCards(open: () => Promise<AlpacaOrders>): Card[] {
  const card = (
    name: string,
    act: (hands: Hands) => Promise<void>,
    answerMsMax?: number,
  ): Card => ({
    name,
    async run() {
      await using venue = await open();
      market(venue, "AAPL", 100);
      market(venue, "FAKEPACA", 50);
      market(venue, "BTC/USD", 60_000);
      using hands = new Hands(venue, answerMsMax);
      await act(hands);
    },
  });
  const atMarket = { type: "MARKET", pxTicks: null } as const;
  /** A switch that leaves the outcome of a new order unknown, and whether the order is there. */
  const unknown = (name: "ack_lost" | "ack_504" | "request_lost" | "answer_500", there: boolean) =>
    card(`unknown outcome: ${name}`, async (hands) => {
      hands.venue.inject({ switch: name });
      const order = hands.order();
      same((await hands.place(order)).kind, "unknown", "the outcome");
      same((await hands.find(order.clientOrderId)).kind, there ? "found" : "absent", "asked by id");
    });
  return [
    card("logon: the stream and REST let the right key in", async (hands) => {
      expect(await hands.listen(), "the stream did not");
      const view = account.accountView((await hands.body(account.accountRequest())) as never);
      same([view.cashE8, view.mayTrade], [10_000_000_000_000n, true], "the account");
    }),
    card("logon: a wrong key is told so", async (hands) => {
      same(await hands.listen("wrong"), false, "the stream let it in");
    }),
    card("logon: a login that nobody answers is given up", async (hands) => {
      hands.venue.inject({ switch: "auth_timeout" });
      let late = false;
      await hands.listen().catch(() => {
        late = true;
      });
      expect(late, "it was answered");
      expect(await hands.listen(), "the next login was not");
    }),
    ...(
      [
        ["MARKET", "DAY", null, null],
        ["LIMIT", "GTC", 9_000n, null],
        ["LIMIT", "OPG", 9_000n, null],
        ["STOP", "DAY", null, 11_000n],
        ["STOP_LIMIT", "GTC", 11_100n, 11_000n],
      ] as const
    ).map(([type, tif, pxTicks, stopTicks]) =>
      card(`new order: ${type} ${tif} is taken as it was meant`, async (hands) => {
        const order = hands.order({ type, tif, pxTicks, stopTicks, qtyLots: 3n * SHARE });
        await hands.taken(order);
        const found = await hands.find(order.clientOrderId);
        expect(
          found.kind === "found" && found.order.qtyLots === 3n * SHARE,
          JSON.stringify(found.kind),
        );
      }),
    ),
    ...REFUSALS.map(([what, change, reason]) =>
      card(`refused: ${what}`, async (hands) => {
        const outcome = await hands.place(hands.order(change));
        same([outcome.kind, "reason" in outcome && outcome.reason], ["refused", reason], "it");
        same((await hands.body(orders.openOrdersRequest())) as unknown, [], "what is open");
      }),
    ),
    card("refused: against an order of our own", async (hands) => {
      await hands.taken(hands.order({ pxTicks: 9_500n }));
      const outcome = await hands.place(hands.order({ side: "SELL", pxTicks: 9_400n }));
      same("reason" in outcome && outcome.reason, "SELF_MATCH", "the reason");
    }),
    card("refused: pattern day trader", async (hands) => {
      hands.venue.inject({ switch: "pattern_day_trader" });
      same((await hands.place(hands.order())).kind, "refused", "the outcome");
    }),
    card("duplicate: an id that was used is found and adopted", async (hands) => {
      const order = hands.order();
      const id = await hands.taken(order);
      same((await hands.place(order)).kind, "duplicate", "the outcome");
      const found = await hands.find(order.clientOrderId);
      expect(found.kind === "found" && found.order.venueOrderId === id, "another order");
    }),
    card("rejected after it was taken", async (hands) => {
      await hands.listen();
      hands.venue.inject({ switch: "reject_after_ack" });
      const order = hands.order();
      await hands.taken(order);
      same(
        (await hands.told(order.clientOrderId, "rejected")).order.state,
        "REJECTED",
        "its state",
      );
    }),
    card("fills: each has a key, a price and a quantity of its own", async (hands) => {
      await hands.listen();
      const order = hands.order({ ...atMarket, qtyLots: 150n * SHARE });
      await hands.taken(order);
      await hands.told(order.clientOrderId, "fill");
      const fills = hands.updates.flatMap(({ execution }) =>
        execution === null ? [] : [execution],
      );
      same(
        fills.map(({ pxTicks, qtyLots }) => [pxTicks, qtyLots]),
        [
          [10_001n, 100n * SHARE],
          [10_002n, 50n * SHARE],
        ],
        "the fills",
      );
      const asked = (await hands.fills()).map(({ executionId }) => executionId).toSorted();
      same(asked, fills.map(({ executionId }) => executionId).toSorted(), "the keys of the query");
    }),
    card("fills: before the answer", async (hands) => {
      await hands.listen();
      hands.venue.inject({ switch: "fill_before_ack", ms: 300 });
      const order = hands.order(atMarket);
      const asked = hands.taken(order);
      let answered = false;
      void asked.then(() => {
        answered = true;
      });
      await hands.told(order.clientOrderId, "fill");
      expect(!answered, "the answer came first");
      await asked;
    }),
    card("fills: told twice they have one key", async (hands) => {
      await hands.listen();
      hands.venue.inject({ switch: "duplicate", count: 2 });
      const order = hands.order(atMarket);
      await hands.taken(order);
      await until("both", () => hands.events(order.clientOrderId).length === 4);
      const keys = hands.updates.flatMap(({ execution }) => execution?.executionId ?? []);
      same([keys.length, new Set(keys).size], [2, 1], "the keys");
    }),
    card("amend: the chain fills to its total and no further", async (hands) => {
      const order = hands.order({ qtyLots: 10n * SHARE, pxTicks: 9_950n });
      const venueOrderId = await hands.taken(order);
      hands.venue.book({ symbol: "AAPL", bids: [["99.40", "5"]], asks: [["99.50", "4"]] });
      const amend = { venueOrderId, clientOrderId: "amended", stopTicks: null };
      const filledLots = 4n * SHARE;
      const outcome = await hands.amend({
        ...amend,
        totalLots: 12n * SHARE,
        filledLots,
        pxTicks: 9_960n,
      });
      same(outcome.kind, "taken", "the amend");
      same(await hands.state(order.clientOrderId), "REPLACED", "the old order");
      hands.venue.book({ symbol: "AAPL", bids: [["99.40", "5"]], asks: [["99.55", "50"]] });
      same(await hands.state("amended"), "FILLED", "the new order");
      const held = account.positionViews(await hands.body(account.positionsRequest()));
      same(held, [{ symbol: "AAPL", qtyE8: 1_200_000_000n }], "the position");
    }),
    card("amend: it is under way when the order fills", async (hands) => {
      await hands.listen();
      const order = hands.order({ pxTicks: 9_950n });
      const venueOrderId = await hands.taken(order);
      hands.venue.inject({ switch: "pending_replace", ms: 150 });
      const amend = { venueOrderId, clientOrderId: "late", totalLots: SHARE, filledLots: 0n };
      same((await hands.amend({ ...amend, pxTicks: 9_900n, stopTicks: null })).kind, "taken", "it");
      market(hands.venue, "AAPL", 99);
      await hands.told(order.clientOrderId, "order_replace_rejected");
      same(
        [await hands.state(order.clientOrderId), await hands.state("late")],
        ["FILLED", "REJECTED"],
        "both",
      );
    }),
    card("amend: rejected after it was taken, the order stands", async (hands) => {
      await hands.listen();
      const order = hands.order();
      const venueOrderId = await hands.taken(order);
      hands.venue.inject({ switch: "replace_rejected" });
      const amend = { venueOrderId, clientOrderId: "no", totalLots: 2n * SHARE, filledLots: 0n };
      await hands.amend({ ...amend, pxTicks: null, stopTicks: null });
      await hands.told(order.clientOrderId, "order_replace_rejected");
      same(
        [await hands.state(order.clientOrderId), await hands.state("no")],
        ["LIVE", "REJECTED"],
        "both",
      );
    }),
    card("cancel: taken is not final, the stream is", async (hands) => {
      await hands.listen();
      const order = hands.order();
      same((await hands.cancel(await hands.taken(order))).kind, "taken", "the cancel");
      same(
        (await hands.told(order.clientOrderId, "canceled")).order.state,
        "CANCELED",
        "its state",
      );
    }),
    card("cancel: of what has ended, and of what nobody knows", async (hands) => {
      const filled = await hands.taken(hands.order(atMarket));
      const first = await hands.cancel(filled);
      const second = await hands.cancel(NOBODY);
      const read = (outcome: alpaca.orders.Outcome) => "reason" in outcome && outcome.reason;
      same([read(first), read(second)], ["VENUE_REJECT", "UNKNOWN_ORDER"], "the reasons");
    }),
    card("cancel race: it is under way when the order fills", async (hands) => {
      await hands.listen();
      const order = hands.order({ pxTicks: 9_950n });
      const id = await hands.taken(order);
      hands.venue.inject({ switch: "pending_cancel", ms: 150 });
      same((await hands.cancel(id)).kind, "taken", "the cancel");
      same(await hands.state(order.clientOrderId), "LIVE", "while it is under way");
      market(hands.venue, "AAPL", 99);
      await hands.told(order.clientOrderId, "order_cancel_rejected");
      const want = ["new", "pending_cancel", "fill", "order_cancel_rejected"];
      same(hands.events(order.clientOrderId), want, "the stream");
    }),
    card("cancel: rejected after it was taken, the order stands", async (hands) => {
      await hands.listen();
      const order = hands.order();
      const id = await hands.taken(order);
      hands.venue.inject({ switch: "cancel_rejected" });
      await hands.cancel(id);
      await hands.told(order.clientOrderId, "order_cancel_rejected");
      same(await hands.state(order.clientOrderId), "LIVE", "its state");
    }),
    card("cancel: everything at once", async (hands) => {
      for (const pxTicks of [9_000n, 9_100n]) await hands.taken(hands.order({ pxTicks }));
      const answer = await hands.ask(orders.cancelAllRequest());
      same(answer instanceof NoAnswer ? 0 : answer.status, 207, "the status");
      same(await hands.body(orders.openOrdersRequest()), [], "what is open");
    }),
    unknown("ack_lost", true),
    unknown("ack_504", true),
    unknown("request_lost", false),
    unknown("answer_500", false),
    card(
      "unknown outcome: an answer that is too late; sent again it is a duplicate",
      async (hands) => {
        hands.venue.inject({ switch: "ack_late", ms: 3_000 });
        const order = hands.order();
        same((await hands.place(order)).kind, "unknown", "the outcome");
        same((await hands.place(order)).kind, "duplicate", "sent again");
        same(await hands.state(order.clientOrderId), "LIVE", "the order");
      },
      1_000,
    ),
    card("never sent: a venue that is away", async (hands) => {
      await hands.venue[Symbol.asyncDispose]();
      const outcome = await hands.place(hands.order());
      same([outcome.kind, "reason" in outcome && outcome.reason], ["later", "NEVER_SENT"], "it");
    }),
    card("rate limit: the next request waits as long as the venue said", async (hands) => {
      hands.venue.inject({ switch: "rate_limit" });
      const waits: number[] = [];
      const { method, target, body } = orders.placeRequest(hands.order(), SCALES);
      const sleep = async (ms: number): Promise<void> => {
        waits.push(ms);
      };
      const answer = await retried(() => hands.rest.send(method, target, body), {
        safe: false,
        sleep,
      });
      same([answer.status, waits], [200, [1_000]], "it");
    }),
    card("rate limit: what is left of the minute is in every answer", async (hands) => {
      const left: number[] = [];
      for (let n = 0; n < 3; n += 1) {
        const answer = await hands.ask(account.accountRequest());
        if (!(answer instanceof NoAnswer)) left.push(answer.window?.remaining ?? -1);
      }
      // A minute can end between two of them.
      const falls = left.every(
        (each, at) => at === 0 || each < (left[at - 1] ?? 0) || each === 199,
      );
      expect(falls && (left[0] ?? 0) >= 190, `left: ${left.join()}`);
    }),
    card("reconnect: a fill that nobody heard is found by query, each once", async (hands) => {
      await hands.listen();
      await hands.taken(hands.order(atMarket));
      await until("the first", () => hands.updates.some(({ event }) => event === "fill"));
      hands.venue.inject({ switch: "disconnect" });
      await hands.ended();
      await hands.taken(hands.order(atMarket));
      await hands.listen();
      await hands.taken(hands.order(atMarket));
      await until(
        "the third",
        () => hands.updates.filter(({ event }) => event === "fill").length === 2,
      );
      const told = hands.updates.flatMap(({ execution }) => execution?.executionId ?? []);
      const asked = (await hands.fills()).map(({ executionId }) => executionId);
      same([told.length, asked.length, new Set([...told, ...asked]).size], [2, 3, 3], "the keys");
    }),
    card(
      "session roll: the day's order expires, one until cancelled stays, an auction trades",
      async (hands) => {
        await hands.listen();
        const day = hands.order();
        const gtc = hands.order({ tif: "GTC" });
        const opg = hands.order({ ...atMarket, tif: "OPG" });
        for (const order of [day, gtc, opg]) await hands.taken(order);
        hands.venue.inject({ switch: "session_roll", ms: 200 });
        await hands.told(opg.clientOrderId, "fill");
        same(
          [await hands.state(day.clientOrderId), await hands.state(gtc.clientOrderId)],
          ["EXPIRED", "LIVE"],
          "the others",
        );
      },
    ),
    card("halt: an order waits until it ends", async (hands) => {
      await hands.listen();
      hands.venue.inject({ switch: "halt", ms: 200 });
      const order = hands.order(atMarket);
      await hands.taken(order);
      same(await hands.state(order.clientOrderId), "PENDING", "while it lasts");
      await hands.told(order.clientOrderId, "fill");
    }),
    card("bust: a fill is taken back by its key", async (hands) => {
      await hands.listen();
      const order = hands.order(atMarket);
      await hands.taken(order);
      const fill = await hands.told(order.clientOrderId, "fill");
      hands.venue.inject({ switch: "bust" });
      const bust = await hands.told(order.clientOrderId, "trade_bust");
      same(
        [bust.busted, bust.execution?.qtyLots, bust.execution?.positionE8],
        [fill.execution?.executionId, SHARE, 0n],
        "the bust",
      );
      same(await hands.fills(), [], "the fills");
    }),
  ];
}
