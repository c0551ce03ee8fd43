/** The gateway's control routes: what may be asked, by whom, and which call of the core each becomes. */

import {
  type Answer,
  type Call,
  type Role,
  type Route,
  route,
} from "@tidegate/service-kit/control";
import { z } from "zod";

/** Hands a request to the core; its answer comes after the journal has it. */
export type CoreCall = (
  request: Readonly<Record<string, unknown>>,
  timeoutMs?: number,
) => Promise<Readonly<Record<string, unknown>>>;

/** Longest reading of the journal for one explanation. */
const EXPLAIN_MS_MAX = 30_000;

const ALL: readonly Role[] = ["viewer", "operator", "risk", "admin"];
const OPERATE: readonly Role[] = ["operator", "risk", "admin"];
const RISK: readonly Role[] = ["risk", "admin"];

const Reason = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= 256, "want at most 256 bytes")
  .default("");
const Id = z.number().int().min(1).max(0xffff_fffe);
const Act = z.strictObject({ reason: Reason });
const OfStrategy = z.strictObject({ strategy: Id, reason: Reason });
const OfInstrument = z.strictObject({ instrument: Id, reason: Reason });
const Override = z.strictObject({
  strategy: Id,
  refusal: z.number().int().min(1).max(255).describe("Number of the reason that is lifted"),
  minutes: z.number().int().min(1).max(15),
  reason: Reason,
});
const Limit = z.strictObject({
  limit: z.string().min(1).max(64),
  value: z.number().int().safe(),
  reason: Reason,
});
const None = z.strictObject({});
const Intent = z.strictObject({ intent: z.string().min(1).max(64) });

const answer = (body: Readonly<Record<string, unknown>>): Answer => ({
  status: body["ok"] === false ? 400 : 200,
  body,
});

/** The routes of one core. */
export function controlRoutes(core: CoreCall): readonly Route[] {
  const act = (op: string, path: string, summary: string, more: Partial<Route> = {}): Route =>
    route({
      method: "POST",
      path: `/control/${path}`,
      summary,
      roles: OPERATE,
      input: Act,
      act: async ({ principal, input }) =>
        answer(await core({ op, principal: principal.name, reason: input.reason })),
      ...more,
    });
  const ofStrategy = (op: string, summary: string): Route =>
    route({
      method: "POST",
      path: `/control/${op}`,
      summary,
      roles: OPERATE,
      input: OfStrategy,
      act: async ({ principal, input }) => {
        const { strategy: strategyId, reason } = input;
        return answer(await core({ op, principal: principal.name, reason, strategyId }));
      },
    });
  const ofInstrument = (op: string, summary: string, two: "never" | "always"): Route =>
    route({
      method: "POST",
      path: `/control/${op}`,
      summary,
      roles: two === "always" ? RISK : OPERATE,
      input: OfInstrument,
      two,
      act: async ({ principal, input }) => {
        const { instrument: instrumentId, reason } = input;
        return answer(await core({ op, principal: principal.name, reason, instrumentId }));
      },
    });
  const look = (path: string, op: string, summary: string, roles: readonly Role[]): Route =>
    route({
      method: "GET",
      path,
      summary,
      roles,
      input: None,
      act: async () => ({ status: 200, body: await core({ op }) }),
    });

  return [
    act("halt", "halt", "No new risk; cancels pass. Sticky until a resume"),
    act("resume", "resume", "Ends halt and drain, and thaws every instrument"),
    act("kill", "kill", "Latched: no new order leaves, everything is cancelled", {
      emergency: true,
    }),
    act("unkill", "unkill", "Lifts a kill; the same request of two different principals", {
      two: "by the core",
      act: async ({ principal, input }: Call<Record<string, unknown>>) => {
        const asked = { op: "unkill", principal: principal.name, reason: input["reason"] };
        const body = await core(asked);
        if (body["ok"] === false) return { status: 400, body };
        const state = body["state"] as { policy?: { state?: string } } | undefined;
        if (state?.policy?.state !== "KILLED") return { status: 200, body };
        const waitsFor = `the same request of another principal than ${principal.name}`;
        return { status: 202, body: { ...body, pending: true, waitsFor } };
      },
    }),
    act("cancel_all", "cancel-all", "Cancels every live order"),
    act(
      "drain",
      "drain",
      "Refuses new orders and cancels all; /state says when every order is terminal",
    ),
    act("hand_over", "hand-over", "Lets the other gateway of a pair lead, at once"),
    ofStrategy("quarantine", "None of a strategy's new orders; its live ones are cancelled"),
    ofStrategy("rearm", "Ends a strategy's quarantine: a person has looked"),
    ofInstrument("freeze", "No new orders in an instrument", "never"),
    ofInstrument("thaw", "Takes new orders in an instrument again", "always"),
    ofInstrument("restrict", "Puts an instrument on the restricted list", "never"),
    ofInstrument("allow", "Takes an instrument off the restricted list", "always"),
    route({
      method: "POST",
      path: "/control/override",
      summary:
        "Lifts one refusal for one strategy for at most 15 minutes; two different principals",
      roles: RISK,
      input: Override,
      two: "always",
      act: async ({ principal, input }, first) => {
        const { strategy: strategyId, refusal: overridden, minutes, reason } = input;
        return answer(
          await core({
            op: "override",
            principal: principal.name,
            requester: first ?? "",
            reason,
            strategyId,
            overridden,
            minutes,
          }),
        );
      },
    }),
    route({
      method: "POST",
      path: "/control/limits",
      summary: "Changes one limit: one principal to tighten, two different ones to loosen",
      roles: RISK,
      input: Limit,
      two: "when it loosens",
      needsTwo: async ({ input: { limit, value } }) => {
        const checked = await core({ op: "limit_check", limit, value });
        return checked["ok"] === true ? checked["loosens"] !== false : answer(checked);
      },
      act: async ({ principal, input }, first) => {
        const { limit, value, reason } = input;
        const checked = await core({ op: "limit_check", limit, value });
        if (checked["ok"] !== true) return answer(checked);
        const set = {
          op: "limit_set",
          limit,
          value,
          version: Number(checked["version"]) + 1,
          principal: principal.name,
          requester: first ?? "",
          reason,
        };
        const done = await core(set);
        if (done["ok"] === false) return answer(done);
        return {
          status: 200,
          body: { ok: true, limit, value, old: checked["old"], version: set.version },
        };
      },
    }),
    look("/state", "state", "What the gateway is doing, orders and policy", ALL),
    route({
      method: "GET",
      path: "/orders",
      summary: "Open orders",
      roles: ALL,
      input: None,
      act: async () => {
        const { ok, orders, journalSeq } = await core({ op: "export" });
        return { status: 200, body: { ok, orders, journalSeq } };
      },
    }),
    look("/positions", "positions", "Positions of each strategy", ALL),
    look("/limits", "limits", "The limits in force and their version", ALL),
    look("/export", "export", "The whole state with its hash", RISK),
    route({
      method: "GET",
      path: "/explain",
      summary: "The life of one intent, out of the journal, and why it was refused",
      roles: ALL,
      input: Intent,
      act: async ({ input }) =>
        answer(await core({ op: "explain", intent: input.intent }, EXPLAIN_MS_MAX)),
    }),
  ];
}
