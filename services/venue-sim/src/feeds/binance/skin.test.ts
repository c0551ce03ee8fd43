import { describe, expect, it } from "vitest";
import { Bench, until } from "../testing.ts";
import type { BinanceVenue } from "./markets.ts";

const STREAMS: Record<BinanceVenue, string> = {
  BINANCE_SPOT: "/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms/btcusdt@bookTicker",
  BINANCE_USDM: "/public/stream?streams=btcusdt@depth@0ms/ethusdt@depth@0ms/btcusdt@bookTicker",
  BINANCE_COINM:
    "/stream?streams=btcusd_perp@depth@0ms/ethusd_perp@depth@0ms/btcusd_perp@bookTicker",
};
const REST: Record<BinanceVenue, string> = {
  BINANCE_SPOT: "/api/v3/depth?symbol=BTCUSDT",
  BINANCE_USDM: "/fapi/v1/depth?symbol=BTCUSDT",
  BINANCE_COINM: "/dapi/v1/depth?symbol=BTCUSD_PERP",
};
const VENUES = Object.keys(STREAMS) as BinanceVenue[];

interface Depth {
  readonly s: string;
  readonly U: number;
  readonly u: number;
  readonly pu?: number;
  readonly b: readonly (readonly [string, string])[];
  readonly a: readonly (readonly [string, string])[];
  readonly E: number;
}

const depths = (messages: readonly Readonly<Record<string, unknown>>[], symbol: RegExp): Depth[] =>
  messages
    .map(({ data }) => data as Depth & { e?: string })
    .filter(({ e, s }) => e === "depthUpdate" && symbol.test(s));

/** Whether each message follows the one before by the venue's rule. */
function unbroken(chain: readonly Depth[]): boolean[] {
  return chain.slice(1).map((each, at) => {
    const before = chain[at];
    return each.pu === undefined ? each.U === (before?.u ?? 0) + 1 : each.pu === before?.u;
  });
}

const BTC = /^BTC/;

