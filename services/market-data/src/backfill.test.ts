import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, ServiceContext } from "@tidegate/service-kit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Backfill, backfillClient, PAGE_TRADES, PAGES_MAX, rfc3339 } from "./backfill.ts";
import { type MarketDataConfig, Settings } from "./config.ts";

const dir = mkdtempSync(join(tmpdir(), "backfill-"));
const keyFile = join(dir, "key.json");
writeFileSync(keyFile, JSON.stringify({ key: "AK", secret: "SK" }));
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

/** A venue over a real socket, and the kit's side of one service. */
async function rig(answer: (url: URL, response: ServerResponse) => void, everyMs = 0) {
  const asked: { url: URL; headers: IncomingMessage["headers"]; atMs: number }[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    asked.push({ url, headers: request.headers, atMs: performance.now() });
    answer(url, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const alpacaRestUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = Settings.parse({ alpacaRestUrl, alpacaKeyFile: keyFile });
  const lines: string[] = [];
  const log = (_: unknown, msg: string): void => void lines.push(msg);
  const context = {
    config,
    log: { info: log, warn: log, error: log },
  } as unknown as ServiceContext<MarketDataConfig>;
  const calls: { request: Record<string, unknown>; body: string }[] = [];
  const engine: Engine = {
    async call(request, body) {
      calls.push({ request: { ...request }, body: Buffer.from(body ?? []).toString() });
      return { ok: true, merged: 1 };
    },
    stats: () => ({}),
  };
  const backfill = new Backfill(context, engine, backfillClient(config), everyMs);
  undo.push(() => backfill.close());
  return { asked, calls, lines, backfill, context, engine };
}

const wish = { instrument: 4, symbol: "BRK.B", fromNs: "1641200401000000007", loss: 3 };
const page = (token: string | null) =>
  JSON.stringify({ trades: [], symbol: "X", next_page_token: token });

describe("Backfill", () => {
  it("asks page by page with the key as headers, and hands each over as it came [B014]", async () => {
    const host = await rig((url, response) =>
      response.end(page(url.searchParams.has("page_token") ? null : "t/1")),
    );
    host.backfill.want(wish);
    host.backfill.want(wish);
    await vi.waitFor(() => expect(host.lines).toEqual(["the missing trades have come"]));
    const [first, second] = host.asked;
    expect(first?.url.pathname).toBe("/v2/stocks/BRK.B/trades");
    expect(first?.headers).toMatchObject({ "apca-api-key-id": "AK", "apca-api-secret-key": "SK" });
    expect(Object.fromEntries(first?.url.searchParams ?? [])).toMatchObject({
      start: "2022-01-03T09:00:01.000000007Z",
      feed: "iex",
      limit: String(PAGE_TRADES),
    });
    expect(second?.url.searchParams.get("page_token")).toBe("t/1");
    expect(host.asked.length).toBe(2);
    expect(host.calls).toEqual([
      { request: { op: "trades", instrument: 4, loss: 3, last: false }, body: page("t/1") },
      { request: { op: "trades", instrument: 4, loss: 3, last: true }, body: page(null) },
    ]);
  });

  it("stays within its pages and says what it left out", async () => {
    const host = await rig((_, response) => response.end(page("more")));
    host.backfill.want(wish);
    await vi.waitFor(() => expect(host.lines).toContain("the missing trades have come"));
    expect(host.asked.length).toBe(PAGES_MAX);
    expect(host.calls.at(-1)?.request["last"]).toBe(true);
    expect(host.lines[0]).toBe("more trades are missing than are asked for");
  });

  it("asks one question after the other, each no sooner than the budget allows", async () => {
    const host = await rig((_, response) => response.end(page(null)), 50);
    for (const instrument of [1, 2, 3]) host.backfill.want({ ...wish, instrument });
    await vi.waitFor(() => expect(host.calls.length).toBe(3));
    expect(host.calls.map(({ request }) => request["instrument"])).toEqual([1, 2, 3]);
    const gaps = host.asked.slice(1).map(({ atMs }, at) => atMs - (host.asked[at]?.atMs ?? 0));
    // A timer may fire a millisecond early; without the budget the gaps are a few milliseconds.
    for (const gap of gaps) expect(gap).toBeGreaterThan(40);
  });

  it("leaves a venue alone that asks for it, and is asked again by the loop", async () => {
    const host = await rig((_, response) =>
      response.writeHead(429, { "retry-after": "60" }).end("slow"),
    );
    host.backfill.want(wish);
    await vi.waitFor(() => expect(host.lines).toEqual(["the missing trades did not come"]));
    await vi.waitFor(() => {
      host.backfill.want(wish);
      expect(host.lines.length).toBeGreaterThan(1);
    });
    expect([host.asked.length, host.calls.length]).toEqual([1, 0]);
  });

  it("without a REST end it says so once, and a wish that is none is a line", async () => {
    const host = await rig((_, response) => response.end());
    const none = new Backfill(host.context, host.engine, null);
    none.want(wish);
    none.want(wish);
    none.want({ ...wish, fromNs: 5 });
    expect(host.lines).toEqual([
      "trades are missing and alpacaRestUrl is not set",
      "a wish for trades that is none",
    ]);
    expect(host.asked).toEqual([]);
  });

  it("refuses a REST end without a key, and a key that can be read only once", () => {
    const of = (more: object) => () =>
      backfillClient(Settings.parse({ alpacaRestUrl: "http://127.0.0.1:1", ...more }));
    expect(of({})).toThrow("alpacaKeyFile is not");
    expect(of({ alpacaKeyFile: "/dev/null" })).toThrow("regular file");
    const bad = join(dir, "bad.json");
    writeFileSync(bad, "{}");
    expect(of({ alpacaKeyFile: bad })).toThrow('want {"key"');
    expect(backfillClient(Settings.parse({}))).toBeNull();
  });

  it("times keep their nine digits", () => {
    expect(rfc3339(1_641_200_401_000_000_007n)).toBe("2022-01-03T09:00:01.000000007Z");
    expect(rfc3339(0n)).toBe("1970-01-01T00:00:00.000000000Z");
  });
});
