/** What the loop asks of its shell: listen keys, and the queries a venue has over REST alone. */

import type { Engine, EngineEvent } from "@tidegate/service-kit";
import {
  ACCOUNT_SLICES,
  binanceSpot,
  binanceUsdm,
  type RestAnswer,
  RestClient,
  sweep,
  type ToldLimits,
  WeightBudget,
} from "@tidegate/venues";
import { z } from "zod";
import type { TradedVenue } from "./config.ts";

/** Errands under way at once; a further one is refused, and the loop asks again. */
export const ERRANDS_MAX = 64;
/** The dead-man's countdown is set again so many times within its length. */
const REFRESHES = 3;

const Wanted = z.discriminatedUnion("type", [
  z.object({ type: z.literal("listen_key_wanted"), venueId: z.number().int() }),
  z.object({
    type: z.literal("venue_blocked"),
    venueId: z.number().int(),
    forMs: z.number().int().min(0),
  }),
  z.object({ type: z.enum(["mass_cancel_wanted", "mass_cancel_done"]), killTsNs: z.string() }),
  z.object({
    type: z.literal("rest_wanted"),
    venueId: z.number().int(),
    token: z.number().int(),
    query: z.enum(["time", "openOrders", "trades"]),
    symbol: z.string().optional(),
    orderId: z.string().optional(),
    fromId: z.string().optional(),
  }),
]);
type Rest = Extract<z.output<typeof Wanted>, { type: "rest_wanted" }>;

type Call = Engine["call"];
type Log = (level: "info" | "warn", msg: string, fields: Record<string, unknown>) => void;

interface Desk {
  readonly venue: TradedVenue;
  readonly rest: RestClient;
  /** The shell's slice of the account; absent where the venue has no such limit. */
  readonly budget: WeightBudget | undefined;
}

const text = (body: Uint8Array) => Buffer.from(body.subarray(0, 200)).toString("utf8");

/** Runs errands until it is stopped. A failed one is a log line: the loop asks again by itself. */
export class Errands {
  readonly #desks: ReadonlyMap<number, Desk>;
  readonly #call: Call;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #renewals = new Map<number, NodeJS.Timeout>();
  /** The kill whose orders are being cancelled. */
  #sweeping: AbortController | null = null;
  #deadMan: NodeJS.Timeout | null = null;

  constructor(venues: readonly TradedVenue[], call: Call, log: Log) {
    const desk = (venue: TradedVenue): Desk => {
      const key = { key: venue.apiKey, secret: () => venue.apiSecret.reveal() };
      const { limits } = venue.name === "BINANCE_SPOT" ? binanceSpot : binanceUsdm;
      const budget =
        venue.weightPerMinute === 0
          ? undefined
          : new WeightBudget(venue.weightPerMinute, ACCOUNT_SLICES.weight.routerRest);
      const rest = new RestClient({
        baseUrl: venue.restUrl,
        key,
        weightOf: limits.restWeight,
        ...(budget === undefined ? {} : { budget }),
        onLimits: (told) => this.#tellLimits(venue.venueId, told),
      });
      return { venue, rest, budget };
    };
    this.#desks = new Map(venues.map((venue) => [venue.venueId, desk(venue)]));
    this.#call = call;
    this.#log = log;
  }

