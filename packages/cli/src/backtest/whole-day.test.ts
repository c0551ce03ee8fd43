import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { convertTo } from "./catalogue.ts";
import { canonical, sha256 } from "./hashes.ts";
import { runLane, type SentIntent } from "./lane.ts";
import { DEFAULTS, prepare } from "./prepare.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const data = process.env["TIDEGATE_DATA"];
const dir = mkdtempSync(join(tmpdir(), "whole-day-"));
afterAll(() => rmSync(dir, { recursive: true }));

const AMZN = {
  ...{ id: 12, venue_id: 5, venue: "ALPACA", symbol: "AMZN", kind: "equity" },
  ...{ base: "AMZN", quote: "USD", px_scale: 2, px_unit: 1, qty_scale: 0, qty_unit: 1 },
  ...{ e8_per_tick_lot: 1_000_000, min_qty_lots: 1, max_qty_lots: 1_000_000, min_notional_e8: 0 },
};

describe.skipIf(data === undefined)("a whole recorded day, which needs TIDEGATE_DATA", () => {
  it("simple-mm sends the intents it is known to send, over the whole day [A11]", async () => {
    const instruments = join(dir, "instruments.json");
    writeFileSync(instruments, JSON.stringify({ version: 1, instruments: [AMZN] }));
    const tape = join(dir, "amzn.tape");
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
    const prepared = await prepare(root, {
      ...DEFAULTS,
      ...{ strategy: "simple-mm", data: [tape], params: { perpQtyLots: 10 } },
      ...{ latency: ["1ms"], fees: ["0bp"], instruments },
    });
    const intents: SentIntent[] = [];
    const outcome = await runLane(prepared.definition, prepared.spec, prepared.spanNs, undefined, {
      onIntent: (intent) => intents.push(intent),
    });
    expect(outcome.summary.instruments[0]?.audit.sound).toBe(true);
    expect([intents.length, sha256(canonical(intents))]).toEqual([
      16_485,
      "dbfbd1c8c8b4fe0aeb6209e3a5fc1d534caafa1d79b6f38c05dd1ae69b2acc50",
    ]);
  }, 60_000);
});
