/** Our Alpaca adapter against the simulated venue, over real sockets: what it sends, what it makes of each answer. */

import { alpaca, NoAnswer, type RestAnswer, RestClient, retried } from "@tidegate/venues";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { until } from "../../services/venue-sim/src/feeds/testing.ts";
import { Bench } from "../../services/venue-sim/src/trading/alpaca/testing.ts";

const { orders, session, account, codec } = alpaca;
const SCALES = { pxScale: 2, qtyScale: 6 };
const scales = () => SCALES;
type Request = alpaca.orders.Request;
type NewOrder = alpaca.orders.NewOrder;

/** The adapter as a shell would hold it: one client, and the stream where it is wanted. */
class Desk {
  readonly rest: RestClient;
  readonly #bench: Bench;
  #sent = 0;

  constructor(bench: Bench, answerMsMax = 5_000) {
    this.#bench = bench;
    this.rest = new RestClient({
      baseUrl: bench.base,
      answerMsMax,
      headers: { "APCA-API-KEY-ID": "sim", "APCA-API-SECRET-KEY": "sim-secret" },
    });
  }

  async ask({ method, target, body }: Request): Promise<RestAnswer | NoAnswer> {
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
      clientOrderId: `c${this.#sent}`,
      symbol: "AAPL",
      side: "BUY",
      type: "LIMIT",
      tif: "DAY",
      qtyLots: 1_000_000n,
      pxTicks: 9_000n,
      stopTicks: null,
      ...change,
    };
  }

  async place(order: NewOrder) {
    return orders.outcomeOf(await this.ask(orders.placeRequest(order, SCALES)), scales);
  }

  async find(clientOrderId: string) {
    return orders.foundOf(await this.ask(orders.byClientIdRequest(clientOrderId)), scales);
  }

  async fills() {
    const answer = await this.ask(account.fillsRequest(0, null));
    if (answer instanceof NoAnswer) throw answer;
    return account.fillViews(codec.json(answer), scales);
  }

  /** The stream, with the fills it has told. */
  async stream(): Promise<{ socket: WebSocket; keys: string[] }> {
    const socket = new WebSocket(`${this.#bench.base.replace("http", "ws")}/stream`);
    const keys: string[] = [];
    let ready = false;
    socket.on("open", () => socket.send(session.login("sim", "sim-secret")));
    socket.on("message", (data: Buffer) => {
      const read = session.message(data, scales);
      if (read.kind === "login" && read.granted) socket.send(session.listen());
      if (read.kind === "listening") ready = true;
      if (read.kind === "update" && read.execution !== null) keys.push(read.execution.executionId);
    });
    await until("the stream", () => ready);
    return { socket, keys };
  }
}

