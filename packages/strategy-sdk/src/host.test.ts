import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Breaker, EXCEPTIONS_MAX, HALT_NS, OVERRUNS_MAX } from "./breaker.ts";
import {
  type AnyStrategy,
  createHarness,
  DEFAULT_INSTRUMENTS,
  defineStrategy,
  IntentKind,
  isTerminal,
  OrderState,
  Policy,
  Side,
  StrategyError,
  StrategyHost,
  Submit,
  Tif,
} from "./index.ts";
import { seededRandom } from "./random.ts";

const empty = z.object({});
const TOP = { bidPxTicks: 100, askPxTicks: 101 };

/** Buys one lot at the bid on every book event, and keeps what it was told. */
function buyer(seen: unknown[] = []): AnyStrategy {
  return defineStrategy({
    id: "buyer",
    params: empty,
    onBookTop(ctx, top) {
      seen.push(ctx.buy(top.instrument, top.bidPxTicks, 1, { tif: Tif.POST_ONLY }), ctx.refusal());
    },
    onOrder: (_, { order, state }) => void seen.push(`order ${order} ${state}`),
    onFill: (_, { order, positionLots }) => void seen.push(`fill ${order} ${positionLots}`),
    onRiskFeedback: (_, { order, cancel, reason, policy }) =>
      void seen.push(`risk ${order} ${cancel} ${reason} ${policy}`),
    onSession: (_, { kind }) => void seen.push(kind),
    onGap: (_, { first, last, restart }) => void seen.push(`gap ${first} ${last} ${restart}`),
  });
}

describe("defineStrategy", () => {
  it.each([
    ["no id", { id: "", params: empty, onTrade() {} }],
    ["an id with capitals", { id: "Mm", params: empty, onTrade() {} }],
    ["params that are no schema", { id: "a", params: {}, onTrade() {} }],
    ["no handler", { id: "a", params: empty }],
    ["an async handler", { id: "a", params: empty, async onTrade() {} }],
    ["a timer without a period", { id: "a", params: empty, onTimer() {} }],
    ["a handler that is none", { id: "a", params: empty, onTrade: 1 }],
  ])("%s is refused", (_, definition) => {
    expect(() => defineStrategy(definition as unknown as AnyStrategy)).toThrow(StrategyError);
  });
  it("a sound one is given back (control)", () => {
    expect(buyer().id).toBe("buyer");
  });
});

describe("numbers shared with the contract", () => {
  const proto = (path: string) =>
    readFileSync(new URL(`../../../proto/tidegate/${path}`, import.meta.url), "utf8");
  const number = (text: string, name: string) =>
    Number(new RegExp(`\\b${name} = (\\d+);`).exec(text)?.[1]);
  it("order states, sides, TIFs and policies are those of proto", () => {
    const orders = proto("orders/v1/orders.proto");
    for (const [name, value] of Object.entries(OrderState))
      expect(number(orders, `ORDER_STATE_${name}`)).toBe(value);
    for (const [name, value] of Object.entries(Tif))
      expect(number(orders, `TIF_${name}`)).toBe(value);
    for (const [name, value] of Object.entries(IntentKind))
      expect(number(orders, `INTENT_KIND_${name}`)).toBe(value);
    for (const [name, value] of Object.entries(Side))
      expect(number(proto("common/v1/common.proto"), `SIDE_${name}`)).toBe(value);
    for (const [name, value] of Object.entries(Policy))
      expect(number(proto("risk/v1/risk.proto"), `POLICY_${name}`)).toBe(value);
  });
});

