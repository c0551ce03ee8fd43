import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Bench, type Client, until } from "../testing.ts";
import { newYorkMidnightMs, newYorkOffsetMs } from "../time-faults.ts";
import { decode, encode, Timestamp } from "./msgpack.ts";

const GOOD = { action: "auth", key: "sim", secret: "sim-secret" };

const code =
  (wanted: number) =>
  ({ T, code: got }: Readonly<Record<string, unknown>>) =>
    T === "error" && got === wanted;

async function login(bench: Bench, path = "/v2/iex", auth: object = GOOD): Promise<Client> {
  const client = await bench.ws(path).opened();
  client.send(auth);
  await client.next(({ msg }) => msg === "authenticated");
  return client;
}

async function quoting(bench: Bench): Promise<Client> {
  const client = await login(bench);
  client.send({ action: "subscribe", quotes: ["AAPL", "MSFT"] });
  await client.next(({ T }) => T === "q");
  return client;
}

const quotes = ({ messages }: Client) => messages.filter(({ T }) => T === "q");

describe("ALPACA", () => {
  it("answers every fault of a client with its code", async () => {
    await using bench = await Bench.start("ALPACA");
    await using client = await bench.ws("/v2/iex").opened();
    await client.next(({ msg }) => msg === "connected");
    client.socket.send("{");
    await client.next(code(400));
    client.send({ action: "subscribe", quotes: ["AAPL"] });
    await client.next(code(401));
    client.send(GOOD);
    await client.next(({ msg }) => msg === "authenticated");
    client.send(GOOD);
    await client.next(code(403));
    client.send({ action: "subscribe", trades: Array.from({ length: 31 }, (_, at) => `S${at}`) });
    await client.next(code(405));
    for (const [path, auth, want] of [
      ["/v2/iex", { ...GOOD, secret: "wrong" }, 402],
      ["/v2/iex", GOOD, 406],
      ["/v2/iex", { ...GOOD, key: "sim-none" }, 408],
      ["/v2/sip", { ...GOOD, key: "sim-second" }, 409],
    ] as const) {
      await using refused = await bench.ws(path).opened();
      refused.send(auth);
      await refused.next(code(want));
      await until("the end", () => refused.closed);
    }
    expect(client.closed).toBeNull();
    expect(bench.injected("second_connection")).toBe(1);
  });

  it("ends a client that does not log in with 404 after five seconds, and one whose login is not heard", async () => {
    await using bench = await Bench.start("ALPACA");
    bench.throw("auth_timeout");
    await using silent = await bench.ws("/v2/iex").opened();
    await using unheard = await bench.ws("/v2/iex").opened();
    unheard.send(GOOD);
    await silent.next(code(404));
    await unheard.next(code(404));
    expect(unheard.messages.some(({ msg }) => msg === "authenticated")).toBe(false);
  }, 15_000);

  it("logs in by headers, and speaks MessagePack where the client says so", async () => {
    await using bench = await Bench.start("ALPACA");
    const headers = { "APCA-API-KEY-ID": "sim", "APCA-API-SECRET-KEY": "sim-secret" };
    await using client = bench.ws("/v2/iex", { headers });
    await client.next(({ msg }) => msg === "authenticated");
    client.socket.terminate();
    await until("gone", () => client.closed);

    const socket = new WebSocket(`ws://127.0.0.1:${bench.port}/v2/iex`, {
      headers: { "Content-Type": "application/msgpack" },
    });
    const seen: Record<string, unknown>[] = [];
    socket.on("message", (data: Buffer) => seen.push(...(decode(data) as typeof seen)));
    await until("the greeting", () => seen[0]?.["msg"] === "connected");
    socket.send(encode(GOOD));
    await until("the login", () => seen[1]?.["msg"] === "authenticated");
    socket.send(encode({ action: "subscribe", quotes: ["AAPL"] }));
    const quote = await until("a quote", () => seen.find(({ T }) => T === "q"));
    expect(quote["t"]).toBeInstanceOf(Timestamp);
    socket.terminate();
  });

  it("duplicate, crossed, gap and reorder of quotes, each counted once", async () => {
    await using bench = await Bench.start("ALPACA");
    await using client = await quoting(bench);
    bench.throw("duplicate");
    await until("the double", () => {
      const times = quotes(client).map(({ S, t }) => `${S} ${t}`);
      return new Set(times).size < times.length;
    });
    bench.throw("crossed");
    const crossed = await until("a crossed quote", () =>
      quotes(client).find(({ bp, ap }) => (bp as number) > (ap as number)),
    );
    const ns = BigInt(Date.parse(crossed["t"] as string)) * 1_000_000n;
    expect(ns > 0n).toBe(true);
    bench.throw("reorder_symbols");
    await until("the swap", () => {
      const times = quotes(client).map(({ t }) => t as string);
      return times.some((t, at) => at > 0 && t < (times[at - 1] ?? ""));
    });
    bench.throw("gap", { count: 3 });
    await until("the gaps", () => bench.injected("gap") === 3);
    const sent = new Set(quotes(client).map(({ t }) => t));
    const missing = bench.feeds.truth
      .page(0)
      .entries.filter(({ symbol }) => symbol === "AAPL" || symbol === "MSFT")
      .map(({ key }) => new Timestamp(BigInt(key)).toJSON())
      .filter(
        (t) => t > String(quotes(client)[0]?.["t"]) && t < String(quotes(client).at(-1)?.["t"]),
      )
      .filter((t) => !sent.has(t));
    expect(missing.length).toBeLessThanOrEqual(3);
    expect(["duplicate", "crossed"].map((name) => bench.injected(name as "gap"))).toEqual([1, 1]);
  });

  it("407 and the end for a slow client; a roll without a word; a half-open socket; heartbeats alone", async () => {
    await using bench = await Bench.start("ALPACA");
    await using slow = await quoting(bench);
    bench.throw("slow_client");
    await slow.next(code(407));
    await until("the end", () => slow.closed);
    await using rolled = await quoting(bench);
    bench.throw("roll_24h");
    await until("the end", () => rolled.closed);
    await using quiet = await quoting(bench);
    bench.throw("heartbeat_only", { ms: 500 });
    await until("the fault", () => bench.injected("heartbeat_only") === 1);
    const before = quotes(quiet).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(quotes(quiet).length).toBe(before);
    await until("quotes again", () => quotes(quiet).length > before);
    bench.throw("half_open");
    await until("the fault", () => bench.injected("half_open") === 1);
    const count = quotes(quiet).length;
    // The account's place is free again: the venue knows the dead connection for dead.
    await using _again = await quoting(bench);
    expect(quotes(quiet).length).toBeLessThanOrEqual(count + 2);
    expect(quiet.closed).toBeNull();
  });

  it("the day daylight saving ends, an early close, a skewed and a leaping clock", async () => {
    await using bench = await Bench.start("ALPACA");
    await using client = await quoting(bench);
    client.send({ action: "subscribe", statuses: ["AAPL"] });
    const at = () => Date.parse(String(quotes(client).at(-1)?.["t"]));
    bench.throw("dst_change", { ms: 2_600 });
    const switched = Date.UTC(2026, 10, 1, 6);
    await until("before the change", () => at() < switched && at() > switched - 5_000);
    await until("after it", () => at() >= switched && at() < switched + 5_000);
    bench.throw("early_close", { ms: 3_000 });
    await client.next(({ T, sc }) => T === "s" && sc === "H");
    const close = Date.UTC(2026, 10, 27, 18);
    expect(at()).toBeLessThan(close);
    await client.next(({ T, sc, t }) => T === "s" && sc === "T" && Date.parse(String(t)) !== close);
    bench.throw("wall_leap", { ms: 400 });
    await until("the leap", () => at() - Date.now() > 3_000_000);
    bench.throw("clock_skew", { ms: 400 });
    await until("the skew", () => Math.abs(at() - Date.now() - 2_000) < 900);
    await until("back", () => Math.abs(at() - Date.now()) < 900);
  }, 20_000);

  it("a day of New York begins at 04:00 UTC in summer and at 05:00 in winter", () => {
    const cases = [
      [Date.UTC(2026, 10, 1, 5, 59), -4, Date.UTC(2026, 10, 1, 4)],
      [Date.UTC(2026, 10, 1, 6, 1), -5, Date.UTC(2026, 10, 1, 4)],
      [Date.UTC(2026, 10, 2, 12), -5, Date.UTC(2026, 10, 2, 5)],
      [Date.UTC(2026, 2, 8, 6, 59), -5, Date.UTC(2026, 2, 8, 5)],
      [Date.UTC(2026, 2, 8, 7, 1), -4, Date.UTC(2026, 2, 8, 5)],
      [Date.UTC(2026, 2, 9, 12), -4, Date.UTC(2026, 2, 9, 4)],
    ] as const;
    for (const [ms, hours, midnight] of cases) {
      expect([newYorkOffsetMs(ms) / 3_600_000, newYorkMidnightMs(ms)]).toEqual([hours, midnight]);
    }
  });

  it("REST: wrong key 403, too many requests 429 with its headers", async () => {
    await using bench = await Bench.start("ALPACA");
    const path = "/v2/stocks/AAPL/trades/latest";
    expect((await bench.get(path)).status).toBe(403);
    const headers = { "apca-api-key-id": "sim", "apca-api-secret-key": "sim-secret" };
    let limited = 0;
    for (let at = 0; at < 402 && limited === 0; at += 1) {
      if ((await bench.get(path, headers)).status === 429) limited = at;
    }
    expect(limited).toBeGreaterThanOrEqual(200);
  });
});

