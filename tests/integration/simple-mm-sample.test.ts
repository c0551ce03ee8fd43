import {
  BookState,
  IntentKind,
  OrderState,
  type OutIntent,
  Policy,
  READY_QUIET_TICKS,
  Side,
  StrategyHost,
  Submit,
  Tif,
} from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import { SAMPLE_FILES } from "../../services/venue-sim/src/config.ts";
import { parseEvents } from "../../services/venue-sim/src/core.ts";
import { parseScaled, scaledText } from "../../services/venue-sim/src/decimal.ts";
import { coreConfig, MARKETS, type MarketId } from "../../services/venue-sim/src/markets.ts";
import { newRustMarket } from "../../services/venue-sim/src/rust-market.ts";
import { loadSample } from "../../services/venue-sim/src/sample.ts";
import simpleMm from "../../strategies/simple-mm.ts";

const STATES: Readonly<Record<string, number>> = {
  NEW: OrderState.LIVE,
  PARTIALLY_FILLED: OrderState.PARTIAL,
  FILLED: OrderState.FILLED,
  CANCELED: OrderState.CANCELLED,
};
const INSTRUMENT: Readonly<Record<MarketId, number>> = { spot: 1, usdm: 2 };

/** The shipped strategy against the venue's matching core over one minute of the shipped sample, no process between. */
function minute() {
  const sample = loadSample(SAMPLE_FILES);
  const cores = {
    spot: newRustMarket(coreConfig(MARKETS.spot)),
    usdm: newRustMarket(coreConfig(MARKETS.usdm)),
  };
  const outbox: OutIntent[] = [];
  const host = new StrategyHost(simpleMm, {
    params: {},
    instruments: [
      { id: 1, venueId: 1, symbol: "BTCUSDT", kind: "spot" },
      { id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" },
    ],
    seed: 1,
    epoch: 1,
    elapsedMs: () => 0,
    port: {
      submit(intent) {
        outbox.push({ ...intent });
        return Submit.OK;
      },
    },
  });
  const position = { spot: 0, usdm: 0 };
  let nowNs = 0;
  const report = (market: MarketId): void => {
    const instrument = INSTRUMENT[market];
    for (const { order, trade, type } of parseEvents(cores[market].drainEvents())) {
      const seq = Number(order.clientOrderId);
      if (type === "rejected") {
        host.intentReply(nowNs, 1, seq, false, 101);
        continue;
      }
      const side = order.side === "BUY" ? Side.BUY : Side.SELL;
      if (trade !== null) {
        expect(trade.maker).toBe(true);
        position[market] += (side === Side.BUY ? 1 : -1) * trade.qtyLots;
        host.fill(
          nowNs,
          1,
          seq,
          instrument,
          side,
          trade.pxTicks,
          trade.qtyLots,
          true,
          position[market],
          Number(trade.feeE8),
        );
      }
      host.orderUpdate(
        nowNs,
        1,
        seq,
        instrument,
        STATES[order.status] ?? 0,
        side,
        order.pxTicks,
        order.qtyLots,
        order.cumLots,
        order.leavesLots,
        1,
      );
    }
  };
  const deliver = (): void => {
    for (let intent = outbox.shift(); intent !== undefined; intent = outbox.shift()) {
      const market: MarketId = intent.instrument === 1 ? "spot" : "usdm";
      const spec = MARKETS[market];
      const timeMs = Math.floor(nowNs / 1e6);
      if (intent.kind === IntentKind.CANCEL) {
        cores[market].cancel(JSON.stringify({ clientOrderId: String(intent.targetSeq), timeMs }));
      } else {
        expect(intent.tif).toBe(Tif.POST_ONLY);
        cores[market].place(
          JSON.stringify({
            clientOrderId: String(intent.seq),
            side: intent.side === Side.BUY ? "BUY" : "SELL",
            ...(market === "spot"
              ? { type: "LIMIT_MAKER" }
              : { type: "LIMIT", timeInForce: "GTX" }),
            price: scaledText(BigInt(intent.pxTicks), spec.pxScale),
            quantity: scaledText(BigInt(intent.qtyLots), spec.qtyScale),
            timeMs,
          }),
        );
      }
      report(market);
    }
  };
  host.start(0);
  host.link(0, true);
  host.policy(0, Policy.NORMAL, 1);
  for (let n = 0; n < READY_QUIET_TICKS; n += 1) host.tick(0);
  for (const [market, record] of sample.snapshots) cores[market].onMarket(record.bytes, 0);
  const touch = { spot: "", usdm: "" };
  for (const { market, kind, atNs, bytes, text } of sample.records) {
    if (atNs > 60e9) break;
    nowNs = atNs;
    cores[market].onMarket(bytes, Math.floor(atNs / 1e6));
    report(market);
    if (kind === "bookTicker") {
      const { b, B, a, A } = JSON.parse(text) as Record<"b" | "B" | "a" | "A", string>;
      const px = (t: string) => Number(parseScaled(t, MARKETS[market].pxScale));
      const qty = (t: string) => Number(parseScaled(t, MARKETS[market].qtyScale));
      if (`${b} ${a}` !== touch[market]) {
        touch[market] = `${b} ${a}`;
        host.bookTop(
          nowNs,
          0,
          INSTRUMENT[market],
          px(b),
          qty(B),
          px(a),
          qty(A),
          BookState.VALID,
          0,
          new Float64Array(0),
          0,
          0,
        );
      }
    }
    deliver();
  }
  const stats = (market: MarketId) => JSON.parse(cores[market].stats()) as Record<string, unknown>;
  return { host, position, spot: stats("spot"), usdm: stats("usdm") };
}

describe("simple-mm over the shipped sample", () => {
  it("[A11] trades: more than 50 intents and some fills a minute on real data, only as maker, within its limits", () => {
    const { host, position, spot, usdm } = minute();
    const { intents, cancels, fills, exceptions } = host.stats;
    expect(intents + cancels).toBeGreaterThan(50);
    expect(fills).toBeGreaterThan(2);
    expect(exceptions).toBe(0);
    expect(Number(spot["fills"]) + Number(usdm["fills"])).toBe(fills);
    expect(Math.abs(position.spot)).toBeLessThanOrEqual(5 * 50);
    expect(Math.abs(position.usdm)).toBeLessThanOrEqual(5 * 2);
    expect([host.position(1), host.position(2)]).toEqual([position.spot, position.usdm]);
    expect([spot["gaps"], usdm["gaps"], spot["refused"], usdm["refused"]]).toEqual([0, 0, {}, {}]);
    expect(
      Number(spot["sameLiquidityFilledTwice"]) + Number(usdm["sameLiquidityFilledTwice"]),
    ).toBe(0);
  });

  it("[A11] two runs give the same intents and fills", () => {
    const [a, b] = [minute(), minute()];
    expect(a.host.stats).toEqual(b.host.stats);
    expect(a.position).toEqual(b.position);
  });
});
