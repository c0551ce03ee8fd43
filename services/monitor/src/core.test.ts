import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Effect,
  type HealthRules,
  type HealthState,
  initialHealth,
  type Look,
  onLook,
  overall,
} from "./core.ts";

const RULES: HealthRules = { missesMax: 3, critical: ["gateway"], haltAfterMs: 1_000 };
const UP: Look = { pid: 7, ready: true, state: "NORMAL" };

function play(
  looks: readonly (readonly [string, Look, number])[],
  rules = RULES,
): { state: HealthState; effects: Effect[] } {
  let state = initialHealth(["gateway", "recorder"], 0);
  const effects: Effect[] = [];
  for (const [name, look, atMs] of looks) {
    const step = onLook(state, rules, name, look, atMs);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

describe("the health of the cluster", () => {
  it("nothing counts as up before it was seen", () => {
    expect(overall(initialHealth(["a"], 0))).toBe("DOWN");
  });

  it("a process that answers and is ready is up, one that is not ready is degraded [B080]", () => {
    const { state } = play([
      ["gateway", UP, 1],
      ["recorder", { pid: 8, ready: false, state: "NO_GATEWAY" }, 1],
    ]);
    expect(state.processes.get("gateway")?.verdict).toBe("UP");
    expect(state.processes.get("recorder")).toMatchObject({
      verdict: "DEGRADED",
      detail: "NO_GATEWAY",
    });
    expect(overall(state)).toBe("DEGRADED");
  });

  it("one lost answer is no death, three in a row are", () => {
    const two = play([
      ["gateway", UP, 1],
      ["gateway", null, 2],
      ["gateway", null, 3],
    ]);
    expect(two.state.processes.get("gateway")?.verdict).toBe("UP");
    const three = play([
      ["gateway", UP, 1],
      ["gateway", null, 2],
      ["gateway", null, 3],
      ["gateway", null, 4],
    ]);
    expect(three.state.processes.get("gateway")).toMatchObject({ verdict: "DOWN", sinceMs: 4 });
  });

  it("a new pid is a restart", () => {
    const { state, effects } = play([
      ["gateway", UP, 1],
      ["gateway", { ...UP, pid: 9 }, 2],
    ]);
    expect(state.processes.get("gateway")?.restarts).toBe(1);
    expect(effects).toContainEqual({
      kind: "log",
      level: "warn",
      message: "gateway was restarted: pid 7 -> 9",
    });
  });

  const death: (readonly [string, Look, number])[] = [
    ["gateway", UP, 1],
    ["gateway", null, 2],
    ["gateway", null, 3],
    ["gateway", null, 4],
  ];

  it("a critical process down for too long makes it ask for HALT, once [B007]", () => {
    const { effects } = play([
      ...death,
      ["gateway", null, 900],
      ["gateway", null, 1_005],
      ["gateway", null, 1_200],
    ]);
    expect(effects.filter((each) => each.kind === "halt")).toEqual([
      { kind: "halt", reason: "gateway is down for more than 1000 ms" },
    ]);
  });

  it("it asks again when it dies again", () => {
    const again: typeof death = [
      ["gateway", UP, 2_000],
      ["gateway", null, 2_001],
      ["gateway", null, 2_002],
      ["gateway", null, 2_003],
      ["gateway", null, 3_500],
    ];
    const { effects } = play([...death, ["gateway", null, 1_005], ...again]);
    expect(effects.filter((each) => each.kind === "halt")).toHaveLength(2);
  });

  it("neither a process that is not critical, nor one never seen, nor a bound of 0 asks for HALT", () => {
    const recorder: typeof death = [
      ["recorder", UP, 1],
      ["recorder", null, 2],
      ["recorder", null, 3],
      ["recorder", null, 4],
      ["recorder", null, 9_000],
    ];
    expect(play(recorder).effects.some((each) => each.kind === "halt")).toBe(false);
    expect(play([["gateway", null, 9_000]]).effects.some((each) => each.kind === "halt")).toBe(
      false,
    );
    const never = play([...death, ["gateway", null, 9_000]], { ...RULES, haltAfterMs: 0 });
    expect(never.effects.some((each) => each.kind === "halt")).toBe(false);
  });

  it("whatever is seen, down means at least so many misses, and up means none", () => {
    const look = fc.option(
      fc.record({
        pid: fc.integer({ min: 1, max: 3 }),
        ready: fc.boolean(),
        state: fc.constant("X"),
      }),
      { nil: null },
    );
    fc.assert(
      fc.property(fc.array(look, { maxLength: 40 }), (looks) => {
        let state = initialHealth(["a"], 0);
        looks.forEach((each, at) => {
          const before = state.processes.get("a");
          state = onLook(state, RULES, "a", each, at).state;
          const after = state.processes.get("a");
          if (after === undefined || before === undefined) throw new Error("lost");
          if (after.verdict === "UP") expect(after.misses).toBeLessThan(RULES.missesMax);
          if (after.verdict === "DOWN" && before.verdict !== "DOWN")
            expect(after.misses).toBe(RULES.missesMax);
        });
      }),
    );
  });
});
