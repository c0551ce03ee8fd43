import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
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
const server = createServer((_, response) =>
  response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body),
);
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
