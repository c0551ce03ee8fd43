import { Context, Dealer, Publisher, Router, Subscriber } from "zeromq";
import {
  type CredentialCounters,
  checkKey,
  Gatekeeper,
  ownUid,
  type Policy,
} from "./credentials.ts";
import { claimIpc, ipcPath, narrowSocket } from "./endpoint.ts";
import { curveNeeded, endpointMalformed, endpointUnavailable } from "./errors.ts";
import {
  ADDRESS_BYTES_MAX,
  BACKLOG,
  CLOSE_LINGER_MS,
  FRAME_BYTES_MAX,
  HANDSHAKE_MS,
  RECEIVE_BATCH_MAX,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  TCP_HEARTBEAT_MS,
  TCP_HEARTBEAT_TIMEOUT_MS,
} from "./limits.ts";

/** What one lane moved, and what it would not. */
export interface LaneCounters extends CredentialCounters {
  readonly sent: number;
  /** The queue was full or the only peer away: the frame did not leave, and the pure core repeats or counts it. */
  readonly wouldBlock: number;
  /** The addressed peer is not connected. */
  readonly noPeer: number;
  readonly received: number;
  /** Arrivals of another number of parts, or with an address or frame beyond its bound. */
  readonly refusedParts: number;
}

export type SentOutcome = "SENT" | "WOULD_BLOCK" | "NO_PEER";

/**
 * Carries whole frames between processes and reads none of them. `address` is the topic on a stream, the peer's identity
 * on the server of links, empty on a client. Sending never waits.
 */
export interface Lane extends AsyncDisposable {
  readonly counters: LaneCounters;
  /** What the library really uses, read back from the socket. */
  readonly settings: LaneSettings;
  /**
   * What became of the frame is known after a microtask; a refusal is an outcome, never thrown. The frame's bytes must not
   * change any more: the library reads them later, from its own thread.
   */
  send(address: string, frame: Uint8Array): Promise<SentOutcome>;
  /** Hands every arrival to `take` until the lane is closed. Called once. */
  receive(take: (address: string, frame: Buffer) => void): Promise<void>;
}

export interface LaneSettings {
  readonly sendHwm: number | null;
  readonly receiveHwm: number | null;
  readonly lingerMs: number;
  readonly sendTimeoutMs: number | null;
  readonly messageBytesMax: number;
  readonly reconnectMsMin: number;
  readonly reconnectMsMax: number;
  readonly handshakeMs: number;
}

/** Keys of one end of a tcp lane, Z85. */
export interface CurveKeys {
  readonly publicKey: string;
  readonly secretKey: string;
}

export interface ListenOptions {
  readonly url: string;
  /** Messages that wait per peer. */
  readonly hwm: number;
  /** Who is let in; by default this user (ipc). tcp needs a "curve" policy and `keys`. */
  readonly allow?: Policy;
  readonly keys?: CurveKeys;
}

export interface DialOptions {
  readonly url: string;
  readonly hwm: number;
  /** ipc: whose listener is believed; by default this user's. */
  readonly allow?: Policy;
  /** tcp: this end's keys and the server's public key. */
  readonly keys?: CurveKeys & { readonly serverKey: string };
}

type Socket = Publisher | Subscriber | Router | Dealer;
type Role = "pub" | "sub" | "router" | "dealer";

const COMMON = {
  linger: 0,
  maxMessageSize: FRAME_BYTES_MAX,
  handshakeInterval: HANDSHAKE_MS,
  reconnectInterval: RECONNECT_MS_MIN,
  reconnectMaxInterval: RECONNECT_MS_MAX,
  backlog: BACKLOG,
} as const;

/** Sending is now or not at all. */
const NEVER_WAIT = { sendTimeout: 0 } as const;

const TCP_ONLY = {
  heartbeatInterval: TCP_HEARTBEAT_MS,
  heartbeatTimeout: TCP_HEARTBEAT_TIMEOUT_MS,
} as const;

