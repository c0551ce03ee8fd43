/** Fetches the trades that a lost connection left out, and hands them to the loop page by page. */

import { readFileSync, statSync } from "node:fs";
import type { Engine, ServiceContext } from "@tidegate/service-kit";
import { alpaca, RestClient } from "@tidegate/venues";
import { z } from "zod";
import type { MarketDataConfig } from "./config.ts";
import { HoldOff } from "./holdoff.ts";
import { MarketDataConfigError } from "./sessions.ts";

/** Trades of one page: so few that the loop reads them between two messages. */
export const PAGE_TRADES = 500;
/** Pages of one answer; what is beyond them is said and left out. The loop remembers more prints than they hold. */
export const PAGES_MAX = 20;
/** Shortest time between two requests, so that they stay within the venue's 200 a minute. */
export const REQUEST_EVERY_MS = 300;

const Wish = z.object({
  instrument: z.number().int().positive(),
  symbol: z.string().min(1),
  fromNs: z.string().regex(/^\d{1,19}$/),
  loss: z.number().int().positive(),
});
const Key = z.strictObject({ key: z.string().min(1), secret: z.string().min(1) });
const Page = z.object({ next_page_token: z.string().min(1).nullish() });

/** ns since the Unix epoch as RFC 3339 with all nine digits. */
export function rfc3339(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, "0")}Z`;
}

/** A client of Alpaca's data over REST; null where it is not configured. */
export function backfillClient(config: MarketDataConfig): RestClient | null {
  const { alpacaRestUrl: baseUrl, alpacaKeyFile: path, snapshotMsMax: answerMsMax } = config;
  if (baseUrl === undefined) return null;
  if (path === undefined) {
    throw new MarketDataConfigError(
      "alpacaRestUrl is set but alpacaKeyFile is not: it wants a key",
    );
  }
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new MarketDataConfigError(
      `alpacaKeyFile ${path}: want a regular file where alpacaRestUrl is set, as it is read twice`,
    );
  }
  const read = Key.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!read.success) {
    throw new MarketDataConfigError(`alpacaKeyFile ${path}: want {"key": …, "secret": …}`);
  }
  const { key, secret } = read.data;
  const headers = { "APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret };
  return new RestClient({ baseUrl, answerMsMax, headers });
}

export class Backfill {
  readonly #context: ServiceContext<MarketDataConfig>;
  readonly #engine: Engine;
  readonly #rest: RestClient | null;
  readonly #stop = new AbortController();
  readonly #holdOff = new HoldOff();
  /** Instruments whose answer is on its way or waits for its turn: at most one each. */
  readonly #busy = new Set<number>();
  readonly #everyMs: number;
  #queue: Promise<void> = Promise.resolve();
  #lastAskMs = Number.NEGATIVE_INFINITY;
  #unconfiguredTold = false;

  constructor(
    context: ServiceContext<MarketDataConfig>,
    engine: Engine,
    rest: RestClient | null,
    everyMs = REQUEST_EVERY_MS,
  ) {
    this.#context = context;
    this.#engine = engine;
    this.#rest = rest;
    this.#everyMs = everyMs;
  }

  /** The loop misses trades. One answer after the other, whatever is asked meanwhile. */
  want(event: unknown): void {
    const { log } = this.#context;
    const wish = Wish.safeParse(event);
    if (!wish.success) {
      log.warn({ error: z.prettifyError(wish.error) }, "a wish for trades that is none");
      return;
    }
    const { instrument } = wish.data;
    if (this.#rest === null) {
      if (!this.#unconfiguredTold) {
        log.warn({ instrument }, "trades are missing and alpacaRestUrl is not set");
      }
      this.#unconfiguredTold = true;
      return;
    }
    if (this.#busy.has(instrument) || this.#stop.signal.aborted) return;
    this.#busy.add(instrument);
    const rest = this.#rest;
    this.#queue = this.#queue
      .then(() => this.#fill(rest, wish.data))
      .catch((error: unknown) => {
        // The loop asks again, so one failure is a line and nothing more.
        if (!this.#stop.signal.aborted) {
          log.warn({ instrument, error: String(error) }, "the missing trades did not come");
        }
      })
      .finally(() => this.#busy.delete(instrument));
  }

  async #fill(rest: RestClient, wish: z.output<typeof Wish>): Promise<void> {
    const { log } = this.#context;
    const { instrument, symbol, loss } = wish;
    const from = rfc3339(BigInt(wish.fromNs));
    const to = rfc3339(BigInt(Date.now()) * 1_000_000n);
    let [merged, token]: [number, string | undefined] = [0, undefined];
    for (let page = 1; page <= PAGES_MAX; page += 1) {
      const body = await this.#page(rest, symbol, [from, to], token);
      const text = Buffer.from(body).toString("utf8");
      token = Page.parse(JSON.parse(text)).next_page_token ?? undefined;
      const last = token === undefined || page === PAGES_MAX;
      const answer = await this.#engine.call({ op: "trades", instrument, loss, last }, body);
      if (answer["ok"] !== true) throw new Error(String(answer["error"]));
      merged += Number(answer["merged"]);
      if (!last) continue;
      if (token !== undefined) {
        const most = PAGES_MAX * PAGE_TRADES;
        log.error(
          { instrument, symbol, from, to, most },
          "more trades are missing than are asked for",
        );
      }
      log.info({ instrument, symbol, merged, pages: page, from }, "the missing trades have come");
      return;
    }
  }

  async #page(
    rest: RestClient,
    symbol: string,
    [from, to]: readonly [string, string],
    token: string | undefined,
  ): Promise<Uint8Array> {
    const nowMs = performance.now();
    if (!this.#holdOff.allows("ALPACA", nowMs)) throw new Error("the venue wants to be left alone");
    const waitMs = this.#lastAskMs + this.#everyMs - nowMs;
    if (waitMs > 0) await pause(waitMs, this.#stop.signal);
    this.#lastAskMs = performance.now();
    const { alpacaFeed: feed } = this.#context.config;
    const answer = await alpaca.queries.stockTrades(rest, symbol, {
      from,
      to,
      feed,
      limit: PAGE_TRADES,
      ...(token === undefined ? {} : { page: token }),
      stop: this.#stop.signal,
    });
    const { status, body, retryAfterS } = answer;
    if (status === 200) return body;
    this.#holdOff.answered("ALPACA", status, retryAfterS, performance.now());
    throw new Error(`status ${status}: ${Buffer.from(body.subarray(0, 200)).toString("utf8")}`);
  }

  /** Gives up what is on its way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#queue;
  }
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(new Error("stopped"));
    };
    const timer = setTimeout(() => {
      stop.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (stop.aborted) end();
    else stop.addEventListener("abort", end, { once: true });
  });
}
