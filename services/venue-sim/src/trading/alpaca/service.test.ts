import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Settings } from "../../config.ts";
import { newRustMarket, startVenueSim, systemClock, venueTruth } from "../../service.ts";

it("the running venue has Alpaca's orders beside Binance's, in one log", async () => {
  const dir = mkdtempSync(join(tmpdir(), "venue-alpaca-"));
  try {
    await using venue = await startVenueSim(Settings.parse({ venueDir: dir, alpaca: true }), {
      clock: systemClock,
      newMarket: newRustMarket,
      onFatal: (error) => {
        throw error;
      },
    });
    const response = await fetch(`http://127.0.0.1:${venue.alpacaPort}/v2/orders`, {
      method: "POST",
      headers: { "apca-api-key-id": "sim", "apca-api-secret-key": "sim-secret" },
      body: JSON.stringify({
        symbol: "SPY",
        qty: "2",
        side: "buy",
        type: "market",
        time_in_force: "day",
        client_order_id: "one",
      }),
    });
    expect(response.status).toBe(200);
    expect(venue.stats()["alpaca"]).toMatchObject({ port: venue.alpacaPort, orders: 1, fills: 1 });
    const truth = venueTruth(join(dir, "log.ndjson"));
    expect(truth.positionLots).toEqual({ spot: 0n, usdm: 0n, "alpaca:SPY": 2_000_000n });
    expect(truth.orders.get("one")?.market).toBe("alpaca:SPY");
    expect(truth.inconsistencies).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