class ZeroMqLane implements Lane {
  readonly #socket: Socket;
  readonly #role: Role;
  readonly #gatekeeper: Gatekeeper | null;
  #sent = 0;
  #wouldBlock = 0;
  #noPeer = 0;
  #received = 0;
  #refusedParts = 0;

  constructor(socket: Socket, role: Role, gatekeeper: Gatekeeper | null) {
    this.#socket = socket;
    this.#role = role;
    this.#gatekeeper = gatekeeper;
  }

  get counters(): LaneCounters {
    const { allowed, refused } = this.#gatekeeper?.counters ?? { allowed: 0, refused: 0 };
    return {
      sent: this.#sent,
      wouldBlock: this.#wouldBlock,
      noPeer: this.#noPeer,
      received: this.#received,
      refusedParts: this.#refusedParts,
      allowed,
      refused,
    };
  }

  get settings(): LaneSettings {
    const socket = this.#socket;
    return {
      sendHwm: socket instanceof Subscriber ? null : socket.sendHighWaterMark,
      receiveHwm: socket instanceof Publisher ? null : socket.receiveHighWaterMark,
      lingerMs: socket.linger,
      sendTimeoutMs: socket instanceof Subscriber ? null : socket.sendTimeout,
      messageBytesMax: socket.maxMessageSize,
      reconnectMsMin: socket.reconnectInterval,
      reconnectMsMax: socket.reconnectMaxInterval,
      handshakeMs: socket.handshakeInterval,
    };
  }

  async send(address: string, frame: Uint8Array): Promise<SentOutcome> {
    const socket = this.#socket;
    if (socket.closed || socket instanceof Subscriber) return "NO_PEER";
    try {
      // With sendTimeout 0 the message is queued or refused inside this call, so that frames keep their order.
      await (this.#role === "dealer" ? socket.send(frame) : socket.send([address, frame]));
      this.#sent += 1;
      return "SENT";
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EAGAIN") {
        this.#wouldBlock += 1;
        return "WOULD_BLOCK";
      }
      if (code === "EHOSTUNREACH" || socket.closed) {
        this.#noPeer += 1;
        return "NO_PEER";
      }
      throw error;
    }
  }

  async receive(take: (address: string, frame: Buffer) => void): Promise<void> {
    const socket = this.#socket;
    if (socket instanceof Publisher) return;
    for (let batch = 0; !socket.closed; batch += 1) {
      let parts: Buffer[];
      try {
        parts = await socket.receive();
      } catch (error) {
        if (socket.closed) return;
        throw error;
      }
      // A flood of ready messages resolves in microtasks only: timers and other sockets get their turn here.
      if (batch % RECEIVE_BATCH_MAX === RECEIVE_BATCH_MAX - 1) await new Promise(setImmediate);
      const arrival = this.#arrival(parts);
      if (arrival === null) this.#refusedParts += 1;
      else {
        this.#received += 1;
        take(...arrival);
      }
    }
  }

  #arrival(parts: readonly Buffer[]): readonly [address: string, frame: Buffer] | null {
    const addressed = this.#role !== "dealer";
    const [first, second] = parts;
    const frame = addressed ? second : first;
    if (first === undefined || frame === undefined || parts.length !== (addressed ? 2 : 1))
      return null;
    if (frame.length > FRAME_BYTES_MAX) return null;
    if (!addressed) return ["", frame];
    if (first.length < 1 || first.length > ADDRESS_BYTES_MAX) return null;
    const address = first.toString("latin1");
    return /^[\x21-\x7e]+$/.test(address) ? [address, frame] : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#socket.closed) {
      this.#socket.linger = CLOSE_LINGER_MS;
      this.#socket.close();
    }
    this.#gatekeeper?.[Symbol.dispose]();
  }
}

