import { describe, expect, it } from "vitest";
import { type CoreCall, controlRoutes } from "./control.ts";

const key = {} as never;
const ann = { name: "ann", role: "risk", key } as const;

function core(answers: Readonly<Record<string, object>> = {}) {
  const calls: Record<string, unknown>[] = [];
  const call: CoreCall = async (request) => {
    calls.push({ ...request });
    return { ok: true, ...answers[String(request["op"])] };
  };
  const routes = controlRoutes(call);
  const of = (path: string) => {
    const found = routes.find((each) => each.path === path);
    if (found === undefined) throw new Error(path);
    return found;
  };
  const act = (path: string, input: object, first: string | null = null) =>
    of(path).act({ principal: ann, input: of(path).input.parse(input), nowMs: 0 }, first);
  return { calls, act, of };
}

describe("the routes", () => {
  it.each([
    ["halt", "halt"],
    ["resume", "resume"],
    ["kill", "kill"],
    ["unkill", "unkill"],
    ["cancel-all", "cancel_all"],
    ["drain", "drain"],
    ["hand-over", "hand_over"],
  ])("%s is %s of the core", async (path, op) => {
    const { calls, act } = core();
    expect((await act(`/control/${path}`, { reason: "drill" })).status).toBe(200);
    expect(calls).toEqual([{ op, principal: "ann", reason: "drill" }]);
  });

  it("what names a strategy or an instrument says which", async () => {
    const { calls, act } = core();
    await act("/control/quarantine", { strategy: 7 });
    await act("/control/rearm", { strategy: 7 });
    await act("/control/freeze", { instrument: 2 });
    await act("/control/thaw", { instrument: 2 }, "bob");
    await act("/control/override", { strategy: 7, refusal: 63, minutes: 5 }, "bob");
    expect(
      calls.map(({ op, strategyId, instrumentId, requester }) => [
        op,
        strategyId ?? instrumentId,
        requester,
      ]),
    ).toEqual([
      ["quarantine", 7, undefined],
      ["rearm", 7, undefined],
      ["freeze", 2, undefined],
      ["thaw", 2, undefined],
      ["override", 7, "bob"],
    ]);
  });

  it("an unkill that leaves the kill in force waits for another", async () => {
    const killed = { unkill: { state: { policy: { state: "KILLED" } } } };
    expect((await core(killed).act("/control/unkill", {})).status).toBe(202);
    expect((await core().act("/control/unkill", {})).status).toBe(200);
    const refused = core({ unkill: { ok: false, error: "why" } });
    expect((await refused.act("/control/unkill", {})).status).toBe(400);
  });

  it("a limit wants two where it loosens or nobody can tell, and one where it tightens [B040]", async () => {
    const input = { limit: "firm.open_orders_max", value: 3, reason: "" };
    const call = { principal: ann, input, nowMs: 0 };
    const needs = (checked: object) =>
      core({ limit_check: checked }).of("/control/limits").needsTwo?.(call);
    expect(await needs({ loosens: true })).toBe(true);
    expect(await needs({ loosens: false })).toBe(false);
    expect(await needs({})).toBe(true);
    expect(await needs({ ok: false, error: "no limit" })).toMatchObject({ status: 400 });
  });

  it("a limit is set at the version it was checked at, with who asked [B040]", async () => {
    const { calls, act } = core({ limit_check: { old: 9, version: 4, loosens: true } });
    const done = await act("/control/limits", { limit: "firm.open_orders_max", value: 10 }, "bob");
    expect(done.body).toMatchObject({ ok: true, old: 9, version: 5 });
    expect(calls[1]).toMatchObject({
      op: "limit_set",
      version: 5,
      principal: "ann",
      requester: "bob",
    });
  });

  it.each([
    ["/control/halt", { force: true }],
    ["/control/halt", { reason: "é".repeat(128).concat("x") }],
    ["/control/quarantine", {}],
    ["/control/quarantine", { strategy: 0 }],
    ["/control/freeze", { instrument: 1.5 }],
    ["/control/limits", { limit: "x", value: 2 ** 53 }],
    ["/control/limits", { limit: "x", value: Number.NaN }],
    ["/control/override", { strategy: 1, refusal: 63, minutes: 16 }],
    ["/explain", {}],
    ["/state", { all: true }],
  ])("%s refuses %j", (path, input) => {
    expect(core().of(path).input.safeParse(input).success).toBe(false);
  });

  it("the kill alone acts without a record", () => {
    const { of } = core();
    expect(of("/control/kill").emergency).toBe(true);
    const others = controlRoutes(async () => ({})).filter(({ emergency }) => emergency === true);
    expect(others.map(({ path }) => path)).toEqual(["/control/kill"]);
  });
});
