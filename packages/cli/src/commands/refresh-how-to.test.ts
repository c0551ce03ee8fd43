import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const page = readFileSync(
  new URL("../../../../docs/how-to/refresh-contracts.md", import.meta.url),
  "utf8",
);
/** The commands of its code blocks, in their order. */
const commands = [...page.matchAll(/^\.\/hft (.+)$/gm)].map(([, text = ""]) => text.split(" "));

const tw = (type: string, code: string, more: object = {}) => ({
  ...{ security_type: type, exchange: type === "STK" ? "TSE" : "TAIFEX", code, category: "TXF" },
  ...{ unit: type === "STK" ? 1000 : 1, update_date: "2026/06/12", ...more },
});
const filters = [
  { filterType: "PRICE_FILTER", tickSize: "0.10" },
  { filterType: "LOT_SIZE", minQty: "0.001", maxQty: "1000", stepSize: "0.001" },
];
const btc = { baseAsset: "BTC", quoteAsset: "USDT", filters };
const perp = { contractType: "PERPETUAL", deliveryDate: 4_133_404_800_000, onboardDate: 1 };
const ANSWERS: Readonly<Record<string, unknown>> = {
  "/api/v1/data/contracts": [
    tw("STK", "2330"),
    tw("FUT", "TXFF6", { delivery_date: "2026/06/17" }),
    tw("FUT", "TXFG6", { delivery_date: "2026/07/15" }),
  ],
  "/api/v3/exchangeInfo": { symbols: [{ ...btc, symbol: "BTCUSDT", status: "TRADING" }] },
  "/fapi/v1/exchangeInfo": {
    symbols: [{ ...btc, ...perp, symbol: "BTCUSDT", status: "TRADING" }],
  },
  "/dapi/v1/exchangeInfo": {
    symbols: [
      { ...btc, ...perp, symbol: "BTCUSD_PERP", contractStatus: "TRADING", contractSize: 100 },
    ],
  },
};
const server = createServer((request, response) => {
  const body = ANSWERS[request.url ?? ""];
  response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body));
});
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const local = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const folder = mkdtempSync(join(tmpdir(), "refresh-"));
const at = (name: string): string => join(folder, "config", name);
mkdirSync(at("base"), { recursive: true });
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Runs a command of the page against the venues here, on a day. */
function run(words: readonly string[], today: string): Promise<{ code: number; text: string }> {
  const here = words.map((word) => word.replace(/^https?:\/\/[^/]+/, local));
  const dated = words[1] !== "contracts-status" && words[1] !== "resolve";
  const args = ["--disable-warning=ExperimentalWarning", main, ...here];
  return new Promise((done) => {
    const child = execFile(
      process.execPath,
      dated ? [...args, "--today", today] : args,
      { cwd: folder },
      (_, out, err) => done({ code: child.exitCode ?? -1, text: out + err }),
    );
  });
}
const table = () =>
  JSON.parse(readFileSync(at("instruments.json"), "utf8")) as {
    version: number;
    instruments: { id: number; symbol: string }[];
  };

describe("docs/how-to/refresh-contracts.md [A03]", () => {
  it("its commands, run in their order on two days, fetch, check and roll", async () => {
    expect(commands.length).toBeGreaterThanOrEqual(10);
    writeFileSync(
      at("symbols.list"),
      "2330 tags=core\nTXF@roll tags=index\nBTCUSDT exchange=BINANCE_SPOT\nBTCUSD_PERP exchange=BINANCE_COINM\n",
    );
    const strategies = [{ id: 1, file: "arb.ts", params: { symbols: ["tag:index", "2330"] } }];
    writeFileSync(at("base/strategy-runner.json"), JSON.stringify({ strategies }));
    for (const words of commands) {
      const { code, text } = await run(words, "20260605");
      expect([words.join(" "), code, text]).toEqual([words.join(" "), 0, expect.any(String)]);
    }
    expect(table().instruments.map(({ id, symbol }) => [id, symbol])).toEqual([
      [1, "2330"],
      [2, "TXFF6"],
      [3, "BTCUSDT"],
      [4, "BTCUSD_PERP"],
    ]);
    const before = table().version;
    for (const words of commands) expect((await run(words, "20260615")).code).toBe(0);
    expect(table().version).toBe(before + 1);
    expect(table().instruments.map(({ id, symbol }) => [id, symbol])).toEqual([
      [1, "2330"],
      [3, "BTCUSDT"],
      [4, "BTCUSD_PERP"],
      [5, "TXFG6"],
    ]);
    // A strategy bound to the contract itself, not to its tag, is what the page warns of.
    const bound = [{ id: 1, file: "arb.ts", params: { symbols: ["TXFF6"] } }];
    writeFileSync(at("base/strategy-runner.json"), JSON.stringify({ strategies: bound }));
    const dead = await run(["config", "validate"], "20260618");
    expect([dead.code, dead.text]).toEqual([
      1,
      expect.stringContaining("bound to TXFF6, which ended on 20260617; bind it to TXFG6"),
    ]);
  }, 120_000);
});