describe("the adapter of Alpaca", () => {
  it.each([
    ["a day's limit", {}],
    ["a limit until cancelled", { tif: "GTC" }],
    ["at once or not", { tif: "IOC", pxTicks: 10_001n }],
    ["all at once or nothing", { tif: "FOK", pxTicks: 10_001n }],
    ["for the open", { tif: "OPG" }],
    ["for the close", { tif: "CLS" }],
    ["at the market", { type: "MARKET", pxTicks: null }],
    ["a stop", { type: "STOP", pxTicks: null, stopTicks: 11_000n }],
    ["a stop with a limit", { type: "STOP_LIMIT", pxTicks: 11_100n, stopTicks: 11_000n }],
    ["a part of a share", { qtyLots: 250_000n }],
  ] as const)("%s is taken as it was meant [B024]", async (_, change) => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    const order = desk.order(change);
    expect(await desk.place(order)).toMatchObject({ kind: "taken" });
    const found = await desk.find(order.clientOrderId);
    expect(found).toMatchObject({ kind: "found", order: { qtyLots: order.qtyLots } });
    const { body } = await bench.ask("GET", "/v2/orders?status=all");
    const [said] = body as unknown as Record<string, string>[];
    expect([said?.["type"], said?.["time_in_force"]]).toEqual([
      order.type.toLowerCase(),
      order.tif.toLowerCase(),
    ]);
  });

  it.each([
    ["a stop without its price", { type: "STOP", pxTicks: null }, "VENUE_REJECT"],
    [
      "a stop at once",
      { type: "STOP", tif: "IOC", pxTicks: null, stopTicks: 11_000n },
      "VENUE_REJECT",
    ],
    ["a part of a share until cancelled", { tif: "GTC", qtyLots: 250_000n }, "VENUE_REJECT"],
    ["a coin for the day", { symbol: "BTC/USD" }, "VENUE_REJECT"],
    ["more than there is money for", { qtyLots: 9_000_000_000n }, "BUYING_POWER_EXCEEDED"],
    [
      "a short sale of what nobody lends",
      { symbol: "FAKEPACA", side: "SELL" },
      "SHORT_NOT_AVAILABLE",
    ],
    [
      "a buy stop below the market",
      { type: "STOP", pxTicks: null, stopTicks: 9_000n },
      "VENUE_REJECT",
    ],
  ] as const)("%s is refused, and our reason says so [B024]", async (_, change, reason) => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    expect(await desk.place(desk.order(change))).toMatchObject({ kind: "refused", reason });
    expect(bench.truth.orders.size).toBe(0);
  });

  it("an order against one of ours is refused as that", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    await desk.place(desk.order({ pxTicks: 9_500n }));
    const sell = desk.order({ side: "SELL", pxTicks: 9_400n });
    expect(await desk.place(sell)).toMatchObject({ kind: "refused", reason: "SELF_MATCH" });
  });

  it.each([
    ["ack_lost", "found"],
    ["request_lost", "absent"],
    ["ack_504", "found"],
    ["answer_500", "absent"],
  ] as const)(
    "after %s the outcome is not known until it is asked for: %s",
    async (name, there) => {
      await using bench = await Bench.start();
      const desk = new Desk(bench);
      bench.throw(name);
      const order = desk.order();
      expect(await desk.place(order)).toMatchObject({ kind: "unknown" });
      expect((await desk.find(order.clientOrderId)).kind).toBe(there);
      expect(bench.injected(name)).toBe(1);
    },
  );

  it("an answer that is too late is none; sent again, the id is known and the order adopted", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench, 1_000);
    bench.throw("ack_late", { ms: 3_000 });
    const order = desk.order();
    expect(await desk.place(order)).toMatchObject({ kind: "unknown" });
    expect(await desk.place(order)).toEqual({ kind: "duplicate" });
    expect((await desk.find(order.clientOrderId)).kind).toBe("found");
    expect([bench.truth.orders.size, bench.truth.duplicates]).toEqual([1, 0]);
  });

  it("a venue that is not there was sent nothing", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    await bench.venue[Symbol.asyncDispose]();
    expect(await desk.place(desk.order())).toMatchObject({ kind: "later", reason: "NEVER_SENT" });
  });

  it("an amend wants what is left, so that the chain fills to its total and no further", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    const order = desk.order({ qtyLots: 10_000_000n, pxTicks: 9_950n });
    const taken = await desk.place(order);
    if (taken.kind !== "taken" || taken.order === null) throw new Error("not taken");
    bench.venue.book({ symbol: "AAPL", bids: [["99.40", "5"]], asks: [["99.50", "4"]] });
    const part = await desk.find(order.clientOrderId);
    expect(part).toMatchObject({ order: { filledLots: 4_000_000n } });
    const amend = orders.amendRequest(
      {
        venueOrderId: taken.order.venueOrderId,
        clientOrderId: "amended",
        totalLots: 12_000_000n,
        filledLots: 4_000_000n,
        pxTicks: 9_960n,
        stopTicks: null,
      },
      SCALES,
    );
    const replaced = orders.outcomeOf(await desk.ask(amend), scales);
    expect(replaced).toMatchObject({ kind: "taken", order: { qtyLots: 8_000_000n } });
    bench.venue.book({ symbol: "AAPL", bids: [["99.40", "5"]], asks: [["99.55", "50"]] });
    expect(await desk.find("amended")).toMatchObject({ order: { state: "FILLED" } });
    expect(bench.truth.positionLots["alpaca:AAPL"]).toBe(12_000_000n);
  });

  it("a cancel of what has ended is refused, of what nobody knows too", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    const taken = await desk.place(desk.order({ type: "MARKET", pxTicks: null }));
    if (taken.kind !== "taken" || taken.order === null) throw new Error("not taken");
    const cancel = async (id: string) =>
      orders.outcomeOf(await desk.ask(orders.cancelRequest(id)), scales);
    expect(await cancel(taken.order.venueOrderId)).toMatchObject({ kind: "refused" });
    expect(await cancel("00000000-0000-4000-8000-000000000000")).toMatchObject({
      kind: "refused",
      reason: "UNKNOWN_ORDER",
    });
  });

  it("a fill is told by the stream before anybody asks, and found by query where it was dropped [B016]", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    const { socket, keys } = await desk.stream();
    await desk.place(desk.order({ type: "MARKET", pxTicks: null }));
    await until("the fill", () => keys.length === 1);
    bench.throw("gap", { count: 2 });
    await desk.place(desk.order({ type: "MARKET", pxTicks: null }));
    bench.throw("disconnect");
    await until("the end", () => socket.readyState === WebSocket.CLOSED);
    await desk.place(desk.order({ type: "MARKET", pxTicks: null }));
    const again = await desk.stream();
    bench.throw("duplicate", { count: 2 });
    await desk.place(desk.order({ type: "MARKET", pxTicks: null }));
    await until("the fill, twice", () => again.keys.length === 2);
    const told = [...keys, ...again.keys];
    const asked = (await desk.fills()).map(({ executionId }) => executionId);
    expect(asked).toHaveLength(4);
    // What came by either way is each fill once.
    expect(new Set([...told, ...asked]).size).toBe(4);
    expect(told.length).toBe(3);
    again.socket.terminate();
  });

  it("after a 429 nothing is sent before the venue said [B019]", async () => {
    await using bench = await Bench.start();
    const desk = new Desk(bench);
    bench.throw("rate_limit");
    const waits: number[] = [];
    const { method, target, body } = orders.placeRequest(desk.order(), SCALES);
    const answer = await retried(() => desk.rest.send(method, target, body), {
      safe: false,
      sleep: async (ms) => {
        waits.push(ms);
      },
    });
    expect([answer.status, waits]).toEqual([200, [1_000]]);
    expect(answer.window?.remaining).toBeLessThan(200);
    expect(answer.requestId).toMatch(/^[0-9a-f]{32}$/);
  });
});
