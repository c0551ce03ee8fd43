import {
  BookTopAt,
  EVENT_DOUBLES,
  Event,
  EventKind,
  FillAt,
  GapAt,
  IntentAt,
  IntentReplyAt,
  LinkAt,
  OrderUpdateAt,
  PolicyAt,
  PositionAt,
  StatusAt,
  type StrategyLaneConfig,
  TradeAt,
} from "@tidegate/rust-core/strategy-layout";
import {
  createHarness,
  defineStrategy,
  IntentKind,
  OrderState,
  Policy,
  Side,
  Submit,
  Tif,
} from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { StrategyPort } from "./port.ts";
import { POLL_MS_MAX, Pump } from "./pump.ts";

type Row = Readonly<Record<number, number>>;

/** A lane in memory: batches in, intents out. */
class FakePort implements StrategyPort {
  readonly batches: Row[][] = [];
  readonly sent: number[][] = [];
  answer = 0;
  closed = false;
  lane: StrategyLaneConfig | null = null;
  #in: Float64Array = new Float64Array(0);
  #out: Float64Array = new Float64Array(0);
  open(lane: StrategyLaneConfig, inEvents: Float64Array, outIntent: Float64Array): void {
    this.lane = lane;
    this.#in = inEvents;
    this.#out = outIntent;
  }
  poll(): number {
    const batch = this.batches.shift() ?? [];
    this.#in.fill(Number.NaN);
    for (const [n, row] of batch.entries()) {
      for (const [at, value] of Object.entries(row))
        this.#in[n * EVENT_DOUBLES + Number(at)] = value;
    }
    return batch.length;
  }
  submit(): number {
    if (this.answer === 0) this.sent.push([...this.#out]);
    return this.answer;
  }
  stats(): string {
    return "{}";
  }
  close(): void {
    this.closed = true;
  }
}

const lane: StrategyLaneConfig = {
  strategyId: 1,
  sessionEpoch: 3,
  accountId: 9,
  instrumentTableVersion: 1,
  mdUrl: "",
  intentUrl: "",
  topics: [],
};

it("the hash of the features reaches the host: another set stops the strategy [B073]", () => {
  const port = new FakePort();
  const pump = new Pump({
    definition: defineStrategy({ id: "x", params: z.object({}), onBookTop() {} }),
    params: {},
    instruments: [{ id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" }],
    lane,
    seed: 1,
    maxIntentsPerEvent: 4,
    eventBudgetMs: 50,
    elapsedMs: () => 0,
    port,
    featureSetHash: 7,
  });
  const top = (hash: number): Row => ({
    [Event.KIND]: EventKind.BOOK_TOP,
    [Event.INSTRUMENT]: 2,
    [Event.NOW_NS]: 1,
    [BookTopAt.FEATURE_COUNT]: 1,
    [BookTopAt.FEATURE_SET_HASH]: hash,
  });
  const states = [7, 7, 8, 7].map((hash) => {
    port.batches.push([top(hash)]);
    pump.run(() => 0);
    return pump.host.featureSet;
  });
  expect(states).toEqual(["MATCHED", "MATCHED", "MISMATCH", "MISMATCH"]);
});

function rig(seen: unknown[]) {
  const port = new FakePort();
  const definition = defineStrategy({
    id: "rig",
    params: z.object({ lots: z.number() }),
    onBookTop(ctx, top) {
      seen.push([
        "top",
        top.valid,
        top.bidPxTicks,
        top.bidQtyLots,
        top.askPxTicks,
        top.askQtyLots,
        top.featureFlags,
        ctx.feature(2, 1),
        ctx.now(),
      ]);
      if (top.valid)
        ctx.buy(top.instrument, top.bidPxTicks, ctx.params.lots, { tif: Tif.POST_ONLY, ttlNs: 5 });
    },
    onTrade: (_, t) => void seen.push(["trade", t.pxTicks, t.qtyLots, t.aggressor, t.tradeId]),
    onFill: (ctx, f) =>
      void seen.push([
        "fill",
        f.order,
        f.side,
        f.pxTicks,
        f.qtyLots,
        f.maker,
        f.positionLots,
        f.feeE8,
        ctx.position(2),
      ]),
    onOrder: (ctx, o) => {
      seen.push(["order", o.order, o.state, o.cumQtyLots, o.leavesQtyLots, o.reason, o.terminal]);
      if (o.state === OrderState.LIVE) ctx.cancel(o.order);
    },
    onGap: (_, g) => void seen.push(["gap", g.first, g.last, g.restart]),
    onRiskFeedback: (_, r) => void seen.push(["risk", r.order, r.reason, r.policy]),
    onSession: (_, s) => void seen.push([s.kind]),
  });
  const pump = new Pump({
    definition,
    params: { lots: 4 },
    instruments: [{ id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" }],
    lane,
    seed: 1,
    maxIntentsPerEvent: 4,
    eventBudgetMs: 50,
    elapsedMs: () => 0,
    port,
  });
  const run = (...batch: Row[]) => {
    port.batches.push(batch);
    return pump.run(() => 0);
  };
  pump.start();
  return { port, pump, run };
}

const kind = (k: number, row: Row, nowNs = 0): Row => ({
  [Event.KIND]: k,
  [Event.INSTRUMENT]: 2,
  [Event.NOW_NS]: nowNs,
  ...row,
});
const synced = kind(EventKind.LINK, { [LinkAt.STATE]: 1 });
const normal = kind(EventKind.POLICY, { [PolicyAt.POLICY]: Policy.NORMAL, [PolicyAt.CAUSE]: 1 });
const top = (state: number, nowNs = 0) =>
  kind(
    EventKind.BOOK_TOP,
    {
      [BookTopAt.BID_PX]: 100,
      [BookTopAt.BID_QTY]: 7,
      [BookTopAt.ASK_PX]: 101,
      [BookTopAt.ASK_QTY]: 8,
      [BookTopAt.STATE]: state,
      [BookTopAt.FEATURE_FLAGS]: 32,
      [BookTopAt.FEATURE_COUNT]: 2,
      [BookTopAt.FEATURES]: 11,
      [BookTopAt.FEATURES + 1]: -12,
    },
    nowNs,
  );

describe("the pump", () => {
  it("turns each kind of event into the handler's arguments and an intent into the view", () => {
    const seen: unknown[] = [];
    const { port, run, pump } = rig(seen);
    run(synced, normal, kind(EventKind.POSITION, { [PositionAt.POSITION_LOTS]: -3 }));
    run();
    expect(seen.splice(0)).toEqual([["START"], ["risk", 0, 1, Policy.NORMAL], ["READY"]]);
    run(
      kind(EventKind.TRADE, {
        [TradeAt.PX]: 100,
        [TradeAt.QTY]: 2,
        [TradeAt.AGGRESSOR]: 2,
        [TradeAt.TRADE_ID]: 77,
      }),
      top(2, 123),
    );
    expect(seen.splice(0)).toEqual([
      ["trade", 100, 2, 2, 77],
      ["top", true, 100, 7, 101, 8, 32, -12, 123],
    ]);
    const [sent] = port.sent;
    const expected: readonly [keyof typeof IntentAt, number][] = [
      ["KIND", IntentKind.NEW],
      ["INSTRUMENT", 2],
      ["ACCOUNT", 9],
      ["SIDE", Side.BUY],
      ["ORDER_TYPE", 1],
      ["TIF", Tif.POST_ONLY],
      ["PX", 100],
      ["QTY", 4],
      ["SEQ", 1],
      ["TTL_NS", 5],
      ["EVENT_INDEX", 1],
    ];
    for (const [name, value] of expected)
      expect([name, sent?.[IntentAt[name]]]).toEqual([name, value]);
    run(
      kind(EventKind.INTENT_REPLY, {
        [IntentReplyAt.SEQ]: 1,
        [IntentReplyAt.EPOCH]: 3,
        [IntentReplyAt.DECISION]: 1,
        [IntentReplyAt.REASON]: 1,
      }),
    );
    const update = (state: number, cum: number) =>
      kind(EventKind.ORDER_UPDATE, {
        [OrderUpdateAt.SEQ]: 1,
        [OrderUpdateAt.EPOCH]: 3,
        [OrderUpdateAt.STATE]: state,
        [OrderUpdateAt.SIDE]: 1,
        [OrderUpdateAt.PX]: 100,
        [OrderUpdateAt.QTY]: 4,
        [OrderUpdateAt.CUM_QTY]: cum,
        [OrderUpdateAt.LEAVES_QTY]: 4 - cum,
        [OrderUpdateAt.REASON]: 1,
      });
    run(update(OrderState.LIVE, 0));
    expect(port.sent[1]?.slice(0, 12)).toEqual([
      IntentKind.CANCEL,
      2,
      9,
      0,
      0,
      0,
      0,
      0,
      2,
      1,
      3,
      0,
    ]);
    run(
      kind(EventKind.FILL, {
        [FillAt.SEQ]: 1,
        [FillAt.EPOCH]: 3,
        [FillAt.SIDE]: 1,
        [FillAt.PX]: 100,
        [FillAt.QTY]: 4,
        [FillAt.MAKER]: 1,
        [FillAt.POSITION_LOTS]: 1,
        [FillAt.FEE_E8]: 55,
      }),
      update(OrderState.FILLED, 4),
      kind(EventKind.GAP, { [GapAt.FIRST]: 5, [GapAt.LAST]: 8, [GapAt.TOPIC_KIND]: 1 }),
      kind(EventKind.STREAM_RESTART, {}),
      kind(EventKind.STATUS, { [StatusAt.STATE]: 4 }),
    );
    expect(seen.splice(0)).toEqual([
      ["order", 1, OrderState.LIVE, 0, 4, 1, false],
      ["fill", 1, 1, 100, 4, true, 1, 55, 1],
      ["order", 1, OrderState.FILLED, 4, 0, 1, true],
      ["gap", 5, 8, false],
      ["gap", 0, 0, true],
      ["top", false, 0, 0, 0, 0, 0, undefined, 123],
    ]);
    expect([pump.unknownEvents, pump.host.pending]).toEqual([0, 0]);
  });

  it("an event of an unknown kind is counted, not guessed at", () => {
    const { pump, run } = rig([]);
    run(kind(99, {}), synced);
    expect(pump.unknownEvents).toBe(1);
  });

  it("a refused submit leaves nothing pending", () => {
    const { port, pump, run } = rig([]);
    run(synced, normal);
    run();
    port.answer = Submit.NO_CREDIT;
    run(top(2));
    expect([port.sent.length, pump.host.pending, pump.host.stats.refusedHere]).toEqual([0, 0, 1]);
  });

  it("a stop cancels what is open, waits no longer than it may, and the lane closes", () => {
    const { port, pump, run } = rig([]);
    run(synced, normal);
    run();
    run(top(2));
    // A book event during the stop would make this strategy quote again.
    port.batches.push([top(2), top(2)]);
    let turns = 3;
    pump.stop(() => turns-- > 0);
    expect(turns).toBe(-1);
    expect(port.sent.filter((row) => row[IntentAt.KIND] === IntentKind.NEW)).toHaveLength(1);
    expect(port.sent.at(-1)?.[IntentAt.KIND]).toBe(IntentKind.CANCEL);
    pump.close();
    expect(port.closed).toBe(true);
  });

  it("waits at most 100 ms natively, less where a timer is faster", () => {
    const make = (timerMs: number) =>
      new Pump({
        definition: defineStrategy({ id: "t", params: z.object({}), timerMs, onTimer() {} }),
        params: {},
        instruments: [],
        lane,
        seed: 1,
        maxIntentsPerEvent: 1,
        eventBudgetMs: 1,
        elapsedMs: () => 0,
        port: new FakePort(),
      }).pollMs;
    expect([make(7), make(5_000)]).toEqual([7, POLL_MS_MAX]);
    expect(rig([]).pump.pollMs).toBe(POLL_MS_MAX);
  });

  it("the harness and the pump give one strategy the same intents for the same events [B099]", () => {
    const definition = defineStrategy({
      id: "same",
      params: z.object({}),
      onBookTop: (ctx, t) =>
        void ctx.sell(t.instrument, t.askPxTicks + Math.floor(ctx.random() * 5), 1),
    });
    const h = createHarness(definition, { autoAck: false, seed: 5 });
    const port = new FakePort();
    const pump = new Pump({
      definition,
      params: {},
      instruments: [{ id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" }],
      lane,
      seed: 5,
      maxIntentsPerEvent: 4,
      eventBudgetMs: 50,
      elapsedMs: () => 0,
      port,
    });
    pump.start();
    port.batches.push(
      [synced, normal],
      [],
      Array.from({ length: 20 }, () => top(2)),
    );
    for (let n = 0; n < 3; n += 1) pump.run(() => 0);
    for (let n = 0; n < 20; n += 1) h.top(2, { bidPxTicks: 100, askPxTicks: 101 });
    expect(port.sent.map((row) => row[IntentAt.PX])).toEqual(
      h.orders.map(({ pxTicks }) => pxTicks),
    );
  });
});
