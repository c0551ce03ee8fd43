import { describe, expect, it } from "vitest";
import {
  durationNs,
  parseData,
  parseFees,
  parseLatency,
  parseParams,
  parseQueue,
  wordFor,
} from "./options.ts";

const none = (): string => {
  throw new Error("no file is read here");
};

describe("the words of hft backtest run [B099]", () => {
  it("times, queues and data are what they say", () => {
    expect(["250us", "5ms", "1.5s", "2m"].map((text) => durationNs("--x", text))).toEqual([
      250_000, 5_000_000, 1_500_000_000, 120_000_000_000,
    ]);
    expect(parseQueue("power-of-all:1.5")).toEqual({ kind: "power-of-all", n: 1.5 });
    expect(parseQueue("log")).toEqual({ kind: "log", unit: 1 });
    expect(parseData("2=a=b.jsonl")).toEqual({ of: "2", file: "a=b.jsonl" });
    expect(parseData("x/day.tape")).toEqual({ of: null, file: "x/day.tape" });
  });

  it("fees are exact: a basis point is 10,000 of 1e-8", () => {
    const none = { buyerE8: 0, sellerE8: 0 };
    expect(parseFees("2bp/5bp")).toEqual({
      basis: "value",
      makerE8: 20_000,
      takerE8: 50_000,
      ...none,
    });
    expect(parseFees("-0.5bp/7bp").makerE8).toBe(-5_000);
    expect(parseFees("lot:0.85/1.2")).toEqual({
      basis: "lot",
      makerE8: 85_000_000,
      takerE8: 120_000_000,
      ...none,
    });
    expect(parseFees("14.25bp,seller=30bp")).toMatchObject({ takerE8: 142_500, sellerE8: 300_000 });
  });

  it("recorded latencies keep times that a number does not hold", () => {
    const text = "# sent,venue,back\n1723161255208000001,1723161255208100003,1723161255208200007\n";
    expect(parseLatency("orders:x.csv", 1, () => text)).toEqual({
      kind: "interpolated",
      rows: [["1723161255208000001", "1723161255208100003", "1723161255208200007"]],
    });
    expect(parseLatency("drawn:x.csv", 7, () => "10,20\n30,40\n")).toEqual({
      kind: "drawn",
      entryNs: [10, 30],
      answerNs: [20, 40],
      seed: 7,
    });
    expect(parseLatency("5ms/3ms", 1, none)).toEqual({
      kind: "constant",
      entryNs: 5e6,
      answerNs: 3e6,
    });
  });

  it("a word of one instrument goes before one of all", () => {
    const row = { id: 2, venue: "BINANCE_USDM", symbol: "BTCUSDT" };
    expect(wordFor(["5ms", "2=7ms"], row)).toBe("7ms");
    expect(wordFor(["BINANCE_USDM:BTCUSDT=9ms", "5ms"], row)).toBe("9ms");
    expect(wordFor(["5ms", "1=7ms"], row)).toBe("5ms");
    expect(wordFor(["1bp,seller=30bp"], row)).toBe("1bp,seller=30bp");
    expect(wordFor([], row)).toBe(null);
  });

  it("parameters are JSON where they can be", () => {
    expect(parseParams(["a=1", "b=x", "c=[1,2]", '{"d":true}'])).toEqual({
      a: 1,
      b: "x",
      c: [1, 2],
      d: true,
    });
  });

  it.each([
    [() => durationNs("--sample", "5"), "--sample 5: want a time like"],
    [() => parseQueue("power:0"), "--queue power:0: want risk-averse"],
    [() => parseQueue("risk-averse:1"), "--queue risk-averse:1"],
    [() => parseFees("2/5"), "--fees 2: want basis points"],
    [() => parseFees("1bp,owner=3bp"), "want ,buyer=RATE or ,seller=RATE"],
    [() => parseLatency("1ms/2ms/3ms", 1, none), "want one time or two"],
    [() => parseLatency("orders:f", 1, () => "1,2\n"), "--latency f, line 1: want sent,venue,back"],
    [() => parseLatency("drawn:f", 1, () => "#\n"), "--latency f: no row in it"],
    [() => parseParams(["=1"]), "--params =1: want name=value"],
    [() => parseParams(["{"]), "--params {: no JSON object"],
    [() => parseData("day.jsonl"), "--data day.jsonl: want a .tape, or INSTRUMENT=FILE"],
  ])("what cannot be is refused by name %#", (act, want) => {
    expect(act).toThrow(want);
  });
});