  /** Takes one event of the loop. */
  onEvent(event: EngineEvent): void {
    const wanted = Wanted.safeParse(event);
    if (!wanted.success) {
      this.#log("warn", "the loop said something unknown", { event: event.type });
      return;
    }
    if (!("venueId" in wanted.data)) {
      this.#sweeping?.abort();
      this.#sweeping = null;
      if (wanted.data.type === "mass_cancel_wanted") this.#startSweep(wanted.data.killTsNs);
      return;
    }
    const desk = this.#desks.get(wanted.data.venueId);
    if (desk === undefined || this.#stop.signal.aborted) return;
    if (wanted.data.type === "venue_blocked") {
      desk.budget?.block(wanted.data.forMs);
      return;
    }
    if (this.#running.size >= ERRANDS_MAX) {
      this.#log("warn", "too many errands under way", { refused: wanted.data.type });
      return;
    }
    const errand =
      wanted.data.type === "rest_wanted" ? this.#query(desk, wanted.data) : this.#listenKey(desk);
    const running: Promise<void> = errand
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#log("warn", "an errand failed", {
          errand: wanted.data.type,
          venue: desk.venue.name,
          error: String(error),
        });
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** What an answer over REST says of the account's limits, to the loop that shares them. */
  #tellLimits(venueId: number, { usedWeight, blockedMs }: ToldLimits): void {
    const told = {
      ...(usedWeight === null ? {} : { usedWeight }),
      ...(blockedMs === null ? {} : { blockedMs }),
    };
    this.#call({ op: "limits", venueId, ...told }).catch((error: unknown) => {
      if (!this.#stop.signal.aborted)
        this.#log("warn", "the venue's limits did not reach the loop", { error: String(error) });
    });
  }

  /** Cancels everything at every venue until it is confirmed, and looks again as long as the kill stands. */
  #startSweep(killTsNs: string): void {
    // A FIX venue is the loop's own to sweep.
    if (this.#desks.size === 0) return;
    const ours = new AbortController();
    this.#sweeping = ours;
    const stop = AbortSignal.any([ours.signal, this.#stop.signal]);
    const desks = [...this.#desks.values()].map(({ venue, rest }) => {
      const { queries } = venue.name === "BINANCE_SPOT" ? binanceSpot : binanceUsdm;
      return { name: venue.name, rest, queries, symbols: venue.symbols };
    });
    const running: Promise<void> = sweep(desks, stop, async (confirmed, reports) => {
      this.#log(confirmed ? "info" : "warn", "mass cancel", { killTsNs, confirmed, reports });
      await this.#call({ op: "mass_cancelled", report: { killTsNs, confirmed, reports } });
    })
      .catch((error: unknown) => {
        if (!stop.aborted) this.#log("warn", "the mass cancel failed", { error: String(error) });
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /**
   * Keeps the venues' dead-man switches from going off, as long as `alive` says that the gateway is there. Where a venue
   * has no countdown there is nothing to keep.
   */
  keepAlive(deadManMs: number, alive: () => boolean): void {
    if (deadManMs === 0) return;
    const refresh = (): void => {
      if (!alive()) return;
      for (const { venue, rest } of this.#desks.values()) {
        const { countdown } = (venue.name === "BINANCE_SPOT" ? binanceSpot : binanceUsdm).queries;
        if (countdown === null) continue;
        for (const symbol of venue.symbols) {
          countdown(rest, symbol, deadManMs, this.#stop.signal).then(
            (answer) => {
              if (answer.status !== 200)
                this.#log("warn", "the cancel countdown was not set", {
                  venue: venue.name,
                  status: answer.status,
                });
            },
            (error: unknown) => {
              if (!this.#stop.signal.aborted)
                this.#log("warn", "the cancel countdown was not set", {
                  venue: venue.name,
                  error: String(error),
                });
            },
          );
        }
      }
    };
    this.#deadMan = setInterval(refresh, Math.ceil(deadManMs / REFRESHES)).unref();
    refresh();
  }

  async #listenKey({ venue, rest }: Desk): Promise<void> {
    const { status, body } = await binanceUsdm.queries.listenKey.start(rest, this.#stop.signal);
    if (status !== 200) throw new Error(`status ${status}: ${text(body)}`);
    const { listenKey } = z
      .object({ listenKey: z.string().min(1).max(256) })
      .parse(JSON.parse(Buffer.from(body).toString("utf8")));
    await this.#call({ op: "listen_key", venueId: venue.venueId, key: listenKey });
    clearInterval(this.#renewals.get(venue.venueId));
    const renew = () => {
      binanceUsdm.queries.listenKey.renew(rest, this.#stop.signal).then(
        (answer) => {
          if (answer.status !== 200)
            this.#log("warn", "the listen key was not renewed", { status: answer.status });
        },
        (error: unknown) => {
          if (!this.#stop.signal.aborted)
            this.#log("warn", "the listen key was not renewed", { error: String(error) });
        },
      );
    };
    this.#renewals.set(
      venue.venueId,
      setInterval(renew, binanceUsdm.limits.LISTEN_KEY_RENEW_MS).unref(),
    );
  }

  /** Every query is answered, a failed one with status 0: the loop waits for it no longer than it must. */
  async #query({ venue, rest }: Desk, wanted: Rest): Promise<void> {
    let answer: Pick<RestAnswer, "status" | "body">;
    try {
      answer = await this.#ask(venue, rest, wanted);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      answer = { status: 0, body: Buffer.from(JSON.stringify({ code: 0, msg: String(error) })) };
    }
    await this.#call({ op: "rest", token: wanted.token, status: answer.status }, answer.body);
  }

  #ask(venue: TradedVenue, rest: RestClient, wanted: Rest): Promise<RestAnswer> {
    const { queries } = venue.name === "BINANCE_SPOT" ? binanceSpot : binanceUsdm;
    const { query, symbol = "", orderId, fromId = "0" } = wanted;
    const { signal } = this.#stop;
    if (query === "time") return queries.time(rest, signal);
    if (query === "openOrders") return queries.openOrders(rest, symbol, signal);
    return queries.trades(rest, symbol, orderId === undefined ? { fromId } : { orderId }, signal);
  }

  /** Gives up what is under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#deadMan !== null) clearInterval(this.#deadMan);
    for (const timer of this.#renewals.values()) clearInterval(timer);
    await Promise.all(this.#running);
  }
}
