import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "config-"));
const at = (name: string): string => join(folder, name);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
function hft(...args: readonly string[]): Promise<Ran> {
  return new Promise((done) => {
    const flags = ["--disable-warning=ExperimentalWarning", main, ...args];
    const child = execFile(process.execPath, flags, { cwd: folder }, (_, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

const CONTRACTS = [
  { code: "2330", exchange: "TSE", product_type: "stock", tick: "5" },
  { code: "TXFF6", exchange: "TAIFEX", product_type: "future", root: "TXF", delivery: "20260617" },
  { code: "TXFG6", exchange: "TAIFEX", product_type: "future", root: "TXF", delivery: "20260715" },
];
let answer = { status: 200, body: JSON.stringify(CONTRACTS) };
let asked: IncomingHttpHeaders = {};
const server = createServer((request, response) => {
  asked = request.headers;
  response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
});
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/contracts`;
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

describe("hft config", () => {
  it("fetches the contracts of a venue, builds the table of a list, and rolls it [A03]", async () => {
    const cache = ["--contracts", at("contracts.json")];
    const synced = await hft(
      "config",
      "sync",
      "--from",
      from,
      ...cache,
      "--today",
      "20260616",
      "--json",
    );
    expect([synced.code, JSON.parse(synced.out)], synced.err).toMatchObject([
      0,
      { version: 1, contracts: 3, added: { length: 3 }, expiring: ["TAIFEX TXFF6 on 20260617"] },
    ]);
    writeFileSync(at("symbols.list"), "2330 tags=core\nTXF@roll\n");
    const list = ["--list", at("symbols.list"), ...cache, "--output", at("table.json"), "--json"];
    const early = await hft("config", "build", ...list, "--today", "20260601");
    expect(JSON.parse(early.out), early.err).toMatchObject({ version: 1, instruments: 2 });
    const late = await hft("config", "build", ...list, "--today", "20260616");
    expect(JSON.parse(late.out)).toMatchObject({ version: 2 });
    const table = JSON.parse(readFileSync(at("table.json"), "utf8")) as {
      instruments: { id: number; symbol: string }[];
    };
    expect(table.instruments.map(({ id, symbol }) => [id, symbol])).toEqual([
      [1, "2330"],
      [3, "TXFG6"],
    ]);
    expect((await hft("config", "resolve", "2330", "9999", ...cache)).code).toBe(1);
    expect((await hft("config", "contracts-status", ...cache, "--json")).code).toBe(0);
  }, 60_000);

  it("keeps the old cache when the venue answers badly, and names what is wrong [A03]", async () => {
    const before = readFileSync(at("contracts.json"), "utf8");
    for (const [status, body, text] of [
      [503, "", "status 503; the old cache stays"],
      [200, '[{"code":"A"}]', "0.exchange"],
      [200, "[]", "the old cache stays"],
    ] as const) {
      answer = { status, body };
      const ran = await hft("config", "sync", "--from", from, "--contracts", at("contracts.json"));
      expect([ran.code, ran.err]).toEqual([1, expect.stringContaining(text)]);
      expect(readFileSync(at("contracts.json"), "utf8")).toBe(before);
    }
  }, 60_000);

  it("a fault of the list is exit 1 with its place, a wrong flag exit 2, and a missing cache says how to get one", async () => {
    writeFileSync(at("bad.list"), "2330\n2330\n");
    const cache = ["--contracts", at("contracts.json"), "--today", "20260601"];
    const bad = await hft("config", "validate", "--list", at("bad.list"), ...cache);
    expect([bad.code, bad.out]).toEqual([
      1,
      expect.stringContaining("bad.list:2:1: 2330 stands at"),
    ]);
    expect((await hft("config", "preview", "--today", "x")).code).toBe(2);
    const none = await hft("config", "contracts-status", "--contracts", at("none.json"));
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("hft config sync")]);
    const feed = await hft("feed", "status", "--state-dir", folder);
    expect([feed.code, feed.err]).toEqual([2, expect.stringContaining("no market-data runs here")]);
  }, 60_000);
});

/** A venue's own answer, as a file. */
const SHIOAJI = `[{"security_type":"STK","exchange":"TSE","code":"2330","category":"24","currency":"TWD","delivery_date":"","strike_price":0.0,"option_right":"","unit":1000.0,"multiplier":0,"limit_up":2440.0,"limit_down":2000.0,"reference":2220.0,"update_date":"2026/05/14","target_code":""},
{"security_type":"FUT","exchange":"TAIFEX","code":"TXFE6","category":"TXF","delivery_date":"2026/05/20","strike_price":0.0,"option_right":"","unit":1.0,"multiplier":0,"limit_up":45799.0,"limit_down":37473.0,"reference":41636.0,"update_date":"2026/05/14","target_code":""},
{"security_type":"FUT","exchange":"TAIFEX","code":"TXFF6","category":"TXF","delivery_date":"2026/06/17","strike_price":0.0,"option_right":"","unit":1.0,"multiplier":0,"limit_up":0.0,"limit_down":0.0,"reference":0.0,"update_date":"2026/05/14","target_code":""},
{"security_type":"WRT","exchange":"TSE","code":"030001"}]`;

describe("hft config from the venues' own answers", () => {
  const cache = ["--contracts", at("own.json")];
  const status = ["--status-file", at("status.json")];
  const from = (path: string): string => {
    writeFileSync(at("answer.json"), path);
    return at("answer.json");
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/assets?secret=1`;

  it("reads a file and a URL with the venue's login, keeps other venues, and writes what it did [A03]", async () => {
    const tw = ["--form", "shioaji", "--from", from(SHIOAJI), "--today", "20260514"];
    const first = await hft("config", "sync", ...tw, ...cache, ...status);
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(first.out).toContain("left out: 1: security type WRT: 030001");
    expect(first.out).toContain("added: 3: TAIFEX TXFE6, TAIFEX TXFF6, TSE 2330");
    const asset = { class: "us_equity", exchange: "NYSE", symbol: "BRK.B", status: "active" };
    answer = { status: 200, body: JSON.stringify([{ ...asset, tradable: true }]) };
    writeFileSync(at("key.json"), '{"key":"K","secret":"S"}');
    const us = ["--form", "alpaca", "--from", url, "--key-file", at("key.json")];
    const second = await hft("config", "sync", ...us, ...cache, ...status, "--json");
    expect(JSON.parse(second.out), second.err).toMatchObject({ version: 2, contracts: 4 });
    expect([asked["apca-api-key-id"], asked["apca-api-secret-key"]]).toEqual(["K", "S"]);
    expect(JSON.parse(readFileSync(at("status.json"), "utf8"))).toMatchObject({
      ok: true,
      cache_version: 2,
      added: 1,
      removed: 0,
      from: url.split("?")[0],
    });
    expect((await hft("config", "contracts-status", ...cache, ...status)).code).toBe(0);

    answer = { status: 401, body: "" };
    const refused = await hft("config", "sync", ...us, ...cache, ...status);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("status 401")]);
    const stale = await hft("config", "contracts-status", ...cache, ...status);
    expect([stale.code, stale.out]).toEqual([
      1,
      expect.stringMatching(/FAILED: .*status 401; the old cache stays/),
    ]);
    expect(`${refused.err}${stale.out}`).not.toContain("secret");
    expect((await hft("config", "sync", "--from", at("none.json"), ...cache)).err).toContain(
      "is no file",
    );
    expect((await hft("config", "sync", "--form", "nyse", "--from", url, ...cache)).code).toBe(2);
  }, 60_000);

  it("names strategies bound to dead contracts with the remedy, and builds nothing for them [A03]", async () => {
    writeFileSync(at("own.list"), "2330 tags=core\nTXF@front\n");
    const list = ["--list", at("own.list"), ...cache];
    const bind = (symbols: string[]) => {
      const strategies = [{ id: 7, file: "x/arb.ts", params: { symbols } }];
      writeFileSync(at("runner.json"), JSON.stringify({ strategies }));
      return ["--strategies", at("runner.json")];
    };
    const good = bind(["TXFE6", "tag:core"]);
    const day = ["--today", "20260514"];
    expect((await hft("config", "validate", ...list, ...good, ...day)).code).toBe(0);
    const later = ["--today", "20260521"];
    const dead = await hft("config", "validate", ...list, ...good, ...later, "--json");
    expect([dead.code, (JSON.parse(dead.out) as { faults: string[] }).faults]).toEqual([
      1,
      [
        "strategy 7 (arb.ts) is bound to TXFE6, which ended on 20260520; bind it to TXFF6 or unbind it",
      ],
    ]);
    const table = ["--output", at("own-table.json")];
    expect((await hft("config", "build", ...list, ...good, ...later, ...table)).code).toBe(1);
    expect(existsSync(at("own-table.json"))).toBe(false);
    const preview = await hft("config", "build", ...list, ...good, ...day, ...table, "--preview");
    expect([preview.code, preview.out]).toEqual([0, expect.stringContaining("(not written)")]);
    expect(existsSync(at("own-table.json"))).toBe(false);
    const built = await hft("config", "build", ...list, ...good, ...day, ...table, "--json");
    const { hash } = JSON.parse(built.out) as { hash: string };
    expect(preview.out).toContain(hash);

    const symbols = ["--symbols", at("own-table.json"), ...cache];
    expect((await hft("config", "validate", ...symbols, ...day)).code).toBe(0);
    const over = await hft("config", "validate", ...symbols, ...later);
    expect([over.code, over.out]).toEqual([
      1,
      expect.stringContaining("(SHIOAJI TXFE6) ended on 20260520; roll with `hft config build`"),
    ]);
    // What the venue lists now, not what the cache says.
    const one = `${SHIOAJI.slice(0, SHIOAJI.indexOf("},") + 1)}]`;
    const online = ["--online", "--form", "shioaji", "--from", from(one), ...day];
    const gone = await hft("config", "validate", ...symbols, ...online);
    expect([gone.code, gone.out]).toEqual([
      1,
      expect.stringContaining("(SHIOAJI TXFE6) is in no contract of its venue"),
    ]);
    expect((await hft("config", "validate", ...symbols, "--online")).code).toBe(2);
  }, 60_000);

  it("resolves into a file, and builds without contracts where no rule needs them [A03]", async () => {
    const out = ["--output", at("resolved.json")];
    expect((await hft("config", "resolve", "2330", ...cache, ...out)).code).toBe(0);
    expect(JSON.parse(readFileSync(at("resolved.json"), "utf8"))).toMatchObject([
      { code: "2330", listed: [{ exchange: "TSE", limit_up: "2440", board_lot: 1000 }] },
    ]);
    writeFileSync(at("plain.list"), "2330\n");
    const plain = ["--list", at("plain.list"), "--output", at("plain.json"), "--json"];
    const built = await hft("config", "build", ...plain, "--no-contracts");
    expect(JSON.parse(built.out), built.err).toMatchObject({ instruments: 1, written: true });
    writeFileSync(at("rule.list"), "TXF@front\n");
    const rule = ["--list", at("rule.list"), "--output", at("rule.json"), "--no-contracts"];
    expect((await hft("config", "build", ...rule)).err).toContain("this rule needs the contracts");
    writeFileSync(at("figures.json"), '{"2330":{"oi":"many","x y":1}}');
    const figures = ["--list", at("plain.list"), ...cache, "--metrics", at("figures.json")];
    expect((await hft("config", "validate", ...figures)).err).toContain("2330.x y: ");
  }, 60_000);
});
