import { readdirSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  alpaca,
  binanceCoinm,
  binanceSpot,
  binanceUsdm,
  FEEDS,
  RestClient,
  shioaji,
  signQuery,
} from "./index.ts";
import { BODY_BYTES_MAX } from "./rest.ts";

// The example key of the venue's public documentation; it opens nothing.
const SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const KEY = { key: "a-key", secret: () => SECRET };

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function venue(
  answer: (request: IncomingMessage) => {
    status?: number;
    body: string | Buffer;
    headers?: Record<string, string>;
  },
) {
  const seen: IncomingMessage[] = [];
  server = createServer((request, response) => {
    seen.push(request);
    const { status = 200, body, headers = {} } = answer(request);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    seen,
    port,
    rest: new RestClient({
      baseUrl: `http://127.0.0.1:${port}/`,
      key: KEY,
      nowMs: () => 1_499_827_319_559,
    }),
  };
}

describe("signatures", () => {
  const tail =
    "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
  const params = (symbol: string) =>
    [["symbol", symbol], ...tail.split("&").map((pair) => pair.split("=") as [string, string])] as [
      string,
      string,
    ][];

  it("agree with the examples of the venue's documentation", () => {
    expect(signQuery(params("LTCBTC"), SECRET)).toBe(
      `symbol=LTCBTC&${tail}&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71`,
    );
    expect(signQuery(params("１２３４５６"), SECRET)).toBe(
      `symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&${tail}&signature=e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3`,
    );
  });

  it("change with every parameter", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        fc.pre(a !== b);
        const signed = (value: string) =>
          signQuery([["symbol", value]], SECRET).split("signature=")[1];
        expect(signed(encodeURIComponent(a.toWellFormed()))).not.toBe(
          signed(encodeURIComponent(`${b.toWellFormed()}.`)),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe("queries", () => {
  it("hand over a body as it was sent, digit for digit", async () => {
    const body =
      '{"lastUpdateId":9007199254740993,"bids":[["61800.20000000","0.10000000"]],"asks":[]}';
    const { rest, seen } = await venue(() => ({ body, headers: { "x-mbx-used-weight-1m": "77" } }));
    const answer = await binanceSpot.queries.depthSnapshot(rest, "BTCUSDT", 1_000);
    expect(Buffer.from(answer.body).toString()).toBe(body);
    expect(answer).toMatchObject({ status: 200, usedWeight: 77, retryAfterS: null });
    expect(seen[0]?.url).toBe("/api/v3/depth?symbol=BTCUSDT&limit=1000");
    expect(seen[0]?.headers["x-mbx-apikey"]).toBeUndefined();
  });

  it("sign what must be signed, and send the key in its header only", async () => {
    const { rest, seen } = await venue(() => ({ body: "[]" }));
    await binanceUsdm.queries.trades(rest, "BTCUSDT", { fromId: "42" });
    await binanceUsdm.queries.listenKey.start(rest);
    const [trades, key] = seen;
    const query = "symbol=BTCUSDT&fromId=42&limit=1000&recvWindow=5000&timestamp=1499827319559";
    const signed = signQuery(
      query.split("&").map((pair) => pair.split("=") as [string, string]),
      SECRET,
    );
    expect(trades?.url).toBe(`/fapi/v1/userTrades?${signed}`);
    expect(trades?.headers["x-mbx-apikey"]).toBe("a-key");
    expect([key?.method, key?.url]).toEqual(["POST", "/fapi/v1/listenKey"]);
    expect(seen.map(({ url }) => url).join()).not.toContain(SECRET);
  });

  it("give a status as a value, with how long to wait", async () => {
    const { rest } = await venue(() => ({
      status: 429,
      body: '{"code":-1003,"msg":"x"}',
      headers: { "retry-after": "7" },
    }));
    expect(await binanceSpot.queries.time(rest)).toMatchObject({ status: 429, retryAfterS: 7 });
  });

  it("refuse a body above the bound", async () => {
    const { rest } = await venue(() => ({ body: Buffer.alloc(BODY_BYTES_MAX + 1) }));
    await expect(binanceSpot.queries.exchangeInfo(rest)).rejects.toThrow(RangeError);
  });

  it("refuse to sign without a key, before a byte is sent", async () => {
    const rest = new RestClient({ baseUrl: "http://127.0.0.1:1" });
    await expect(binanceSpot.queries.openOrders(rest, "BTCUSDT")).rejects.toThrow("needs a key");
  });
});

describe("paths", () => {
  const all = [binanceSpot, binanceUsdm, binanceCoinm, alpaca, shioaji].flatMap(({ paths }) =>
    Object.values<string | null>(paths).filter((path) => path !== null),
  );

  it.each([...new Set(all)])(
    "%s is asked for as it is, whatever the base ends with [B017]",
    async (path) => {
      expect(path).toMatch(/^\/[^/].*[^/]$/);
      const { seen, port } = await venue(() => ({ body: "{}" }));
      for (const end of ["", "/", "//"]) {
        const rest = new RestClient({ baseUrl: `http://127.0.0.1:${port}${end}` });
        await rest.ask("GET", path, [], "none");
        await rest.send("GET", path, null);
      }
      expect(new Set(seen.map(({ url }) => url))).toEqual(new Set([path]));
      expect(seen).toHaveLength(6);
    },
  );
});

describe("error codes", () => {
  it.each([
    [400, -1007, "Timeout", "unknown_outcome"],
    [503, 0, "", "unknown_outcome"],
    [503, -1008, "overloaded", "try_later"],
    [400, -2010, "Account has insufficient balance", "refused"],
    [400, -2010, "Duplicate order sent.", "duplicate"],
    [400, -2013, "Order does not exist.", "not_found"],
    [429, -9999, "", "try_later"],
    [400, -9999, "", "bad_request"],
  ] as const)("%i %i %s is %s at both venues", (status, code, text, want) => {
    expect(binanceSpot.errorMeaning(status, code, text)).toBe(want);
    expect(binanceUsdm.errorMeaning(status, code, text)).toBe(want);
  });

  it("post-only that would take is refused on futures", () => {
    expect(binanceUsdm.errorMeaning(400, -5022, "")).toBe("refused");
  });
});

it("every venue has the same files; where orders go over REST, these beside them", () => {
  const files = (name: string) =>
    readdirSync(fileURLToPath(new URL(name, import.meta.url))).toSorted();
  for (const venue of ["binance-usdm", "binance-coinm"]) {
    expect(files(venue)).toEqual(files("binance-spot"));
  }
  const orders = ["account.ts", "codec.ts", "orders.ts", "session.ts"];
  for (const venue of ["alpaca", "shioaji"]) {
    expect(files(venue)).toEqual([...files("binance-spot"), ...orders].toSorted());
  }
});

it("our client order ids fit every venue", () => {
  for (const { limits } of [binanceSpot, binanceUsdm]) {
    expect("0123456789abcdefghijklmno").toMatch(limits.limits.clientOrderId);
  }
});

describe("feeds", () => {
  it.each(Object.entries(FEEDS))(
    "%s: one lane carries the books, figures fit each other",
    (_, feed) => {
      expect(feed.lanes.filter(({ carriesBook }) => carriesBook)).toHaveLength(1);
      const { rules } = feed;
      expect(rules.backoffMsMin).toBe(1_000);
      expect(rules.backoffMsMax).toBe(32_000);
      expect(feed.needsKey).toBe(rules.authTimeoutMs > 0);
      if (rules.lifeMs !== undefined) expect(rules.rollBeforeMs).toBeLessThan(rules.lifeMs);
      const names = feed.lanes.flatMap(({ streams }) => streams("X1").map(({ name }) => name));
      expect(new Set(names).size).toBe(names.length);
    },
  );

  it("fatal codes are never waited for, nor waited-for codes fatal", () => {
    for (const { rules } of Object.values(FEEDS)) {
      const waits: readonly { code: number }[] = rules.waitCodes ?? [];
      for (const { code } of waits) expect(rules.fatalCodes).not.toContain(code);
    }
    expect(FEEDS.ALPACA.rules.fatalCodes).toEqual([402, 406, 408, 409]);
  });

  it("bars are not counted against the free plan's channels", () => {
    const streams = FEEDS.ALPACA.lanes[0]?.streams("AAPL") ?? [];
    expect(streams.filter(({ counted }) => !counted).map(({ name }) => name)).toEqual([
      "bars:AAPL",
    ]);
    expect(FEEDS.ALPACA.rules.streamsPerConnection).toBe(30);
  });
});
