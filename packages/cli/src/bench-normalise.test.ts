import { describe, expect, it } from "vitest";
import { judge, median, parseRound, tally } from "./bench-normalise.ts";

const trade = '{"e":"trade","p":"60000.10","q":"0.002"}';
const ticker = '{"e":"bookTicker","b":"60000.00","B":"1.500","a":"60000.10","A":"0.001"}';
const depth = '{"e":"depthUpdate","b":[["60000.00","0.000"]],"a":[["60000.20","2.000"]]}';

describe("bench normalise", () => {
  it("what JSON.parse is timed over is counted and added up in ticks and lots", () => {
    expect(tally([trade])).toEqual({ events: 1, sum: 600_001 + 2 });
    expect(tally([ticker])).toEqual({ events: 1, sum: 600_000 + 1_500 + 600_001 + 1 });
    expect(tally([trade, depth])).toEqual({ events: 3, sum: 600_003 + 600_000 + 600_002 + 2_000 });
    expect(parseRound([trade, depth])).toBeGreaterThan(0);
    expect(() => parseRound([])).toThrow("no message");
  });

  it("a ratio is of the medians of all rounds, and one below its bound fails", () => {
    const round = (own: number, sonic: number, barter: number): Record<string, unknown> => ({
      own_msg_per_s: [own],
      sonic_typed_msg_per_s: [sonic],
      barter_data_msg_per_s: [barter],
      ...Object.fromEntries(
        ["alpaca_json", "alpaca_msgpack", "shioaji"].flatMap((venue) => [
          [`${venue}_msg_per_s`, [own]],
          [`${venue}_scan_msg_per_s`, [own * 8]],
        ]),
      ),
    });
    const rounds = [round(10, 2, 1), round(90, 3, 1), round(12, 3, 1)];
    const good = judge(rounds, [2, 2, 2]);
    expect(good.checks.map((each) => [each.name, each.value, each.ok])).toEqual([
      ["vs_sonic_typed", 4, true],
      ["vs_node_json_parse", 6, true],
      ["vs_barter_data", 12, true],
    ]);
    expect(good.figures["own_msg_per_s"]).toEqual([10, 90, 12]);
    expect([good.figures["shioaji_msg_per_s"], good.figures["shioaji_vs_scan"]]).toEqual([
      [10, 90, 12],
      8,
    ]);
    const { alpaca_json_msg_per_s: _, ...without } = round(10, 2, 1);
    expect(() => judge([without], [1])).toThrow("alpaca_json_msg_per_s");
    const slow = judge(rounds, [3, 3, 3]);
    expect([slow.ok, slow.checks[1]?.value]).toEqual([false, 4]);
    expect(() => judge([{ own_msg_per_s: [1] }], [1])).toThrow("sonic_typed_msg_per_s");
    expect(median([])).toBeNaN();
  });
});
