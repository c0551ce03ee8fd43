import { request } from "undici";
import { silenceMs, type WeightBudget } from "./budget.ts";
import type { VenueKey } from "./sign.ts";
import { signQuery } from "./sign.ts";

/** Largest body read from a venue; an exchangeInfo of every symbol is about 10 MiB. */
export const BODY_BYTES_MAX = 16 << 20;
/** Longest wait for an answer, unless a caller says otherwise. */
export const ANSWER_MS_MAX = 5_000;
/** Validity of a signed query after its stamp. */
export const RECV_WINDOW_MS = 5_000;

/** The answer of a venue as it was sent: nothing of the body is parsed here, so no digit of it can change. */
export interface RestAnswer {
  readonly status: number;
  readonly body: Uint8Array;
  /** Weight of this minute as the venue counts it, null where it does not say. */
  readonly usedWeight: number | null;
  /** Seconds to wait, on 429 and 418. */
  readonly retryAfterS: number | null;
  /** What is left of the window, and when it ends in seconds since the Unix epoch; null where the venue does not say. */
  readonly window: { readonly remaining: number; readonly resetS: number } | null;
  /** The venue's own name of this request; null where it gives none. */
  readonly requestId: string | null;
}

/** Nothing answered. `sent` is false where not one byte of the request can have left. */
export class NoAnswer extends Error {
  readonly sent: boolean;
  constructor(sent: boolean, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.sent = sent;
  }
}

/** Faults of making a connection: what they end was never sent. */
const NEVER_SENT: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

export interface RestClientOptions {
  /** Base URL, as `https://api.binance.com`. */
  readonly baseUrl: string;
  readonly key?: VenueKey;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs?: () => number;
  readonly answerMsMax?: number;
  /** Sent with every request, as a venue's key that is no signature. */
  readonly headers?: Readonly<Record<string, string>>;
  /** This process's slice of the venue's weight; without one nothing is held back. */
  readonly budget?: WeightBudget;
  /** What a request costs; 1 without it. */
  readonly weightOf?: WeightOf;
  /** Told after each answer that says something of limits. */
  readonly onLimits?: (limits: ToldLimits) => void;
}

/** Request weight of one question. */
export type WeightOf = (
  method: string,
  path: string,
  params: readonly (readonly [string, string])[],
) => number;

/** What an answer says of limits. */
export interface ToldLimits {
  readonly usedWeight: number | null;
  /** For how long the venue wants to hear nothing, ms. */
  readonly blockedMs: number | null;
}

/** The REST end of one venue. It has no retry: what was asked once was asked once. */
export class RestClient {
  readonly #options: RestClientOptions;

  constructor(options: RestClientOptions) {
    this.#options = options;
  }

  /**
   * One request.
   *
   * Shape   `security`: none, key (header alone) or signed (header, timestamp, signature)
   * Errors  no answer in time, a broken connection, or a body above `BODY_BYTES_MAX`; a status is never an error.
   *         `BudgetSpent`: nothing was sent, the slice is used up or the venue wants silence
   */
  async ask(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    params: readonly (readonly [string, string])[],
    security: "none" | "key" | "signed",
    stop?: AbortSignal,
  ): Promise<RestAnswer> {
    const { budget, weightOf, onLimits } = this.#options;
    const weight = weightOf?.(method, path, params) ?? 1;
    budget?.take(`${method} ${path}`, weight);
    let answer: RestAnswer;
    try {
      answer = await this.#askOnce(method, path, params, security, stop);
    } finally {
      budget?.settle(weight);
    }
    const blockedMs = silenceMs(answer.status, answer.retryAfterS);
    if (blockedMs !== null) budget?.block(blockedMs);
    if (answer.usedWeight !== null || blockedMs !== null)
      onLimits?.({ usedWeight: answer.usedWeight, blockedMs });
    return answer;
  }

  async #askOnce(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    params: readonly (readonly [string, string])[],
    security: "none" | "key" | "signed",
    stop?: AbortSignal,
  ): Promise<RestAnswer> {
    const { key, nowMs = Date.now } = this.#options;
    if (security !== "none" && key === undefined) throw new TypeError(`${path} needs a key`);
    let query = params.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
    if (security === "signed" && key !== undefined) {
      const stamped = [
        ...params,
        ["recvWindow", String(RECV_WINDOW_MS)] as const,
        ["timestamp", String(nowMs())] as const,
      ];
      query = signQuery(stamped, key.secret());
    }
    const headers = security === "none" || key === undefined ? {} : { "X-MBX-APIKEY": key.key };
    return await this.#send(
      method,
      `${path}${query === "" ? "" : `?${query}`}`,
      headers,
      null,
      stop,
    );
  }

  /**
   * One request with a body of JSON, for venues whose key is a header.
   *
   * Errors  NoAnswer for a broken connection or none in time; a body above `BODY_BYTES_MAX`; a status is never an error
   */
  async send(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    target: string,
    body: string | null,
    stop?: AbortSignal,
  ): Promise<RestAnswer> {
    const headers = body === null ? {} : { "content-type": "application/json" };
    try {
      return await this.#send(method, target, headers, body, stop);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      throw new NoAnswer(!NEVER_SENT.has((error as { code?: unknown }).code), error);
    }
  }

  async #send(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    target: string,
    own: Readonly<Record<string, string>>,
    body: string | null,
    stop?: AbortSignal,
  ): Promise<RestAnswer> {
    const { baseUrl, answerMsMax = ANSWER_MS_MAX, headers = {} } = this.#options;
    const timeout = AbortSignal.timeout(answerMsMax);
    const response = await request(`${baseUrl.replace(/\/+$/, "")}${target}`, {
      method,
      headers: { ...headers, ...own },
      ...(body === null ? {} : { body }),
      signal: stop === undefined ? timeout : AbortSignal.any([stop, timeout]),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > BODY_BYTES_MAX)
        throw new RangeError(`${target}: more than ${BODY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    const remaining = whole(response.headers["x-ratelimit-remaining"]);
    const resetS = whole(response.headers["x-ratelimit-reset"]);
    const id = response.headers["x-request-id"];
    return {
      status: response.statusCode,
      body: Buffer.concat(chunks),
      usedWeight: whole(response.headers["x-mbx-used-weight-1m"]),
      retryAfterS: whole(response.headers["retry-after"]),
      window: remaining === null || resetS === null ? null : { remaining, resetS },
      requestId: typeof id === "string" ? id : null,
    };
  }
}

function whole(header: string | string[] | undefined): number | null {
  const text = Array.isArray(header) ? header[0] : header;
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
}
