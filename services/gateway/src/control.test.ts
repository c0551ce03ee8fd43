import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ControlRequest, OPERATIONS, onControl } from "./control.ts";

const token = "f".repeat(64);

function asked(change: Partial<ControlRequest> = {}) {
  const calls: unknown[] = [];
  const request = {
    operation: "halt",
    authorization: `Bearer ${token}`,
    principal: "ann",
    body: { reason: "drill" },
    ...change,
  };
  const answer = onControl(request, token, async (call) => {
    calls.push(call);
    return { ok: true };
  });
  return { answer, calls };
}

describe("onControl()", () => {
  it.each(Object.entries(OPERATIONS))("hands %s to the core as %s", async (operation, op) => {
    const { answer, calls } = asked({ operation });
    expect(await answer).toEqual({ status: 200, body: { ok: true } });
    expect(calls).toEqual([{ op, principal: "ann", reason: "drill" }]);
  });

  it.each<[string, number, Partial<ControlRequest>]>([
    ["no token", 401, { authorization: undefined }],
    ["a wrong token", 401, { authorization: `Bearer ${"e".repeat(64)}` }],
    ["an unknown operation", 404, { operation: "jump" }],
    ["a name of Object", 404, { operation: "constructor" }],
    ["no principal", 400, { principal: undefined }],
    ["an empty principal", 400, { principal: "" }],
    ["a principal with a space", 400, { principal: "a b" }],
    ["a principal of 65 bytes", 400, { principal: "a".repeat(65) }],
    ["a reason of 257 bytes", 400, { body: { reason: "é".repeat(128).concat("x") } }],
    ["an unknown key", 400, { body: { force: true } }],
    ["a body that is no object", 400, { body: "halt" }],
  ])("refuses %s with %i and calls nothing [B046 B104]", async (_, status, change) => {
    const { answer, calls } = asked(change);
    const { status: got, body } = await answer;
    expect([got, body["ok"], calls]).toEqual([status, false, []]);
  });

  it("says who it is before it says anything else to a stranger", async () => {
    const { answer } = asked({ authorization: "Bearer x", operation: "jump", principal: "" });
    expect((await answer).status).toBe(401);
  });

  it("passes on the core's refusal and its absence", async () => {
    const request = {
      operation: "halt",
      authorization: `Bearer ${token}`,
      principal: "a",
      body: undefined,
    };
    const no = await onControl(request, token, async () => ({ ok: false, error: "why" }));
    expect(no).toEqual({ status: 400, body: { ok: false, error: "why" } });
    const gone = await onControl(request, token, () =>
      Promise.reject(new Error("the loop has stopped")),
    );
    expect(gone).toEqual({ status: 503, body: { ok: false, error: "the loop has stopped" } });
  });

  it("answers any body without a throw", async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), fc.string(), async (body, principal) => {
        const { status } = await asked({ body, principal }).answer;
        expect([200, 400]).toContain(status);
      }),
    );
  });
});