describe("the life of an order", () => {
  it("sent, acknowledged, filled: the handle, the events and the position agree", () => {
    const seen: unknown[] = [];
    const h = createHarness(buyer(seen));
    h.top(2, TOP);
    expect(h.orders).toMatchObject([
      {
        kind: IntentKind.NEW,
        instrument: 2,
        side: Side.BUY,
        pxTicks: 100,
        qtyLots: 1,
        tif: Tif.POST_ONLY,
        seq: 1,
        eventIndex: 0,
      },
    ]);
    h.fill(1);
    expect(h.host.position(2)).toBe(1);
    expect(h.host.pending).toBe(0);
    expect(seen).toEqual([
      "START",
      `risk 0 false 1 ${Policy.NORMAL}`,
      "READY",
      1,
      "NONE",
      `order 1 ${OrderState.LIVE}`,
      "fill 1 1",
      `order 1 ${OrderState.FILLED}`,
    ]);
  });

  it("a refusal by the gateway takes the order away and is told once", () => {
    const seen: unknown[] = [];
    const h = createHarness(buyer(seen), { autoAck: false });
    h.top(1, TOP).refuse(1, 65);
    expect(seen.at(-1)).toBe(`risk 1 false 65 ${Policy.NORMAL}`);
    expect([h.host.pending, h.host.stats.refusedByGateway]).toEqual([0, 1]);
  });

  it("an order is cancelled once; a refused cancel may be asked again", () => {
    const cancels: unknown[] = [];
    const h = createHarness(
      defineStrategy({
        id: "canceller",
        params: empty,
        onBookTop: (ctx) => void ctx.buy(1, 100, 1),
        onTrade: (ctx) => void cancels.push(ctx.cancel(1), ctx.refusal()),
      }),
      { autoAck: false },
    );
    h.top(1, TOP).ack(1);
    h.trade(1, 100, 1, 1).trade(1, 100, 1, 1);
    expect(cancels).toEqual([true, "NONE", false, "NOT_LIVE"]);
    expect(h.cancels).toMatchObject([{ targetSeq: 1, targetEpoch: 1, seq: 2 }]);
    h.refuse(2, 91).trade(1, 100, 1, 1);
    expect(cancels.slice(4)).toEqual([true, "NONE"]);
    h.cancelled(1).trade(1, 100, 1, 1);
    expect(cancels.slice(6)).toEqual([false, "NOT_LIVE"]);
  });

  it("a refused submit uses no sequence and says why", () => {
    for (const [answer, why] of [
      [Submit.NO_CREDIT, "NO_CREDIT"],
      [Submit.NOT_SYNCED, "NOT_SYNCED"],
      [Submit.MALFORMED, "MALFORMED"],
    ] as const) {
      const seen: unknown[] = [];
      const h = createHarness(buyer(seen));
      h.submitAnswer = answer;
      h.top(1, TOP);
      expect(seen.slice(-2)).toEqual([0, why]);
      h.submitAnswer = Submit.OK;
      h.top(1, TOP);
      expect(h.orders).toMatchObject([{ seq: 1 }]);
    }
  });

  it("sequences rise by one without a hole, whatever is refused in between", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1, 2), { maxLength: 60 }), (answers) => {
        const h = createHarness(buyer());
        for (const answer of answers) {
          h.submitAnswer = answer;
          h.top(1, TOP);
        }
        expect(h.intents.map(({ seq }) => seq)).toEqual(h.intents.map((_, n) => n + 1));
      }),
    );
  });

  it("bad arguments never leave", () => {
    const bad: [number, number, number][] = [
      [9, 100, 1],
      [1, 100.5, 1],
      [1, 100, 0],
      [1, -1, 1],
      [1, 100, Number.NaN],
      [1, 2 ** 53, 1],
    ];
    const seen: unknown[] = [];
    const h = createHarness(
      defineStrategy({
        id: "bad",
        params: empty,
        onBookTop: (ctx) => {
          for (const args of bad) seen.push(ctx.sell(...args), ctx.refusal());
        },
      }),
    );
    h.top(1, TOP);
    expect(seen).toEqual(bad.flatMap(() => [0, "BAD_ARGUMENT"]));
    expect(h.intents).toEqual([]);
  });
});

