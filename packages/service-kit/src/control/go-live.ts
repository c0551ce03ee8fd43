/** The gate before live trading: a report of rehearsed sessions that says GO, signed by a named person, for a while. */

import { createHash, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { ServiceFault } from "../faults.ts";
import type { Principal, Role } from "./principals.ts";
import type { Signer } from "./token.ts";

/** Largest file read. */
export const GO_LIVE_BYTES_MAX = 4 << 20;
/** Longest life of a signature. */
export const GO_LIVE_DAYS_MAX = 31;
/** Sessions a report must hold: fewer rehearse nothing. */
export const GO_LIVE_SESSIONS_MIN = 10;
/** Who may open the gate. */
export const GO_LIVE_ROLES: readonly Role[] = ["risk", "admin"];

const DAY_MS = 86_400_000;

/** What of a report the gate reads; the rest is for people. */
const Report = z.looseObject({
  command: z.literal("soak paper"),
  ok: z.boolean(),
  checks: z.array(z.looseObject({ name: z.string(), ok: z.boolean() })).min(1),
  figures: z.looseObject({
    verdict: z.enum(["GO", "NO-GO"]),
    sessions: z.array(z.looseObject({ verdict: z.enum(["GO", "NO-GO"]) })),
    /** The fault that was planted to see the gate hold; null of a report that means it. */
    planted: z.string().nullable(),
    hashes: z.looseObject({ instruments: z.string(), limits: z.string() }),
  }),
});
export type GoLiveReport = z.output<typeof Report>;

const Signed = z.strictObject({
  version: z.literal(1),
  /** The report as its text, so that what was signed is what was read. */
  report: z.string().min(2),
  signedBy: z.string().min(1).max(64),
  signedAtMs: z.number().int().nonnegative(),
  validUntilMs: z.number().int().nonnegative(),
  /** Ed25519 over {@link words}, base64url. */
  signature: z.string().regex(/^[\w-]{86}$/, "want 64 bytes as base64url"),
});
export type SignedGoLive = z.output<typeof Signed>;

/** SHA-256 of a file's bytes, hexadecimal: what a report and a service compare their files by. */
export const fileHash = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

/** What is signed. */
function words(signed: Omit<SignedGoLive, "signature">): Buffer {
  const { report, signedBy, signedAtMs, validUntilMs } = signed;
  const hash = createHash("sha256").update(report).digest("hex");
  return Buffer.from(`tidegate go-live 1\n${hash}\n${signedBy}\n${signedAtMs}\n${validUntilMs}\n`);
}

/**
 * Why a report opens no gate, null when it does. The verdict it states is not believed: it is what its checks say.
 *
 * Errors  `ServiceFault` when the text is no report
 */
export function noGo(text: string): string | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ServiceFault("the report is no JSON; want the report.json of hft soak paper");
  }
  const read = Report.safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new ServiceFault(
      `the report is none of hft soak paper: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
    );
  }
  const { ok, checks, figures } = read.data;
  const failed = checks.filter((each) => !each.ok).map(({ name }) => name);
  if (failed.length > 0 || !ok || figures.verdict !== "GO")
    return `it says NO-GO${failed.length === 0 ? "" : `: ${failed.join(", ")}`}`;
  if (figures.planted !== null)
    return `the fault ${figures.planted} was planted into it; want one without --break`;
  const bad = figures.sessions.filter(({ verdict }) => verdict !== "GO").length;
  if (bad > 0) return `${bad} of its sessions say NO-GO`;
  if (figures.sessions.length < GO_LIVE_SESSIONS_MIN)
    return `it holds ${figures.sessions.length} sessions, want ${GO_LIVE_SESSIONS_MIN}`;
  return null;
}

/**
 * Signs a report that says GO.
 *
 * Errors  `ServiceFault`: it says NO-GO, or a life beyond the bound
 */
export function signGoLive(
  report: string,
  signer: Signer,
  nowMs: number,
  days: number,
): SignedGoLive {
  const why = noGo(report);
  if (why !== null)
    throw new ServiceFault(`this report is not signed: ${why}; mend that and soak again`);
  if (!(days > 0 && days <= GO_LIVE_DAYS_MAX))
    throw new ServiceFault(`${days} days: want more than 0 and at most ${GO_LIVE_DAYS_MAX}`);
  const unsigned = {
    version: 1,
    report,
    signedBy: signer.name,
    signedAtMs: nowMs,
    validUntilMs: nowMs + Math.floor(days * DAY_MS),
  } as const;
  const signature = sign(null, words(unsigned), signer.key).toString("base64url");
  return { ...unsigned, signature };
}

/** Who opened the gate, until when, and for which files. */
export interface GoLive {
  readonly by: string;
  readonly validUntilMs: number;
  readonly report: GoLiveReport;
}

/**
 * Holds a signed report against the principals and the clock.
 *
 * Errors  `ServiceFault` naming the file and what is wrong: not there, not signed, signed by nobody known or by one without the role,
 *         altered, expired, or NO-GO
 */
export function checkGoLive(
  path: string,
  principals: ReadonlyMap<string, Principal>,
  nowMs: number,
): GoLive {
  const refuse = (what: string): never => {
    throw new ServiceFault(`${path} opens no gate to live trading: ${what}`);
  };
  const text = readWhole(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuse("it is no JSON; want the file that hft golive sign makes");
  }
  const read = Signed.safeParse(json);
  if (!read.success) return refuse("it is not signed; have it signed: hft golive sign");
  const { signedBy, signature, signedAtMs, validUntilMs, report } = read.data;
  const principal = principals.get(signedBy);
  // One answer for an unknown name and a wrong signature: it is nobody's word either way.
  const good =
    principal !== undefined &&
    verify(null, words(read.data), principal.key, Buffer.from(signature, "base64url"));
  if (principal === undefined || !good)
    return refuse(
      `its signature is not ${signedBy}'s over this report, or nobody of that name is known`,
    );
  if (!GO_LIVE_ROLES.includes(principal.role))
    return refuse(`${signedBy} is ${principal.role}; want ${GO_LIVE_ROLES.join(" or ")}`);
  if (signedAtMs > nowMs) return refuse("it was signed in the future; check the clock");
  if (validUntilMs - signedAtMs > GO_LIVE_DAYS_MAX * DAY_MS)
    return refuse(`it is signed for longer than ${GO_LIVE_DAYS_MAX} days`);
  if (nowMs >= validUntilMs)
    return refuse(`it expired ${new Date(validUntilMs).toISOString()}; soak and sign again`);
  const why = noGo(report);
  if (why !== null) return refuse(why);
  return { by: signedBy, validUntilMs, report: Report.parse(JSON.parse(report)) };
}

function readWhole(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > GO_LIVE_BYTES_MAX)
      throw new ServiceFault(
        `${path} has ${bytes.length} bytes, want at most ${GO_LIVE_BYTES_MAX}`,
      );
    return bytes.toString("utf8");
  } catch (error) {
    if (error instanceof ServiceFault) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new ServiceFault(
      `cannot read ${path}: ${code}; make it with hft soak paper and hft golive sign`,
    );
  }
}
