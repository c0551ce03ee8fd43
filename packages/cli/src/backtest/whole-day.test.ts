import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shippedStrategies } from "../sim/options.ts";
import { convertTo } from "./catalogue.ts";
import { canonical, sha256 } from "./hashes.ts";
import { runLane, type SentIntent } from "./lane.ts";
import { DEFAULTS, prepare, type RunWords } from "./prepare.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const data = process.env["TIDEGATE_DATA"];
const dir = mkdtempSync(join(tmpdir(), "whole-day-"));
afterAll(() => rmSync(dir, { recursive: true }));

const AMZN = {
  ...{ id: 12, venue_id: 5, venue: "ALPACA", symbol: "AMZN", kind: "equity" },
  ...{ base: "AMZN", quote: "USD", px_scale: 2, px_unit: 1, qty_scale: 0, qty_unit: 1 },
  ...{ e8_per_tick_lot: 1_000_000, min_qty_lots: 1, max_qty_lots: 1_000_000, min_notional_e8: 0 },
};

const DAY = { instrument: 12, qtyLots: 10 };
/** Parameters by which each trades on a stock's ticks and spread, how many intents that gave, and the hash of all of them. */
const PINNED: readonly (readonly [string, Readonly<Record<string, number>>, number, string])[] = [
  [
    "simple-mm",
    { perpQtyLots: 10 },
    16_485,
    "dbfbd1c8c8b4fe0aeb6209e3a5fc1d534caafa1d79b6f38c05dd1ae69b2acc50",
  ],
  [
    "grid",
    { ...DAY, positionLotsMax: 100 },
    7_379,
    "07c65da604d0b857168517bd23577426e8e94849542333947a6331553b4a08ad",
  ],
  ["mm-hawkes", DAY, 19_738, "0545da8adcc785be8d3a336212e286371d9d75cc119c09098ae286d34dbd5d9c"],
  [
    "opportunistic-mm",
    DAY,
    17_970,
    "2a3b9d17100f9484ca409f0615452288e15ddd33249b872b623c63eac9972a1d",
  ],
  [
    "momentum-bounce",
    { ...DAY, moveTicks: 10, backTicks: 2 },
    452,
    "cf2bab4e7f55118ab3c78a17297f620d2a53809c9732b78caf2488e57f9f4cf5",
  ],
  [
    "cascade-bounce",
    { ...DAY, tradesMin: 5, lotsMin: 200, pushTicks: 3 },
    411,
    "438fd1bc45ba6995cf02742c95914dc72926bb8d93ee38470a43f0077fc44b77",
  ],
  [
    "order-book-imbalance",
    { ...DAY, spreadTicksMax: 10 },
    564,
    "43a6af4876529fa8c34064a8a46a067d154412e8528db8f7c732241ce94b84c4",
  ],
];

async function sent(words: Partial<RunWords> & Pick<RunWords, "strategy" | "data" | "params">) {
  const prepared = await prepare(root, { ...DEFAULTS, latency: ["1ms"], fees: ["0bp"], ...words });
  const intents: SentIntent[] = [];
  const outcome = await runLane(prepared.definition, prepared.spec, prepared.spanNs, undefined, {
    onIntent: (intent) => intents.push(intent),
  });
  for (const { audit } of outcome.summary.instruments) expect(audit.sound).toBe(true);
  const { gateway } = outcome.summary;
  return { host: outcome.host, gateway, pin: [intents.length, sha256(canonical(intents))] };
}