describe("when nothing may be sent", () => {
  it("not before link, policy and leftovers: an earlier session's live orders are cancelled first", () => {
    const sent: number[][] = [];
    const seen: unknown[] = [];
    const host = new StrategyHost(buyer(seen), {
      params: {},
      instruments: DEFAULT_INSTRUMENTS,
      seed: 1,
      epoch: 7,
      elapsedMs: () => 0,
      port: { submit: (i) => sent.push([i.kind, i.targetEpoch, i.targetSeq, i.seq]) && Submit.OK },
    });
    const quote = () => {
      host.bookTop(0, 0, 1, 100, 1, 101, 1, 2, 0, new Float64Array(0), 0, 0);
      return seen.at(-1);
    };
    host.start(0);
    expect(quote()).toBe("NOT_READY");
    host.link(0, true);
    expect(quote()).toBe("NOT_READY");
    host.orderUpdate(0, 6, 40, 1, OrderState.LIVE, 1, 100, 5, 0, 5, 1);
    host.positionUpdate(0, 1, -3);
    host.policy(0, Policy.NORMAL, 1);
    expect(quote()).toBe("NOT_READY");
    expect(sent).toEqual([[IntentKind.CANCEL, 6, 40, 1]]);
    host.intentReply(1, 7, 1, true, 1);
    host.tick(500_000_000);
    expect(sent).toHaveLength(1);
    host.orderUpdate(2, 6, 40, 1, OrderState.CANCELLED, 1, 100, 5, 0, 0, 1);
    host.tick(2);
    expect(quote()).toBe("NOT_READY");
    host.tick(3);
    expect(quote()).toBe("NONE");
    expect(host.position(1)).toBe(-3);
    host.link(3, false);
    expect(quote()).toBe("NOT_READY");
  });

  it("a leftover the gateway no longer holds does not block for ever; one that stays is asked again", () => {
    const sent: number[] = [];
    const host = new StrategyHost(buyer(), {
      params: {},
      instruments: DEFAULT_INSTRUMENTS,
      seed: 1,
      epoch: 2,
      elapsedMs: () => 0,
      port: { submit: (i) => sent.push(i.targetSeq) && Submit.OK },
    });
    host.start(0);
    host.link(0, true);
    host.policy(0, Policy.NORMAL, 1);
    host.orderUpdate(0, 1, 5, 1, OrderState.LIVE, 1, 100, 5, 0, 5, 1);
    host.intentReply(0, 2, 1, false, 91);
    expect(host.ready).toBe(false);
    host.tick(1_000_000_001);
    expect(sent).toEqual([5, 5]);
    host.intentReply(0, 2, 2, false, 17);
    host.tick(1_000_000_002);
    host.tick(1_000_000_003);
    expect(host.ready).toBe(true);
  });

  it("an order the gateway does not name after its restart is asked for, and ends only by its word", () => {
    const sent: number[][] = [];
    const seen: unknown[] = [];
    const host = new StrategyHost(buyer(seen), {
      params: {},
      instruments: DEFAULT_INSTRUMENTS,
      seed: 1,
      epoch: 7,
      elapsedMs: () => 0,
      port: { submit: (i) => sent.push([i.kind, i.seq, i.targetSeq]) && Submit.OK },
    });
    const comeUp = (): void => {
      host.link(0, true);
      host.policy(0, Policy.NORMAL, 1);
    };
    const quote = () => host.bookTop(0, 0, 1, 100, 1, 101, 1, 2, 0, new Float64Array(0), 0, 0);
    const settle = () => {
      for (let at = 0; at < 4; at += 1) host.tick(at);
    };
    host.start(0);
    comeUp();
    settle();
    quote(); // order 1: named by the snapshot below
    quote(); // order 2: its cancel is on its way when the gateway dies
    quote(); // order 3: never journalled
    host.cancelOpen();
    sent.length = 0;

    host.link(1, false);
    comeUp();
    host.orderUpdate(1, 7, 1, 1, OrderState.LIVE, 1, 100, 1, 0, 1, 1);
    expect(sent).toEqual([]);
    settle();
    expect(sent.map(([kind, , target]) => [kind, target])).toEqual([
      [IntentKind.CANCEL, 2],
      [IntentKind.CANCEL, 3],
    ]);
    expect(host.pending).toBe(3);
    const [second = [], third = []] = sent;
    host.intentReply(2, 7, second[1] ?? 0, true, 1);
    host.intentReply(2, 7, third[1] ?? 0, false, 17);
    expect(seen).toContain(`order 3 ${OrderState.DEAD}`);
    expect(host.pending).toBe(2);
    settle();
    expect(sent).toHaveLength(2);
    host.orderUpdate(3, 7, 2, 1, OrderState.CANCELLED, 1, 100, 1, 0, 0, 1);
    expect(host.pending).toBe(1);
  });

  it("one event causes at most its budget of intents", () => {
    const h = createHarness(
      defineStrategy({
        id: "flood",
        params: empty,
        onBookTop: (ctx) => {
          for (let n = 0; n < 100; n += 1) ctx.buy(1, 100, 1);
        },
      }),
      { maxIntentsPerEvent: 3 },
    );
    h.top(1, TOP);
    expect(h.intents).toHaveLength(3);
    expect(h.host.stats.refusedHere).toBe(97);
    h.top(1, TOP);
    expect(h.intents).toHaveLength(6);
  });
});

