import {
  type Delivery,
  openPublisherCore,
  openSubscriberCore,
  type PublisherCore,
  type StreamEnded,
  type StreamGapSeen,
  type StreamOpened,
  type SubscriberCore,
  type SubscriberStats,
} from "@tidegate/rust-core";
import { hostClock, type MonoClock } from "./clock.ts";
import { endpointMalformed, payloadRefused, topicLimit } from "./errors.ts";
import {
  type DialOptions,
  dialSubscriber,
  type Lane,
  type LaneCounters,
  type ListenOptions,
  listenPublisher,
} from "./lane.ts";
import { ADDRESS_BYTES_MAX, STREAM_HWM_DEFAULT, TICK_MS, TOPICS_MAX } from "./limits.ts";

export interface StreamPublisherOptions extends Partial<ListenOptions> {
  readonly url: string;
  /** This process's session: persisted, higher at each start, never 0. */
  readonly epoch: number;
  readonly clock?: MonoClock;
}

/**
 * The writing end of streams: one to many, never waiting. A subscriber that falls behind its high-water mark loses frames
 * and can count them exactly; each topic has its own sequence and a heartbeat each 100 ms that tells the last one.
 */
export class StreamPublisher implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #epoch: number;
  readonly #clock: MonoClock;
  readonly #topics = new Map<string, PublisherCore>();
  readonly #timer: NodeJS.Timeout;

  private constructor(lane: Lane, epoch: number, clock: MonoClock) {
    this.#lane = lane;
    this.#epoch = epoch;
    this.#clock = clock;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  static async listen(options: StreamPublisherOptions): Promise<StreamPublisher> {
    const lane = await listenPublisher({ hwm: STREAM_HWM_DEFAULT, ...options });
    return new StreamPublisher(lane, options.epoch, options.clock ?? hostClock);
  }

  get counters(): LaneCounters {
    return this.#lane.counters;
  }

  /** Makes a topic heard of (heartbeats) before its first message. Throws a BusError beyond the bound of topics. */
  announce(topic: string): void {
    this.#core(topic);
  }

  /**
   * Publishes one payload (an envelope's bytes, 1 to 65,536) and gives its sequence.
   *
   * Errors  BusError for a payload no frame can carry or one topic too many; a slow subscriber is no error here
   */
  publish(topic: string, payload: Uint8Array): number {
    const core = this.#core(topic);
    const frame = core.data(this.#clock(), payload);
    if (typeof frame === "string") throw payloadRefused(frame);
    void this.#lane.send(topic, frame);
    return core.lastSeq();
  }

  /** Ends every topic in order, so that subscribers know the last sequence there was. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const [topic, core] of this.#topics) await this.#lane.send(topic, core.bye(this.#clock()));
    await this.#lane[Symbol.asyncDispose]();
  }

  #core(topic: string): PublisherCore {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    if (this.#topics.size >= TOPICS_MAX) throw topicLimit(TOPICS_MAX);
    checkTopic(topic);
    const core = openPublisherCore(topic, this.#epoch);
    this.#topics.set(topic, core);
    return core;
  }

  #tick(): void {
    const now = this.#clock();
    for (const [topic, core] of this.#topics) {
      const frame = core.heartbeat(now);
      if (frame !== null) void this.#lane.send(topic, frame);
    }
  }
}

/** What a subscriber hears of a topic beside its payloads. */
export type StreamEvent =
  | ({ readonly type: "opened" } & StreamOpened)
  /** Published and never arrived, both ends included, exact. */
  | ({ readonly type: "gap" } & StreamGapSeen)
  | ({ readonly type: "closed" } & StreamEnded)
  /** Nothing heard for 500 ms. */
  | { readonly type: "stale" }
  /** Bytes that are no frame; nothing of them was used. */
  | { readonly type: "refused"; readonly fault: string };

export interface StreamHandlers {
  readonly onData: (topic: string, data: Delivery) => void;
  readonly onEvent: (topic: string, event: StreamEvent) => void;
}

export interface StreamSubscriberOptions extends Partial<DialOptions>, StreamHandlers {
  readonly url: string;
  /** What topics begin with; the closing dot of a whole topic makes it exact. */
  readonly prefixes: readonly string[];
  readonly clock?: MonoClock;
}

/** The reading end of streams. Topics come into being as they are first heard. */
export class StreamSubscriber implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #clock: MonoClock;
  readonly #handlers: StreamHandlers;
  readonly #prefixes: readonly string[];
  readonly #topics = new Map<string, SubscriberCore>();
  readonly #timer: NodeJS.Timeout;
  #refusedTopics = 0;
  /** Settles when the end is closed; rejects with what a handler threw. */
  readonly done: Promise<void>;

  private constructor(lane: Lane, options: StreamSubscriberOptions) {
    this.#lane = lane;
    this.#clock = options.clock ?? hostClock;
    this.#handlers = options;
    this.#prefixes = options.prefixes;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.done = lane.receive((topic, frame) => this.#take(topic, frame));
  }

  /** An absent publisher is no error: it is waited for. */
  static async connect(options: StreamSubscriberOptions): Promise<StreamSubscriber> {
    for (const prefix of options.prefixes) checkTopic(prefix);
    const lane = await dialSubscriber({ hwm: STREAM_HWM_DEFAULT, ...options }, options.prefixes);
    return new StreamSubscriber(lane, options);
  }

  get counters(): LaneCounters & { readonly refusedTopics: number } {
    return { ...this.#lane.counters, refusedTopics: this.#refusedTopics };
  }

  /** State and exact counts of each topic heard so far. */
  stats(): ReadonlyMap<string, SubscriberStats> {
    const rows = [...this.#topics].map(
      ([topic, core]) => [topic, JSON.parse(core.stats()) as SubscriberStats] as const,
    );
    return new Map(rows);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#lane[Symbol.asyncDispose]();
    await this.done;
  }

  #take(topic: string, frame: Buffer): void {
    const core = this.#core(topic);
    if (core === null) {
      this.#refusedTopics += 1;
      return;
    }
    const { onData, onEvent } = this.#handlers;
    const { refused, opened, gap, data, closed } = core.onFrame(this.#clock(), frame);
    if (refused !== null) onEvent(topic, { type: "refused", fault: refused });
    if (opened !== null) onEvent(topic, { type: "opened", ...opened });
    if (gap !== null) onEvent(topic, { type: "gap", ...gap });
    if (data !== null) onData(topic, data);
    if (closed !== null) onEvent(topic, { type: "closed", ...closed });
  }

  #core(topic: string): SubscriberCore | null {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const wanted = this.#prefixes.some((prefix) => topic.startsWith(prefix));
    if (!wanted || this.#topics.size >= TOPICS_MAX) return null;
    const core = openSubscriberCore(topic);
    this.#topics.set(topic, core);
    return core;
  }

  #tick(): void {
    const now = this.#clock();
    for (const [topic, core] of this.#topics) {
      if (core.poll(now)) this.#handlers.onEvent(topic, { type: "stale" });
    }
  }
}

function checkTopic(topic: string): void {
  if (!/^[\x21-\x7e]+$/.test(topic) || topic.length > ADDRESS_BYTES_MAX) {
    throw endpointMalformed(topic, `a topic of 1 to ${ADDRESS_BYTES_MAX} printable ASCII letters`);
  }
}