describe.skipIf(data === undefined)("a whole recorded day, which needs TIDEGATE_DATA", () => {
  const instruments = join(dir, "instruments.json");
  const tape = join(dir, "amzn.tape");

  beforeAll(async () => {
    writeFileSync(instruments, JSON.stringify({ version: 1, instruments: [AMZN] }));
    const files = ["message", "orderbook"].map((name) =>
      join(data ?? "", `lobster-2012-06-21/AMZN_2012-06-21_34200000_57600000_${name}_1.csv.gz`),
    );
    const words = { files, instrument: "ALPACA:AMZN", instruments, baseNs: 0 };
    const made = await convertTo(root, { ...words, format: "lobster", date: "2012-06-21" }, tape);
    expect([made.messages, made.tape.receivedRows]).toEqual([57_515, 91_603]);
    // 9:30 to 16:00 in New York.
    expect(
      Number(BigInt(made.tape.lastNs ?? 0) - BigInt(made.tape.firstNs ?? 0)) / 3.6e12,
    ).toBeCloseTo(6.5, 1);
  }, 60_000);

  it.each(PINNED)(
    "%s sends the intents it is known to send, over the whole day [A11]",
    async (strategy, params, count, hash) => {
      const { pin, host } = await sent({ strategy, data: [tape], params, instruments });
      expect(pin).toEqual([count, hash]);
      expect(host.exceptions).toBe(0);
      // Another parameter is another day.
      const other = await sent({
        ...{ strategy, data: [tape], instruments },
        params: { ...params, qtyLots: 11, perpQtyLots: 11 },
      });
      expect(other.pin[1]).not.toBe(hash);
    },
    60_000,
  );

  it("the gateway's core passes a whole day that its limits allow, order for order, and refuses one that they do not [B099]", async () => {
    const [name, params, count, hash] = PINNED[1] ?? ["", {}, 0, ""];
    const huge = 2 ** 52;
    const file = (position: number) => {
      const at = join(dir, `limits-${position}.json`);
      const row = { exposure_e8_max: huge, open_orders_max: 4_000 };
      const limits = {
        ...{ version: 1, startup_holdoff_ms: 0, requery_ms: 2_000, firm: row },
        accounts: [{ account_id: 1, exposure_e8_max: huge }],
        strategies: [{ strategy_id: 1, ...row, messages_max: 4_000, messages_window_ms: 1_000 }],
        instruments: [
          {
            ...{ instrument_id: 12, order_qty_lots_max: 1_000, order_notional_e8_max: huge },
            ...{ position_lots_max: position, exposure_e8_max: huge, px_ticks_max: 1_000_000 },
            ...{ collar_bps: 2_000, reducing_collar_bps: 2_000, reference_age_ms_max: 3_600_000 },
          },
        ],
      };
      writeFileSync(at, JSON.stringify(limits));
      return at;
    };
    const words = { strategy: name, data: [tape], params, instruments };
    const allowed = await sent({ ...words, limits: file(1_000_000) });
    expect(allowed.pin).toEqual([count, hash]);
    expect(allowed.gateway?.accepted).toBeGreaterThan(5_000);
    expect(allowed.host.refusedByGateway).toBe(
      Object.values(allowed.gateway?.refused ?? {}).reduce((sum, each) => sum + each, 0),
    );
    const less = await sent({ ...words, limits: file(50) });
    expect(less.gateway?.refused["POSITION_LIMIT_EXCEEDED"]).toBeGreaterThan(100);
    expect(less.pin[1]).not.toBe(hash);
  }, 120_000);

  it("lead-lag sends the intents it is known to send, over the longest recorded stretch of its two markets [A11]", async () => {
    const at = (name: string) => join(data ?? "", `binance-raw-2024-08/${name}_20240808.jsonl.gz`);
    const { pin } = await sent({
      strategy: "lead-lag",
      data: [`1=${at("spot_btcusdt")}`, `2=${at("usdm_btcusdt")}`],
      params: { leadPpm: 100, gapPpm: 50 },
    });
    expect(pin).toEqual([98, "51c8b0c590a5e41ba5d1174e8ecce6527b4b8055bfaa5449d6de2880966d916e"]);
  }, 60_000);

  it("every shipped strategy is pinned", () => {
    const named = [...PINNED.map(([strategy]) => strategy), "lead-lag"].sort();
    expect(named).toEqual(shippedStrategies(root));
  });
});
