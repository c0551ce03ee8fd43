import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { MarketId } from "../../markets.ts";
import { sign, wsPayload } from "./auth.ts";
import { BinanceOrders, REFUSALS } from "./index.ts";

type Json = Record<string, unknown>;
const KEY = { key: "sim", secret: "sim-secret" };

let dir = "";
let venue: BinanceOrders;
const sockets: WebSocket[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "binance-"));
  venue = await BinanceOrders.alone(dir, {
    keys: [{ ...KEY, trade: true }],
    onFatal: (error) => {
      throw error;
    },
  });
  for (const market of ["spot", "usdm"] as const) write(market, 60_000);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await venue[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

function write(market: MarketId, dollars: number): void {
  const level = (away: number): [string, string] => [(dollars + away).toFixed(1), "1.000"];
  venue.book(market, { bids: [level(-1)], asks: [level(1)] });
}

/** One connection of a market: requests by their id, and the events in between. */
class Session {
  readonly events: Json[] = [];
  readonly answers = new Map<string, Json>();
  closed = false;
  #id = 0;
  readonly #socket: WebSocket;

  constructor(path: string) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${venue.port}${path}`);
    sockets.push(this.#socket);
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      this.closed = true;
    });
    this.#socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as Json;
      if (typeof message["id"] === "string") this.answers.set(message["id"], message);
      else this.events.push((message["event"] ?? message) as Json);
    });
  }

  async open(): Promise<this> {
    await until(() => this.#socket.readyState === WebSocket.OPEN);
    return this;
  }

  send(method: string, params: Record<string, string | number>): string {
    this.#id += 1;
    const all = { ...params, apiKey: KEY.key, timestamp: Date.now() };
    const payload = wsPayload(new Map(Object.entries(all).map(([k, v]) => [k, String(v)])));
    const signature = sign(payload, KEY.secret);
    const id = String(this.#id);
    this.#socket.send(JSON.stringify({ id, method, params: { ...all, signature } }));
    return id;
  }

  async ask(method: string, params: Record<string, string | number>): Promise<Json> {
    const id = this.send(method, params);
    await until(() => this.answers.has(id));
    return this.answers.get(id) as Json;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let n = 0; n < 400 && !holds(); n += 1) await new Promise((done) => setTimeout(done, 5));
  expect(holds()).toBe(true);
}

const code = (answer: Json): unknown => (answer["error"] as Json | undefined)?.["code"];
const order = (id: string, over: Json = {}): Record<string, string> =>
  ({
    ...{ symbol: "BTCUSDT", side: "BUY", type: "LIMIT", timeInForce: "GTC" },
    ...{ price: "59000.0", quantity: "0.030", newClientOrderId: id, ...over },
  }) as Record<string, string>;
const of = (id: string) => ({ symbol: "BTCUSDT", origClientOrderId: id });

async function spot(): Promise<Session> {
  const session = await new Session("/ws-api/v3").open();
  expect((await session.ask("userDataStream.subscribe.signature", {}))["status"]).toBe(200);
  return session;
}

describe("amends", () => {
  it("spot takes a smaller quantity, in place, and the log follows", async () => {
    const session = await spot();
    await session.ask("order.place", order("a"));
    const amend = (newQty: string, id = "a") =>
      session.ask("order.amend.keepPriority", { ...of(id), newClientOrderId: id, newQty });
    const { result } = (await amend("0.02000")) as { result: Json };
    expect(result["amendedOrder"]).toMatchObject({ qty: "0.02000000", status: "NEW", orderId: 1 });
    await until(() => session.events.some((event) => event["x"] === "REPLACED"));
    expect(session.events.find((event) => event["x"] === "REPLACED")).toMatchObject({
      ...{ c: "a", q: "0.02000000", X: "NEW" },
    });
    expect([code(await amend("0.02000")), code(await amend("0.03000"))]).toEqual([-2038, -2038]);
    expect(code(await amend("0.01000", "nobody"))).toBe(-2038);
    expect(code(await amend("0.000001"))).toBe(-1013);
    write("spot", 58_990);
    const truth = venue.truth();
    expect(truth.inconsistencies).toEqual([]);
    expect(truth.orders.get("a")).toMatchObject({ qtyLots: 2_000n, cumLots: 2_000n });
  });

  it("USD-M takes price and quantity, and fills where they now cross", async () => {
    const session = await new Session("/ws-fapi/v1").open();
    await session.ask("order.place", order("a"));
    const modify = { ...of("a"), side: "BUY", quantity: "0.040", price: "60001.0" };
    expect(((await session.ask("order.modify", modify))["result"] as Json)["origQty"]).toBe(
      "0.040",
    );
    expect(venue.truth().orders.get("a")).toMatchObject({ status: "FILLED", cumLots: 40n });
    expect(code(await session.ask("order.modify", { ...modify, ...of("z") }))).toBe(-2013);
    expect(code(await session.ask("order.modify", { ...of("a"), quantity: "1" }))).toBe(-1102);
  });
});

describe("switches", () => {
  it.each(Object.keys(REFUSALS).map(Number))("refuse %i takes nothing", async (asked) => {
    const session = await spot();
    venue.inject({ switch: "refuse", code: asked });
    expect(code(await session.ask("order.place", order("r")))).toBe(asked);
    expect(venue.truth().orders.size).toBe(0);
    expect((await session.ask("order.place", order("r")))["status"]).toBe(200);
  });

  it.each([
    ["ack_lost", true],
    ["ack_504", true],
    ["request_lost", false],
    ["answer_500", false],
  ] as const)("%s: the order is there: %s", async (name, there) => {
    const session = await spot();
    venue.inject({ switch: name });
    const id = session.send("order.place", order("u"));
    await until(() => venue.injected("spot")[name] === 1);
    await until(() => session.answers.has(id) || session.closed || name === "ack_lost");
    expect(venue.truth().orders.has("u")).toBe(there);
    expect(session.closed).toBe(name === "request_lost");
  });

  it("answers that are lost or late: of a cancel, an amend, a question, a login", async () => {
    const session = await spot();
    await session.ask("order.place", order("a"));
    venue.inject({ switch: "replace_ack_lost" });
    const amend = session.send("order.amend.keepPriority", { ...of("a"), newQty: "0.01000" });
    venue.inject({ switch: "query_lost" });
    const query = session.send("order.status", of("a"));
    venue.inject({ switch: "cancel_ack_lost" });
    const cancel = session.send("order.cancel", of("a"));
    venue.inject({ switch: "auth_timeout" });
    const login = session.send("userDataStream.subscribe.signature", {});
    await session.ask("order.place", order("b"));
    for (const id of [amend, query, cancel, login]) expect(session.answers.has(id)).toBe(false);
    expect(venue.truth().orders.get("a")).toMatchObject({ status: "CANCELED", qtyLots: 1_000n });
  });

  it("events: none, two, an unreadable one, late ones in their order", async () => {
    const session = await spot();
    const told = () => session.events.filter(({ e }) => e === "executionReport").map(({ c }) => c);
    venue.inject({ switch: "gap" });
    await session.ask("order.place", order("a"));
    venue.inject({ switch: "duplicate" });
    await session.ask("order.place", order("b"));
    venue.inject({ switch: "garbled" });
    await session.ask("order.place", order("c"));
    await until(() => told().length === 3);
    expect(told()).toEqual(["b", "b", "c"]);
    expect(session.events.filter(({ z }) => typeof z === "number").map(({ c }) => c)).toEqual([
      "c",
    ]);
    venue.inject({ switch: "late_events", ms: 150 });
    await session.ask("order.place", order("d"));
    await session.ask("order.place", order("e"));
    expect(told().length).toBe(3);
    await until(() => told().length === 5);
    expect(told().slice(3)).toEqual(["d", "e"]);
  });

  it("an order that was taken is rejected, and a cancel is refused although it stands", async () => {
    const session = await spot();
    venue.inject({ switch: "reject_after_ack" });
    expect((await session.ask("order.place", order("a")))["status"]).toBe(200);
    expect(((await session.ask("order.status", of("a")))["result"] as Json)["status"]).toBe(
      "REJECTED",
    );
    expect(venue.truth().orders.get("a")?.status).toBe("REJECTED");
    await session.ask("order.place", order("b"));
    for (const name of ["cancel_rejected", "replace_rejected"] as const)
      venue.inject({ switch: name });
    expect(code(await session.ask("order.cancel", of("b")))).toBe(-2011);
    const amend = { ...of("b"), newQty: "0.01000" };
    expect(code(await session.ask("order.amend.keepPriority", amend))).toBe(-2038);
    expect(venue.truth().orders.get("b")?.status).toBe("NEW");
  });

  it("a halt, the end of a stream, a session roll", async () => {
    const session = await spot();
    venue.inject({ switch: "halt", ms: 150 });
    expect(code(await session.ask("order.place", order("a")))).toBe(-2010);
    venue.inject({ switch: "stream_ends" });
    await until(() => session.events.some(({ e }) => e === "eventStreamTerminated"));
    venue.inject({ switch: "session_roll", ms: 200 });
    await until(() => session.closed);
    expect(session.events.at(-1)?.["e"]).toBe("serverShutdown");
    await new Promise((done) => setTimeout(done, 300));
    expect((await (await spot()).ask("order.place", order("a")))["status"]).toBe(200);
  });

  it("what does not apply or is not known is refused by name", () => {
    expect(() => venue.inject({ switch: "bust" })).toThrow("bust does not apply to BINANCE_SPOT");
    expect(() => venue.inject({ switch: "refuse", code: -9_999 })).toThrow("want one of");
  });
});
