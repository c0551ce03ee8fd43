/** What a person may see of the reconciliation, and do about its cases. */

import { type Answer, type Route, route } from "@tidegate/service-kit/control";
import { z } from "zod";
import type { ReconDesk } from "./desk.ts";
import type { Case } from "./types.ts";

const SEE = ["viewer", "operator", "risk", "admin"] as const;
/** `venue` may be left out where one alone is reconciled. */
const Sign = z.strictObject({
  case: z.number().int().positive(),
  venue: z.string().min(1).max(64).optional(),
  reason: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= 256, "want at most 256 bytes"),
});
type Sign = z.output<typeof Sign>;

/** A case as JSON: money as text. */
const shown = (venue: string, each: Case): object => ({
  venue,
  ...(JSON.parse(
    JSON.stringify(each, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
  ) as object),
});

type Desks = ReadonlyMap<string, ReconDesk>;

/** The desk a request is about. Errors  RangeError: none of that name, or none named where there are several */
function deskOf(desks: Desks, venue: string | undefined): readonly [string, ReconDesk] {
  const [first] = desks;
  if (venue === undefined && desks.size === 1 && first !== undefined) return first;
  const found = venue === undefined ? undefined : desks.get(venue);
  if (venue === undefined || found === undefined)
    throw new RangeError(`venue ${venue ?? "is not named"}: want ${[...desks.keys()].join(", ")}`);
  return [venue, found];
}

function done(desks: Desks, input: Sign, act: (desk: ReconDesk) => Case): Answer {
  try {
    const [venue, desk] = deskOf(desks, input.venue);
    return { status: 200, body: { ok: true, case: shown(venue, act(desk)) } };
  } catch (error) {
    if (error instanceof RangeError)
      return { status: 400, body: { ok: false, error: error.message } };
    throw error;
  }
}

/** The routes of all venues that are reconciled. */
export function reconRoutes(desks: Desks): readonly Route[] {
  return [
    route({
      method: "GET",
      path: "/recon",
      summary:
        "Where the reconciliation of each venue stands: periods, bounds, questions, what is owed",
      roles: SEE,
      input: z.strictObject({}),
      act: async () => {
        const venues = Object.fromEntries([...desks].map(([name, desk]) => [name, desk.status()]));
        return { status: 200, body: { ok: true, venues } };
      },
    }),
    route({
      method: "GET",
      path: "/recon/cases",
      summary:
        "Cases that wait for a sign-off, with venue and both sides' words, and the newest that have one",
      roles: SEE,
      input: z.strictObject({}),
      act: async () => {
        const of = (which: "open" | "signed") =>
          [...desks].flatMap(([venue, desk]) =>
            desk.cases()[which].map((each) => shown(venue, each)),
          );
        return { status: 200, body: { ok: true, open: of("open"), signed: of("signed") } };
      },
    }),
    route({
      method: "POST",
      path: "/recon/sign",
      summary: "Ends a case: a person has looked. A difference that stands is a case again",
      roles: ["risk", "admin"],
      input: Sign,
      act: async ({ principal, input }) =>
        done(desks, input, (desk) => desk.sign(input.case, principal.name, input.reason)),
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
        done(desks, input, (desk) =>
          desk.adopt(input.case, `${first ?? "?"} and ${principal.name}`, input.reason),
        ),
    }),
  ];
}