/** The writing end of streams. */
export function listenPublisher(options: ListenOptions): Promise<Lane> {
  return listen(
    options,
    "pub",
    (common) => new Publisher({ ...common, ...NEVER_WAIT, sendHighWaterMark: options.hwm }),
  );
}

/** The listening end of links: a frame to nobody is known, a client that comes again takes its place at once. */
export function listenRouter(options: ListenOptions): Promise<Lane> {
  return listen(options, "router", (common) => {
    const marks = { sendHighWaterMark: options.hwm, receiveHighWaterMark: options.hwm };
    return new Router({ ...common, ...NEVER_WAIT, ...marks, mandatory: true, handover: true });
  });
}

/** A reading end of streams, for every topic that starts with one of `prefixes`. */
export function dialSubscriber(options: DialOptions, prefixes: readonly string[]): Promise<Lane> {
  return dial(options, "sub", (common) => {
    const socket = new Subscriber({ ...common, receiveHighWaterMark: options.hwm });
    socket.subscribe(...prefixes);
    return socket;
  });
}

/** The calling end of a link: nothing queues for a server that is away. */
export function dialDealer(options: DialOptions, identity: string): Promise<Lane> {
  return dial(options, "dealer", (common) => {
    const marks = { sendHighWaterMark: options.hwm, receiveHighWaterMark: options.hwm };
    return new Dealer({ ...common, ...NEVER_WAIT, ...marks, routingId: identity, immediate: true });
  });
}

type Common = typeof COMMON & { readonly context: Context };

async function listen(
  { url, allow, keys }: ListenOptions,
  role: Role,
  make: (common: Common) => Socket,
): Promise<Lane> {
  const tcp = url.startsWith("tcp://");
  const policy = allow ?? ownUid();
  if (tcp && (keys === undefined || policy.mechanism !== "curve")) throw curveNeeded(url);
  if (!tcp && policy.mechanism !== "ipc") throw endpointMalformed(url, "an ipc policy on ipc://");
  const path = tcp ? null : await claimIpc(url);
  const gatekeeper = await Gatekeeper.open(policy);
  try {
    const socket = make({ ...COMMON, context: gatekeeper.context });
    socket.zapDomain = gatekeeper.domain;
    socket.zapEnforceDomain = true;
    if (tcp && keys !== undefined) {
      Object.assign(socket, TCP_ONLY);
      socket.curveServer = true;
      socket.curveSecretKey = checkKey(keys.secretKey, "server's secret key");
    }
    await socket.bind(url);
    if (path !== null) narrowSocket(path);
    return new ZeroMqLane(socket, role, gatekeeper);
  } catch (cause) {
    gatekeeper[Symbol.dispose]();
    throw endpointUnavailable(url, cause);
  }
}

async function dial(
  { url, allow, keys }: DialOptions,
  role: Role,
  make: (common: Common) => Socket,
): Promise<Lane> {
  if (url.startsWith("tcp://")) {
    if (keys === undefined) throw curveNeeded(url);
    const curve = {
      curveServerKey: checkKey(keys.serverKey, "server's public key"),
      curvePublicKey: checkKey(keys.publicKey, "client's public key"),
      curveSecretKey: checkKey(keys.secretKey, "client's secret key"),
    };
    // CURVE proves the server by its key: there is no list to ask on this side.
    const socket = Object.assign(make({ ...COMMON, context: new Context() }), TCP_ONLY, curve);
    socket.connect(url);
    return new ZeroMqLane(socket, role, null);
  }
  ipcPath(url);
  const policy = allow ?? ownUid();
  if (policy.mechanism !== "ipc") throw endpointMalformed(url, "an ipc policy on ipc://");
  const gatekeeper = await Gatekeeper.open(policy);
  const socket = make({ ...COMMON, context: gatekeeper.context });
  socket.zapDomain = gatekeeper.domain;
  socket.connect(url);
  return new ZeroMqLane(socket, role, gatekeeper);
}
