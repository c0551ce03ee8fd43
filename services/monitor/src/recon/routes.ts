/** What a person may see of the reconciliation, and do about its cases. */

import { type Answer, type Route, route } from "@tidegate/service-kit/control";
import { z } from "zod";
import type { ReconDesk } from "./desk.ts";
import type { Case } from "./types.ts";

const SEE = ["viewer", "operator", "risk", "admin"] as const;
const Sign = z.strictObject({
  case: z.number().int().positive(),
  reason: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= 256, "want at most 256 bytes"),
});

/** A case as JSON: money as text. */
const shown = (each: Case): object =>
  JSON.parse(
    JSON.stringify(each, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
  ) as object;

function done(act: () => Case): Answer {
  try {
    return { status: 200, body: { ok: true, case: shown(act()) } };
  } catch (error) {
    if (error instanceof RangeError)
      return { status: 400, body: { ok: false, error: error.message } };
    throw error;
  }
}

/** The routes of a desk. */
export function reconRoutes(desk: ReconDesk): readonly Route[] {
  return [
    route({
      method: "GET",
      path: "/recon",
      summary: "Where the reconciliation stands: periods, bounds, questions asked, what is owed",
      roles: SEE,
      input: z.strictObject({}),
      act: async () => ({ status: 200, body: { ok: true, ...desk.status() } }),
    }),
    route({
      method: "GET",
      path: "/recon/cases",
      summary:
        "Cases that wait for a sign-off, with both sides' words, and the newest that have one",
      roles: SEE,
      input: z.strictObject({}),
      act: async () => {
        const { open, signed } = desk.cases();
        return {
          status: 200,
          body: { ok: true, open: open.map(shown), signed: signed.map(shown) },
        };
      },
    }),
    route({
      method: "POST",
      path: "/recon/sign",
      summary: "Ends a case: a person has looked. A difference that stands is a case again",
      roles: ["risk", "admin"],
      input: Sign,
      act: async ({ principal, input }) =>
        done(() => desk.sign(input.case, principal.name, input.reason)),
    }),
    route({
      method: "POST",
      path: "/recon/adopt",
      summary:
        "Ends a case with the venue's word taken as external: an execution of somebody else, a transfer; two persons",
      roles: ["risk", "admin"],
      two: "always",
      input: Sign,
      act: async ({ principal, input }, first) =>
        done(() => desk.adopt(input.case, `${first ?? "?"} and ${principal.name}`, input.reason)),
    }),
  ];
}