describe("MessagePack", () => {
  it("gives back what it took, and refuses what is cut off", () => {
    const value = {
      text: "ü".repeat(200),
      numbers: [0, 127, 128, 255, 256, 65_536, 2 ** 32, 2 ** 53 - 1, -1, -32, -33, 1.5],
      flags: [true, false, null],
      time: new Timestamp(1_700_000_000_123_456_789n),
      many: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, at])),
    };
    const bytes = encode(value);
    expect(JSON.stringify(decode(bytes))).toBe(JSON.stringify(value));
    for (let cut = 0; cut < bytes.length; cut += 1) {
      expect(() => decode(bytes.subarray(0, cut))).toThrow(RangeError);
    }
    expect(() => decode(Buffer.from(Array(40).fill(0x91)))).toThrow("too deep");
  });
});

describe("ALPACA_CRYPTO", () => {
  it("an order book begins whole and goes on by changes to that of the truth", async () => {
    await using bench = await Bench.start("ALPACA_CRYPTO");
    await using client = await login(bench, "/v1beta3/crypto/us");
    client.send({ action: "subscribe", orderbooks: ["BTC/USD"] });
    const books = () => client.messages.filter(({ T }) => T === "o");
    await until("changes", () => books().length > 20);
    const sides = { b: new Map<number, number>(), a: new Map<number, number>() };
    for (const [at, message] of books().entries()) {
      expect(message["r"] === true).toBe(at === 0);
      for (const side of ["b", "a"] as const) {
        for (const { p, s } of message[side] as { p: number; s: number }[]) {
          if (s === 0) sides[side].delete(p);
          else sides[side].set(p, s);
        }
      }
    }
    const last = books().at(-1)?.["t"];
    const truth = bench.feeds.truth
      .page(0)
      .entries.find(({ key }) => new Timestamp(BigInt(key)).toJSON() === last);
    const best = [...sides.b].sort(([x], [y]) => y - x).slice(0, 10);
    expect(best).toEqual(truth?.bids.map(([px, qty]) => [Number(px), Number(qty)]));
  });
});