describe.each(VENUES)("%s", (venue) => {
  const start = (options = {}) => Bench.start(venue, options);
  const open = async (bench: Bench) => bench.ws(STREAMS[venue]).opened();

  it("a snapshot and the diffs after it give the book of the truth [A06]", async () => {
    await using bench = await start();
    await using client = await open(bench);
    await until("diffs", () => depths(client.messages, BTC).length > 5);
    const { body } = await bench.get(REST[venue]);
    const id = body["lastUpdateId"] as number;
    await until("diffs after it", () => (depths(client.messages, BTC).at(-1)?.u ?? 0) > id + 20);
    const book = { bids: new Map<string, string>(), asks: new Map<string, string>() };
    const apply = (levels: Map<string, string>, rows: unknown) => {
      for (const [px, qty] of rows as [string, string][]) {
        if (Number(qty) === 0) levels.delete(px);
        else levels.set(px, qty);
      }
    };
    apply(book.bids, body["bids"]);
    apply(book.asks, body["asks"]);
    const chain = depths(client.messages, BTC).filter(({ u }) => u > id);
    expect(chain[0]?.U).toBeLessThanOrEqual(id + 1);
    for (const { b, a } of chain) {
      apply(book.bids, b);
      apply(book.asks, a);
    }
    const last = String(chain.at(-1)?.u);
    const truth = bench.feeds.truth
      .page(0)
      .entries.find((e) => e.key === last && e.kind === "book" && BTC.test(e.symbol));
    const best = (levels: Map<string, string>, sign: number) =>
      [...levels].sort(([x], [y]) => sign * (Number(x) - Number(y))).slice(0, 10);
    expect(best(book.bids, -1)).toEqual(truth?.bids);
    expect(best(book.asks, 1)).toEqual(truth?.asks);
    expect(unbroken(depths(client.messages, BTC)).every(Boolean)).toBe(true);
  });

  it("gap, duplicate, crossed, reorder: each once, and counted once", async () => {
    await using bench = await start();
    await using client = await open(bench);
    await until("diffs", () => depths(client.messages, BTC).length > 2);

    bench.throw("gap", { count: 2 });
    await until("the gaps", () => bench.injected("gap") === 2);
    await until("broken chains", () => {
      const broken = [BTC, /^ETH/].flatMap((of) => unbroken(depths(client.messages, of)));
      return broken.filter((each) => !each).length >= 1;
    });

    bench.throw("duplicate");
    await until("the double", () =>
      [BTC, /^ETH/].some((of) => {
        const ids = depths(client.messages, of).map(({ u }) => u);
        return new Set(ids).size < ids.length;
      }),
    );

    bench.throw("crossed");
    const crossed = await until("the crossed message", () =>
      depths(client.messages, /./).find(({ u, b, s }) => {
        const truth = bench.feeds.truth.page(0).entries;
        const entry = truth.find((e) => e.kind === "book" && e.symbol === s && e.key === String(u));
        const ask = Number(entry?.asks[0]?.[0] ?? Number.POSITIVE_INFINITY);
        return b.some(([px, qty]) => Number(qty) > 0 && Number(px) > ask);
      }),
    );
    expect(crossed.b.length).toBeGreaterThan(0);

    bench.throw("reorder_symbols");
    await until("the swap", () => bench.injected("reorder_symbols") === 1);
    for (const name of ["duplicate", "crossed"] as const) expect(bench.injected(name)).toBe(1);
  });

  it("a snapshot older than the stream's buffer, and one newer than all of it", async () => {
    await using bench = await start();
    await using client = await open(bench);
    await new Promise((resolve) => setTimeout(resolve, 2_800));
    const first = depths(client.messages, BTC)[0]?.U ?? 0;
    await using late = await open(bench);
    await until("diffs", () => depths(late.messages, BTC).length > 0);
    const firstLate = depths(late.messages, BTC)[0]?.U ?? 0;
    expect(firstLate).toBeGreaterThan(first);

    bench.throw("snapshot_old");
    const old = await bench.get(REST[venue]);
    expect(old.body["lastUpdateId"] as number).toBeLessThan(firstLate - 1);
    expect(bench.injected("snapshot_old")).toBe(1);

    bench.throw("snapshot_new");
    const fresh = await bench.get(REST[venue]);
    const newest = depths(client.messages, BTC).at(-1)?.u ?? 0;
    expect(fresh.body["lastUpdateId"] as number).toBeGreaterThan(newest);
    await until("the stream again", () => {
      const { u = 0 } = depths(client.messages, BTC).at(-1) ?? {};
      return u > (fresh.body["lastUpdateId"] as number);
    });
    expect(unbroken(depths(client.messages, BTC)).every(Boolean)).toBe(true);
  }, 20_000);

  it("a planned shutdown is told, then comes; a roll comes untold", async () => {
    await using bench = await start();
    await using client = await open(bench);
    bench.throw("shutdown_notice");
    const notice = await client.next(({ stream }) => stream === "!serverShutdown");
    expect((notice["data"] as { e: string }).e).toBe("serverShutdown");
    expect(client.closed).toBeNull();
    await until("the end", () => client.closed);
    await using second = await open(bench);
    bench.throw("roll_24h");
    await until("the end", () => second.closed);
    expect(second.messages.some(({ stream }) => stream === "!serverShutdown")).toBe(false);
  });

  it("pings each 20 s, drops 60 s after the last pong; a client that pongs stays, unless its pongs are lost", async () => {
    await using bench = await start({ scale: 60 });
    await using answering = await open(bench);
    await using silent = bench.ws(STREAMS[venue], { autoPong: false });
    await silent.opened();
    await until("the drop", () => silent.closed, 4_000);
    expect(silent.pings).toBeGreaterThanOrEqual(2);
    expect(answering.closed).toBeNull();
    bench.throw("pong_lost");
    await until("the drop", () => answering.closed, 4_000);
    expect(bench.injected("pong_lost")).toBe(1);
  });

  it("a half-open socket: nothing more comes, and no end", async () => {
    await using bench = await start();
    await using client = await open(bench);
    await until("diffs", () => client.messages.length > 3);
    bench.throw("half_open");
    await until("the fault", () => bench.injected("half_open") === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = client.messages.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(client.messages.length).toBe(before);
    expect(client.closed).toBeNull();
  });

  it("heartbeats alone: the session lives, no data, then data again", async () => {
    await using bench = await start();
    await using client = await open(bench);
    await until("diffs", () => client.messages.length > 3);
    bench.throw("heartbeat_only", { ms: 700 });
    await until("the fault", () => bench.injected("heartbeat_only") === 1);
    const before = client.messages.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(client.messages.length).toBe(before);
    await until("data again", () => client.messages.length > before);
    expect(client.closed).toBeNull();
  });

  it("the clock: skewed by two seconds, leapt by an hour, and back", async () => {
    await using bench = await start();
    await using client = await open(bench);
    const off = () => {
      const last = depths(client.messages, /./).at(-1);
      return last === undefined ? 0 : last.E - Date.now();
    };
    bench.throw("clock_skew", { ms: 600 });
    await until("skew", () => off() > 1_500 && off() < 2_500);
    bench.throw("wall_leap", { ms: 600 });
    await until("leap", () => off() > 3_500_000);
    await until("back", () => Math.abs(off()) < 1_000 && client.messages.length > 0);
  });

  it("a burst: so many messages more in its time", async () => {
    await using bench = await start();
    await using client = await open(bench);
    await until("diffs", () => client.messages.length > 3);
    const before = bench.feeds.truth.next;
    bench.throw("burst", { ms: 1_000, perSecond: 2_000, shape: "spikes" });
    await until("the burst", () => bench.feeds.truth.next - before > 1_000);
    expect(bench.injected("burst")).toBe(1);
    await until("it is read", () => client.messages.length > 500);
  });

  it("slow accept: the connection is there only after its delay", async () => {
    await using bench = await start();
    bench.throw("slow_accept", { ms: 500 });
    const started = performance.now();
    await using _client = await open(bench);
    expect(performance.now() - started).toBeGreaterThan(450);
  });

  it("takes five messages a second, 1,024 streams, and no unknown path", async () => {
    await using bench = await start();
    await using chatty = await open(bench);
    for (let id = 0; id < 6; id += 1) chatty.send({ method: "LIST_SUBSCRIPTIONS", id });
    await until("the end", () => chatty.closed?.code === 1008);
    await using nowhere = bench.ws("/nowhere");
    await until("the refusal", () => nowhere.status === 404);
    const [prefix = "", first = ""] = STREAMS[venue].split("=");
    const many = Array.from({ length: 1_025 }, (_, at) => `s${at}@depth`).join("/");
    await using greedy = bench.ws(`${prefix}=${many}`);
    await until("the refusal", () => greedy.status === 400);
    expect(first).not.toBe("");
  });
});

describe("what only some markets have", () => {
  it("a client that does not read is dropped", async () => {
    await using bench = await Bench.start("BINANCE_SPOT", { unsentBytesMax: 64 * 1_024 });
    await using slow = await bench.ws(STREAMS.BINANCE_SPOT).opened();
    slow.socket.pause();
    bench.throw("burst", { ms: 20_000, perSecond: 20_000 });
    await until("the drop", () => bench.injected("slow_client") > 0, 15_000);
    slow.socket.resume();
    await until("the end", () => slow.closed);
  }, 30_000);

  it.each(["BINANCE_USDM", "BINANCE_COINM"] as const)("%s: pu alone mismatches", async (venue) => {
    await using bench = await Bench.start(venue);
    await using client = await bench.ws(STREAMS[venue]).opened();
    await until("diffs", () => depths(client.messages, BTC).length > 2);
    bench.throw("pu_mismatch");
    await until("the mismatch", () =>
      [BTC, /^ETH/].some((of) => {
        const chain = depths(client.messages, of);
        const broken = unbroken(chain).indexOf(false) + 1;
        return broken > 0 && chain[broken]?.U === (chain[broken - 1]?.u ?? 0) + 1;
      }),
    );
    expect(bench.injected("pu_mismatch")).toBe(1);
  });

  it("USD-M is routed: the old roots are gone, and each route carries its own", async () => {
    await using bench = await Bench.start("BINANCE_USDM");
    for (const [path, status] of [
      ["/stream?streams=btcusdt@depth@0ms", 404],
      ["/ws/btcusdt@trade", 404],
      ["/market/stream?streams=btcusdt@depth@0ms", 400],
      ["/public/ws/btcusdt@trade", 400],
    ] as const) {
      await using client = bench.ws(path);
      await until(path, () => client.status === status);
    }
  });

  it("spot: one stream by its path, and microseconds where the URL asks for them", async () => {
    await using bench = await Bench.start("BINANCE_SPOT");
    await using client = await bench.ws("/ws/btcusdt@depth?timeUnit=MICROSECOND").opened();
    const message = await client.next(({ e }) => e === "depthUpdate");
    expect(Math.abs((message["E"] as number) / 1_000 - Date.now())).toBeLessThan(5_000);
  });

  it("the recording: two minutes of BTCUSDT, its book that of its snapshot and diffs", async () => {
    await using bench = await Bench.start("BINANCE_SPOT", { samples: true });
    await using client = await bench.ws("/stream?streams=btcusdt@depth@100ms").opened();
    const first = await client.next(({ stream }) => stream === "btcusdt@depth@100ms");
    const { U, u } = first["data"] as Depth;
    const { body } = await bench.get("/api/v3/depth?symbol=BTCUSDT&limit=1000");
    expect(body["lastUpdateId"]).toBeGreaterThanOrEqual(u);
    expect(U).toBeGreaterThan(50_000_000_000);
    await until("an unbroken chain", () => depths(client.messages, BTC).length > 5);
    expect(unbroken(depths(client.messages, BTC)).every(Boolean)).toBe(true);
  });
});
