import {
  type Delivery,
  type LinkCore,
  type LinkEvent,
  type LinkState,
  type LinkStats,
  openLinkCore,
  type SendRefusal,
} from "@tidegate/rust-core";
import { hostClock, type MonoClock } from "./clock.ts";
import { identityMalformed } from "./errors.ts";
import {
  type DialOptions,
  dialDealer,
  type Lane,
  type LaneCounters,
  type ListenOptions,
  listenRouter,
} from "./lane.ts";
import {
  ADDRESS_BYTES_MAX,
  FLUSH_FRAMES_MAX,
  PEERS_MAX,
  TICK_MS,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from "./limits.ts";

/** What `send` answers: the sequence, or why nothing was queued. */
export type SendOutcome =
  | { readonly ok: true; readonly seq: number }
  | { readonly ok: false; readonly refusal: SendRefusal };

interface Common {
  readonly url: string;
  /** The link's name as both ends spell it: "intent", "command", "tail". */
  readonly link: string;
  /** This process's session: persisted, higher at each start, never 0. */
  readonly epoch: number;
  /** Frames held unacknowledged in either direction, 1 to 65,536. */
  readonly window?: number;
  readonly clock?: MonoClock;
}

/** Control frames ride beside a full window. */
const CONTROL_FRAMES = 64;

function windowOf(options: Common): number {
  return Math.min(Math.max(options.window ?? WINDOW_DEFAULT, 1), WINDOW_MAX);
}

/** One pure core behind a lane: takes arrivals, sends what is due. */
class Session {
  readonly core: LinkCore;
  readonly #lane: Lane;
  readonly #address: string;
  readonly #clock: MonoClock;

  constructor(core: LinkCore, lane: Lane, address: string, clock: MonoClock) {
    this.core = core;
    this.#lane = lane;
    this.#address = address;
    this.#clock = clock;
  }

  send(payload: Uint8Array): SendOutcome {
    const answer = this.core.send(this.#clock(), payload);
    if (typeof answer === "string") return { ok: false, refusal: answer };
    this.flush();
    return { ok: true, seq: answer };
  }

  take(frame: Buffer): Delivery | null {
    return this.core.onFrame(this.#clock(), frame);
  }

  /**
   * Hands every due frame to the lane. A frame the lane does not take is repaired by the protocol like any lost on the
   * way: the heartbeat tells the peer what it misses, or the handshake starts again where the peer has gone.
   */
  flush(): void {
    const now = this.#clock();
    for (let due = FLUSH_FRAMES_MAX; due === FLUSH_FRAMES_MAX; ) {
      const frames = this.core.poll(now, FLUSH_FRAMES_MAX);
      for (const frame of frames) void this.#send(frame);
      due = frames.length;
    }
  }

  async #send(frame: Buffer): Promise<void> {
    const outcome = await this.#lane.send(this.#address, frame);
    if (outcome === "NO_PEER" && this.core.state() !== "CONNECTING") this.core.disconnected();
  }

  events(): readonly LinkEvent[] {
    if (!this.core.hasEvent()) return [];
    return JSON.parse(this.core.events()) as LinkEvent[];
  }

  stats(): LinkStats {
    return JSON.parse(this.core.stats()) as LinkStats;
  }
}

export interface LinkClientOptions extends Partial<DialOptions>, Common {
  readonly url: string;
  /** Who this is: "strategy:1", "gateway", "recorder". */
  readonly identity: string;
  /** The server's epoch and the last sequence of it that an earlier run holds durably. */
  readonly resume?: { readonly peerEpoch: number; readonly seq: number };
  /** The next payload in order; `ack` its sequence once it is durable. */
  readonly onData: (data: Delivery) => void;
  readonly onEvent: (event: LinkEvent) => void;
}

/** The calling end of a link: nothing is lost silently, nothing comes twice, everything in order. */
export class LinkClient implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #session: Session;
  readonly #options: LinkClientOptions;
  readonly #timer: NodeJS.Timeout;
  #heardMs = 0;
  /** Settles when the end is closed; rejects with what a handler threw. */
  readonly done: Promise<void>;

  private constructor(lane: Lane, options: LinkClientOptions) {
    this.#lane = lane;
    this.#options = options;
    const core = openLinkCore({
      name: `${options.link}/${options.identity}`,
      epoch: options.epoch,
      window: windowOf(options),
      resume: options.resume ?? null,
    });
    this.#session = new Session(core, lane, "", options.clock ?? hostClock);
    this.#timer = setInterval(() => this.#turn(), TICK_MS);
    this.done = lane.receive((_, frame) => this.#take(frame));
    this.#turn();
  }

  /** An absent server is no error: it is waited for. */
  static async connect(options: LinkClientOptions): Promise<LinkClient> {
    if (!isIdentity(options.identity)) {
      throw identityMalformed(options.identity, ADDRESS_BYTES_MAX);
    }
    const hwm = options.hwm ?? windowOf(options) + CONTROL_FRAMES;
    const lane = await dialDealer({ ...options, hwm }, options.identity);
    return new LinkClient(lane, options);
  }

  get state(): LinkState {
    return this.#session.core.state();
  }

  get counters(): LaneCounters {
    return this.#lane.counters;
  }

  /** When the server was last heard, if only by a heartbeat, ms of `performance.now()`; 0 = never. */
  get heardMs(): number {
    return this.#heardMs;
  }

  stats(): LinkStats {
    return this.#session.stats();
  }

  /** Queues one payload and sends it at once; refused upstream when there is no credit or no live peer. */
  send(payload: Uint8Array): SendOutcome {
    return this.#session.send(payload);
  }

  /** Everything of the peer up to `seq` is this application's own, durably. */
  ack(seq: number): void {
    this.#session.core.ack(seq);
  }

  /** Says BYE and closes; what the peer has not acknowledged by then it asks for at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#session.core.bye();
    this.#session.flush();
    await this.#lane[Symbol.asyncDispose]();
    await this.done;
  }

  #take(frame: Buffer): void {
    const data = this.#session.take(frame);
    this.#heardMs = performance.now();
    this.#tell();
    if (data !== null) this.#options.onData(data);
    this.#session.flush();
  }

  #turn(): void {
    this.#session.flush();
    this.#tell();
  }

  #tell(): void {
    for (const event of this.#session.events()) this.#options.onEvent(event);
  }
}

export interface LinkServerOptions extends Partial<ListenOptions>, Common {
  readonly url: string;
  /** What an identity must begin with; "" takes any. */
  readonly identityPrefix?: string;
  /** Clients known at once; further ones are refused and counted. */
  readonly peersMax?: number;
  /** The next payload of one client, in order. */
  readonly onData: (identity: string, data: Delivery) => void;
  readonly onEvent: (identity: string, event: LinkEvent) => void;
}

/** Counts of a server that belong to no client. */
export interface ServerCounters {
  /** Frames under an identity this server does not take. */
  readonly refusedIdentity: number;
  /** Frames of a new client beyond the bound of clients. */
  readonly refusedTooMany: number;
}

/** The listening end of one kind of link: one core for each client identity. */
export class LinkServer implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #options: LinkServerOptions;
  readonly #clock: MonoClock;
  readonly #peers = new Map<string, Session>();
  readonly #timer: NodeJS.Timeout;
  #refusedIdentity = 0;
  #refusedTooMany = 0;
  /** Settles when the end is closed; rejects with what a handler threw. */
  readonly done: Promise<void>;

  private constructor(lane: Lane, options: LinkServerOptions) {
    this.#lane = lane;
    this.#options = options;
    this.#clock = options.clock ?? hostClock;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.done = lane.receive((identity, frame) => this.#take(identity, frame));
  }

  static async listen(options: LinkServerOptions): Promise<LinkServer> {
    const hwm = options.hwm ?? windowOf(options) + CONTROL_FRAMES;
    return new LinkServer(await listenRouter({ ...options, hwm }), options);
  }

  get counters(): LaneCounters & ServerCounters {
    const { refusedIdentity, refusedTooMany } = {
      refusedIdentity: this.#refusedIdentity,
      refusedTooMany: this.#refusedTooMany,
    };
    return { ...this.#lane.counters, refusedIdentity, refusedTooMany };
  }

  /** The clients heard of so far. */
  get identities(): readonly string[] {
    return [...this.#peers.keys()];
  }

  stateOf(identity: string): LinkState | null {
    return this.#peers.get(identity)?.core.state() ?? null;
  }

  statsOf(identity: string): LinkStats | null {
    return this.#peers.get(identity)?.stats() ?? null;
  }

  /** Queues one payload for a client and sends it at once. */
  send(identity: string, payload: Uint8Array): SendOutcome {
    const session = this.#peers.get(identity);
    return session?.send(payload) ?? { ok: false, refusal: "UNKNOWN_PEER" };
  }

  /** Everything of the client up to `seq` is this application's own, durably. */
  ack(identity: string, seq: number): void {
    this.#peers.get(identity)?.core.ack(seq);
  }

  /** Says BYE to every client and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const session of this.#peers.values()) {
      session.core.bye();
      session.flush();
    }
    await this.#lane[Symbol.asyncDispose]();
    await this.done;
  }

  #take(identity: string, frame: Buffer): void {
    const session = this.#session(identity);
    if (session === null) return;
    const data = session.take(frame);
    this.#tell(identity, session);
    if (data !== null) this.#options.onData(identity, data);
    session.flush();
  }

  #session(identity: string): Session | null {
    const known = this.#peers.get(identity);
    if (known !== undefined) return known;
    if (!identity.startsWith(this.#options.identityPrefix ?? "")) {
      this.#refusedIdentity += 1;
      return null;
    }
    if (this.#peers.size >= (this.#options.peersMax ?? PEERS_MAX)) {
      this.#refusedTooMany += 1;
      return null;
    }
    const { link, epoch } = this.#options;
    const window = windowOf(this.#options);
    const core = openLinkCore({ name: `${link}/${identity}`, epoch, window, resume: null });
    const session = new Session(core, this.#lane, identity, this.#clock);
    this.#peers.set(identity, session);
    return session;
  }

  #tick(): void {
    for (const [identity, session] of this.#peers) {
      session.flush();
      this.#tell(identity, session);
    }
  }

  #tell(identity: string, session: Session): void {
    for (const event of session.events()) this.#options.onEvent(identity, event);
  }
}

function isIdentity(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && text.length <= ADDRESS_BYTES_MAX;
}