describe("breakers", () => {
  it("[A12] NORMAL, DEGRADED at half the exceptions, HALTED at all; a minute later DEGRADED, then NORMAL by successes", () => {
    const breaker = new Breaker();
    for (let n = 1; n < EXCEPTIONS_MAX / 2; n += 1) breaker.onException(0);
    expect(breaker.state).toBe("NORMAL");
    breaker.onException(0);
    expect(breaker.state).toBe("DEGRADED");
    for (let n = 0; n < EXCEPTIONS_MAX / 2; n += 1) breaker.onException(5);
    expect(breaker.state).toBe("HALTED");
    expect(breaker.allows(5 + HALT_NS - 1)).toBe(false);
    expect(breaker.allows(5 + HALT_NS)).toBe(true);
    expect(breaker.state).toBe("DEGRADED");
    for (let n = 0; n < EXCEPTIONS_MAX / 2; n += 1) breaker.onSuccess(false, 0);
    expect(breaker.state).toBe("NORMAL");
  });

  it("overruns halt only in a row", () => {
    const breaker = new Breaker();
    for (let n = 1; n < OVERRUNS_MAX; n += 1) breaker.onSuccess(true, 0);
    breaker.onSuccess(false, 0);
    for (let n = 1; n < OVERRUNS_MAX; n += 1) breaker.onSuccess(true, 0);
    expect(breaker.state).toBe("NORMAL");
    breaker.onSuccess(true, 0);
    expect(breaker.state).toBe("HALTED");
  });

  it("[A12] a strategy that throws is stopped, its quotes are cancelled, and nothing is thrown at us", () => {
    let fail = false;
    const h = createHarness(
      defineStrategy({
        id: "thrower",
        params: empty,
        onBookTop: (ctx) => {
          if (fail) throw new Error("broken");
          ctx.buy(1, 100, 1);
        },
      }),
    );
    h.top(1, TOP).top(1, TOP);
    fail = true;
    for (let n = 0; n < EXCEPTIONS_MAX; n += 1) h.top(1, TOP);
    expect(h.host.breaker).toBe("HALTED");
    expect(h.host.lastError).toContain("broken");
    expect(h.cancels.map(({ targetSeq }) => targetSeq)).toEqual([1, 2]);
    fail = false;
    h.top(1, TOP);
    expect(h.orders).toHaveLength(2);
  });

  it("[A12] a strategy over its time budget is halted", () => {
    let clock = 0;
    const host = new StrategyHost(
      defineStrategy({
        id: "slow",
        params: empty,
        onTrade() {
          clock += 51;
        },
      }),
      {
        params: {},
        instruments: DEFAULT_INSTRUMENTS,
        seed: 1,
        epoch: 1,
        elapsedMs: () => clock,
        port: { submit: () => 0 },
      },
    );
    for (let n = 0; n < OVERRUNS_MAX; n += 1) host.trade(0, 0, 1, 1, 1, 1, 1);
    expect([host.breaker, host.stats.overruns]).toEqual(["HALTED", OVERRUNS_MAX]);
  });
});

describe("what a strategy is told", () => {
  it("gaps, restarts, invalid books, features, timers", () => {
    const seen: unknown[] = [];
    const h = createHarness(
      defineStrategy({
        id: "listener",
        params: empty,
        timerMs: 10,
        onBookTop: (ctx, top) => void seen.push(top.valid, ctx.feature(1, 0), ctx.feature(1, 2)),
        onGap: (_, gap) => void seen.push({ ...gap }),
        onTimer: (ctx) => void seen.push(`timer ${ctx.now()}`),
      }),
    );
    h.top(1, { ...TOP, features: [42, 43] });
    h.host.status(0, 0, 1, 4);
    h.gap(1, 5, 9).gap(1, 0, 0);
    h.advance(9).advance(1).advance(35).advance(5);
    expect(seen).toEqual([
      true,
      42,
      undefined,
      false,
      undefined,
      undefined,
      { instrument: 1, first: 5, last: 9, restart: false, nowNs: 0 },
      { instrument: 1, first: 0, last: 0, restart: true, nowNs: 0 },
      "timer 10000000",
      "timer 45000000",
    ]);
  });

  it("the same seed gives the same numbers, all in [0, 1)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (seed) => {
        const [a, b] = [seededRandom(seed), seededRandom(seed)];
        for (let n = 0; n < 50; n += 1) {
          const value = a();
          expect(value).toBe(b());
          expect(value >= 0 && value < 1).toBe(true);
        }
      }),
    );
    const next = seededRandom(1);
    const mean = Array.from({ length: 20_000 }, next).reduce((sum, x) => sum + x, 0) / 20_000;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.01);
  });

  it("terminal states are those an order does not leave", () => {
    const terminal = Object.entries(OrderState)
      .filter(([, state]) => isTerminal(state))
      .map(([name]) => name);
    expect(terminal.sort()).toEqual(["CANCELLED", "DEAD", "EXPIRED", "FILLED", "REJECTED"]);
  });
});
