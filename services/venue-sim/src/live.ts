/**
 * A market that is not replayed: the streams of a venue as they come, and its depth snapshots, kept in step by the venue's own
 * rule. Sockets and timers only; what a message means to the book is the core's, which also says whether one is missing.
 */

import { FEEDS, type MarketData, NoAnswer, type RestAnswer, silenceMs } from "@tidegate/venues";
import { WebSocket } from "ws";
import type { MarketId } from "./markets.ts";
import { onLot, parseMessage, type RecordKind } from "./sample.ts";

/** Longest message read. A depth message of the venue is below 100 KiB. */
export const MESSAGE_BYTES_MAX = 4 << 20;
/** Between two snapshots of one market, ms. */
export const SNAPSHOT_AGAIN_MS = 1_000;
/** Levels a side of a snapshot: the most that every market of the venue serves at one price. */
export const SNAPSHOT_LEVELS = 1_000;
/** How often sessions are looked at, ms. */
const LOOK_MS = 250;
/** Messages a snapshot waits for; without one the stream may begin after it. */
const AFTER_FIRST = "depth";

const NAMES = { spot: "BINANCE_SPOT", usdm: "BINANCE_USDM" } as const;

export interface LiveRecord {
  readonly market: MarketId;
  readonly kind: RecordKind;
  readonly stream: string;
  /** The text of "data", or of the snapshot, as it came. */
  readonly text: string;
  /** For the matching core. */
  readonly bytes: Buffer;
  readonly id: number;
}

export interface LiveMarketOptions {
  readonly market: MarketId;
  /** Base URL of the streams, as `wss://stream.binance.com:9443`. */
  readonly streamUrl: string;
  /** First wait before a connection is tried again; it doubles, with jitter, up to the venue's own bound. */
  readonly reconnectMsMin: number;
  readonly snapshot: (levels: number, stop: AbortSignal) => Promise<RestAnswer>;
  readonly onRecord: (record: LiveRecord) => void;
  /** The book is not known any more, until the next snapshot. */
  readonly onLost: (market: MarketId) => void;
  /** Messages of the book that did not follow what came before, so far. */
  readonly gaps: () => number;
  /** It makes no sense to try again. */
  readonly onFatal: (error: Error) => void;
  readonly log?: (msg: string, fields: Record<string, unknown>) => void;
  readonly feed?: MarketData;
}

interface Lane {
  readonly url: string;
  readonly carriesBook: boolean;
  socket: WebSocket | null;
  timer: NodeJS.Timeout | null;
  failures: number;
  heardMs: number;
  pinged: boolean;
}

/** One market of a venue. */
export class LiveMarket {
  readonly #options: LiveMarketOptions;
  readonly #feed: MarketData;
  readonly #lanes: Lane[];
  readonly #stop = new AbortController();
  readonly #look: NodeJS.Timeout;
  #synced = false;
  /** A snapshot is wanted, is being asked for, or has just been. */
  #asking = false;
  #gapsSeen = 0;
  #silentUntilMs = 0;
  readonly #counts = { messages: 0, refused: 0, opens: 0, lost: 0, snapshots: 0, resyncs: 0 };
  #lastFault = "";

