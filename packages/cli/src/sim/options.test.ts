import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  PROCESSES,
  parseChaos,
  parseSimOptions,
  type RawSimOptions,
  UsageError,
} from "./options.ts";

const here = fileURLToPath(import.meta.url);
const base: RawSimOptions = {
  duration: "60",
  speed: "1",
  seed: "1",
  strategy: here,
  portBase: "0",
  clickhouse: "embedded",
};
const parse = (change: Partial<RawSimOptions>) =>
  parseSimOptions({ ...base, ...change }, "/", [here]);

describe("the flags of run sim", () => {
  it("takes the defaults", () => {
    expect(parse({})).toMatchObject({ durationS: 60, speed: 1, chaos: [], data: [here] });
  });

  it.each([
    ["--speed", { speed: "-1" }],
    ["--speed", { speed: "NaN" }],
    ["--speed", { speed: "" }],
    ["--duration", { duration: "0" }],
    ["--duration", { duration: "1e9" }],
    ["--seed", { seed: "1.5" }],
    ["--seed", { seed: "x" }],
    ["--port-base", { portBase: "70000" }],
    ["--data", { data: ["/nonexistent"] }],
    ["--strategy", { strategy: "no-such" }],
    ["--clickhouse", { clickhouse: "ftp://x" }],
    ["--chaos", { chaos: "kill:nobody@3s" }],
    ["--chaos", { chaos: "kill:gateway@3" }],
    ["--chaos", { chaos: "kill:gateway@60s" }],
  ])("%s is refused by name: %o", (flag, change) => {
    expect(() => parse(change)).toThrow(UsageError);
    expect(() => parse(change)).toThrow(flag);
  });

  it("reads a chaos plan", () => {
    expect(parseChaos("kill:gateway@20s,kill:recorder@30.5s", 60)).toEqual([
      { process: "gateway", atS: 20 },
      { process: "recorder", atS: 30.5 },
    ]);
  });

  it("kill:each kills each of the eight once, inside the run", () => {
    const plan = parseChaos("kill:each", 60);
    expect(plan.map((each) => each.process)).toEqual([...PROCESSES]);
    expect(plan.every((each) => each.atS > 0 && each.atS < 60)).toBe(true);
  });
});
