import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { lifeText, stepLine } from "./gateway.ts";
import { limitLines, principalOf, standing, whole } from "./risk.ts";

describe("hft risk", () => {
  it("names each limit of the shipped file once, as set takes it", () => {
    const path = new URL("../../../../config/limits.json", import.meta.url);
    const lines = limitLines(JSON.parse(readFileSync(path, "utf8")));
    expect(lines).toContain("firm.open_orders_max 200");
    expect(lines).toContain("strategy.1.messages_max 200");
    expect(lines).toContain("instrument.2.collar_bps 200");
    expect(lines).toContain("requery_ms 2000");
    expect(lines).toContain("firm.loss.day_e8_max 1000000000000");
    expect(lines).toContain("strategy.1.duplicates.count_max 100");
    const names = lines.map((line) => line.split(" ")[0]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.some((name) => name?.endsWith("_id"))).toBe(false);
  });

  it("says how a gateway stands, of its state and of the answer of an act", () => {
    const killed = { by: "ann", routerAcknowledged: false };
    const state = { state: "KILLED", policy: { state: "KILLED", detail: "KILL by ann" }, killed };
    const said =
      "KILLED (KILL by ann); the router has NOT acknowledged it yet; 4 orders not terminal";
    expect(standing({ ...state, nonTerminal: 4 })).toBe(said);
    expect(standing({ ok: true, state: { ...state, nonTerminal: 4 } })).toBe(said);
  });

  it("takes whole numbers alone", () => {
    expect(whole("value", "-5")).toBe(-5);
    for (const bad of ["", "1.5", "1e3", "9007199254740992", "x"])
      expect(() => whole("value", bad)).toThrow("want a whole number");
  });

  it("wants somebody who asks", () => {
    expect(principalOf({ runDir: ".", as: "ann" })).toBe("ann");
  });
});

describe("hft gateway explain", () => {
  const step = { seq: 7, tsNs: "1763700000000000000", what: "decision" };

  it("a step says what it has, in the field's words", () => {
    const line = stepLine({ ...step, decision: "DECISION_REFUSED", reason: "HALT", pxTicks: 0 });
    expect(line).toContain("2025-11-21T04:40:00.000Z  decision");
    expect(line).toContain("reason=HALT");
    expect(line).not.toContain("pxTicks");
  });

  it("a refusal comes with its meaning, its remedy and the act behind it", () => {
    const text = lifeText(
      {
        steps: [step],
        stepsNotTold: 0,
        journalRead: 9,
        refused: {
          reason: "HALT",
          meaning: "The gateway takes no new orders.",
          remedy: "Wait for a resume.",
          lastAct: { action: "CONTROL_ACTION_HALT", principal: "ann", reason: "spread" },
        },
      },
      "1/1/2",
    );
    expect(text).toContain("refused: HALT. The gateway takes no new orders. Wait for a resume.");
    expect(text).toContain("the last act before it: HALT by ann: spread");
  });

  it("of an unknown one it says where it can have gone", () => {
    const text = lifeText({ steps: [], journalRead: 9, refused: null }, "1/1/9");
    expect(text).toContain("never reached the journal (9 records read)");
    expect(text).toContain("NOT_LEADER");
  });
});