  constructor(options: LiveMarketOptions) {
    this.#options = options;
    this.#feed = options.feed ?? FEEDS[NAMES[options.market]];
    this.#lanes = this.#feed.lanes.map(({ path, streams, carriesBook }) => {
      const names = streams("BTCUSDT").map(({ name }) => name);
      const base = options.streamUrl.replace(/\/+$/, "");
      const url = `${base}${path}?streams=${names.join("/")}`;
      return { url, carriesBook, ...NOT_OPEN };
    });
    for (const lane of this.#lanes) this.#connect(lane);
    this.#look = setInterval(() => this.#lookAround(), LOOK_MS);
  }

  /** Whether the book is whole. */
  get synced(): boolean {
    return this.#synced;
  }

  stats(): Record<string, unknown> {
    const state = this.#synced ? "synced" : "syncing";
    return { state, ...this.#counts, lastFault: this.#lastFault };
  }

  close(): void {
    this.#stop.abort();
    clearInterval(this.#look);
    for (const lane of this.#lanes) {
      if (lane.timer !== null) clearTimeout(lane.timer);
      lane.socket?.terminate();
    }
  }

  #connect(lane: Lane): void {
    const { connectTimeoutMs } = this.#feed.rules;
    lane.timer = null;
    const socket = new WebSocket(lane.url, {
      handshakeTimeout: connectTimeoutMs,
      maxPayload: MESSAGE_BYTES_MAX,
      perMessageDeflate: false,
    });
    lane.socket = socket;
    let status = 0;
    const heard = (): void => {
      lane.heardMs = performance.now();
      lane.pinged = false;
    };
    socket.on("open", () => {
      heard();
      lane.failures = 0;
      this.#counts.opens += 1;
    });
    socket.on("ping", heard);
    socket.on("pong", heard);
    socket.on("message", (data) => {
      heard();
      this.#onText(data.toString());
    });
    socket.on("unexpected-response", (_request, response) => {
      status = response.statusCode ?? 0;
      this.#lastFault = `${lane.url.split("?")[0]} answers ${status}`;
      socket.terminate();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (status === 0)
        this.#lastFault = `${lane.url.split("?")[0]}: ${error.code ?? error.message}`;
    });
    socket.on("close", () => this.#closed(lane, status));
  }

  #closed(lane: Lane, status: number): void {
    const wasOpen = lane.heardMs > 0;
    Object.assign(lane, { socket: null, heardMs: 0, pinged: false });
    if (this.#stop.signal.aborted) return;
    if (wasOpen) this.#counts.lost += 1;
    if (lane.carriesBook) this.#lost();
    const { backoffMsMax, fatalCodes, waitCodes = [] } = this.#feed.rules;
    if (fatalCodes.includes(status)) {
      this.#options.onFatal(new Error(`${this.#lastFault}: the venue serves nobody from here`));
      return;
    }
    const told = waitCodes.find(({ code }) => code === status)?.waitMs ?? 0;
    const doubled = this.#options.reconnectMsMin * 2 ** Math.min(lane.failures, 16);
    const waitMs = Math.max(told, Math.min(backoffMsMax, doubled) * (0.5 + Math.random() / 2));
    lane.failures += 1;
    this.#options.log?.("the feed is gone; it is tried again", {
      market: this.#options.market,
      waitMs: Math.round(waitMs),
      fault: this.#lastFault,
    });
    lane.timer = setTimeout(() => this.#connect(lane), waitMs);
  }

  /** A session of which nothing is heard is asked for a sign, and given up without one. */
  #lookAround(): void {
    const { staleAfterMs } = this.#feed.rules;
    for (const lane of this.#lanes) {
      if (lane.heardMs === 0) continue;
      const quietMs = performance.now() - lane.heardMs;
      if (quietMs > staleAfterMs) lane.socket?.terminate();
      else if (quietMs > staleAfterMs / 2 && !lane.pinged) {
        lane.pinged = true;
        lane.socket?.ping();
      }
    }
  }

  #lost(): void {
    if (this.#synced) this.#counts.resyncs += 1;
    this.#synced = false;
    this.#options.onLost(this.#options.market);
  }

  #onText(text: string): void {
    const { market, gaps, onRecord } = this.#options;
    if (text.includes('"serverShutdown"')) return;
    const parsed = parseMessage(text);
    const foreign = typeof parsed !== "string" && parsed.usdm === (market === "spot");
    if (typeof parsed === "string" || foreign || parsed.kind === "snapshot") {
      this.#counts.refused += 1;
      this.#lastFault = typeof parsed === "string" ? parsed : `a ${parsed.kind} of another market`;
      return;
    }
    this.#counts.messages += 1;
    onRecord(record(market, parsed));
    if (parsed.kind !== AFTER_FIRST) return;
    if (this.#synced && gaps() > this.#gapsSeen) {
      this.#options.log?.("a message of the book is missing", { market });
      this.#lost();
    }
    if (!this.#synced) void this.#ask();
  }

  /** Asks for a snapshot and joins it to what has come since. */
  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const waitMs = this.#silentUntilMs - performance.now();
      if (waitMs <= 0) await this.#join();
    } finally {
      // One a second at most, whether it was joined or not.
      setTimeout(() => {
        this.#asking = false;
      }, SNAPSHOT_AGAIN_MS).unref();
    }
  }

  async #join(): Promise<void> {
    const { market, gaps, snapshot, onRecord } = this.#options;
    let answer: RestAnswer;
    try {
      answer = await snapshot(SNAPSHOT_LEVELS, this.#stop.signal);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#lastFault = `no snapshot: ${error.message}`;
      return;
    }
    // Whoever waited for it may be gone by now.
    if (this.#stop.signal.aborted || this.#lanes.some((each) => each.carriesBook && !open(each)))
      return;
    const silence = silenceMs(answer.status, answer.retryAfterS);
    if (silence !== null) this.#silentUntilMs = performance.now() + silence;
    const parsed =
      answer.status === 200 ? parseMessage(Buffer.from(answer.body).toString("utf8")) : null;
    if (parsed === null || typeof parsed === "string" || parsed.kind !== "snapshot") {
      this.#lastFault = `no snapshot: status ${answer.status}`;
      return;
    }
    const before = gaps();
    onRecord(record(market, parsed));
    this.#counts.snapshots += 1;
    this.#gapsSeen = gaps();
    if (this.#gapsSeen > before) {
      // It is older than the first message we have.
      this.#lost();
      return;
    }
    this.#synced = true;
    this.#options.log?.("the book is in step with its venue", { market });
  }
}

const NOT_OPEN = { socket: null, timer: null, failures: 0, heardMs: 0, pinged: false };

const open = ({ socket }: Lane): boolean => socket?.readyState === WebSocket.OPEN;

function record(
  market: MarketId,
  { kind, stream, text, id }: Pick<LiveRecord, "kind" | "stream" | "text" | "id">,
): LiveRecord {
  const bytes = Buffer.from(market === "spot" ? onLot(text) : text);
  return { market, kind, stream, text, bytes, id };
}
