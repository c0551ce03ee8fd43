/** Signed requests: key, time window, HMAC-SHA256. Pure but for the hash. */

import { createHmac, timingSafeEqual } from "node:crypto";
import { ApiFault } from "./faults.ts";

export const RECV_WINDOW_MS_DEFAULT = 5_000;
export const RECV_WINDOW_MS_MAX = 60_000;
/** How far a request's stamp may lie ahead of the venue's clock. */
export const AHEAD_MS_MAX = 1_000;

export interface Credentials {
  readonly key: string;
  readonly secret: string;
}

/** HMAC-SHA256 of the payload, lower-case hex. */
export function sign(payload: string, secret: string): string {
  return createHmac("sha256", secret).update(payload).digest("hex");
}

/** What a websocket request signs: all params but the signature, sorted by name, `k=v` joined by `&`. */
export function wsPayload(params: ReadonlyMap<string, string>): string {
  return [...params.keys()]
    .filter((name) => name !== "signature")
    .sort()
    .map((name) => `${name}=${params.get(name)}`)
    .join("&");
}

/** What a REST request signs: query and body as sent, without the signature pair. */
export function restPayload(query: string, body: string): string {
  return [query, body]
    .map((part) =>
      part
        .split("&")
        .filter((pair) => pair !== "" && !pair.startsWith("signature="))
        .join("&"),
    )
    .join("");
}

/** A key of the account and what it may do: everything, or look and cancel alone. */
export interface Permitted extends Credentials {
  readonly trade: boolean;
}

/** The key a request came with. Refuses one that is not ours, and one that may not do what is asked. */
export function checkKey(
  key: string | undefined,
  known: readonly Permitted[],
  trades: boolean,
): Permitted {
  if (key === undefined || key === "") throw new ApiFault(401, -2014, "API-key format invalid.");
  const found = known.find((each) => each.key === key);
  if (found === undefined || (trades && !found.trade))
    throw new ApiFault(401, -2015, "Invalid API-key, IP, or permissions for action.");
  return found;
}

/**
 * Refuses a request outside its time window or with a wrong signature.
 *
 * Units   stamps in ms since the Unix epoch, window in ms
 * Errors  ApiFault -1102 missing, -1021 outside the window or ahead, -1022 wrong signature
 */
export function checkSigned(
  params: ReadonlyMap<string, string>,
  payload: string,
  nowMs: number,
  wanted: Credentials,
): void {
  const signature = params.get("signature");
  if (signature === undefined) throw mandatory("signature");
  const stamp = params.get("timestamp");
  if (stamp === undefined) throw mandatory("timestamp");
  const stampMs = Number(stamp);
  const window = params.get("recvWindow");
  const windowMs = window === undefined ? RECV_WINDOW_MS_DEFAULT : Number(window);
  if (!Number.isSafeInteger(stampMs) || stampMs <= 0) throw illegal("timestamp");
  if (!(windowMs >= 0 && windowMs <= RECV_WINDOW_MS_MAX)) {
    throw new ApiFault(400, -1131, "recvWindow must be less than 60000.");
  }
  if (stampMs >= nowMs + AHEAD_MS_MAX) {
    throw new ApiFault(
      400,
      -1021,
      "Timestamp for this request was 1000ms ahead of the server's time.",
    );
  }
  if (nowMs - stampMs > windowMs) {
    throw new ApiFault(400, -1021, "Timestamp for this request is outside of the recvWindow.");
  }
  const expected = Buffer.from(sign(payload, wanted.secret));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new ApiFault(400, -1022, "Signature for this request is not valid.");
  }
}

export function mandatory(name: string): ApiFault {
  return new ApiFault(
    400,
    -1102,
    `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`,
  );
}

export function illegal(name: string): ApiFault {
  return new ApiFault(400, -1100, `Illegal characters found in parameter '${name}'.`);
}
