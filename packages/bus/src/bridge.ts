import { frameCheck } from "@tidegate/rust-core";
import { curveNeeded } from "./errors.ts";
import {
  type CurveKeys,
  dialSubscriber,
  type Lane,
  type LaneCounters,
  listenPublisher,
} from "./lane.ts";
import { STREAM_HWM_DEFAULT } from "./limits.ts";

/** What a bridge carried and what it would not. */
export interface BridgeCounters {
  readonly carried: number;
  /** Bytes that are no frame: they stop here, whichever side they came from. */
  readonly refused: number;
  readonly from: LaneCounters;
  readonly to: LaneCounters;
}

/**
 * Carries streams between hosts: frames cross as they are, with the sequence and epoch of their first publisher, so that
 * a frame lost anywhere on the way is in the exact gap count of the last subscriber.
 */
export class StreamBridge implements AsyncDisposable {
  readonly #from: Lane;
  readonly #to: Lane;
  #carried = 0;
  #refused = 0;
  readonly done: Promise<void>;

  constructor(from: Lane, to: Lane) {
    this.#from = from;
    this.#to = to;
    this.done = from.receive((topic, frame) => {
      if (frameCheck(frame) !== null) {
        this.#refused += 1;
        return;
      }
      this.#carried += 1;
      void to.send(topic, frame);
    });
  }

  get counters(): BridgeCounters {
    return {
      carried: this.#carried,
      refused: this.#refused,
      from: this.#from.counters,
      to: this.#to.counters,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#from[Symbol.asyncDispose]();
    await this.done;
    await this.#to[Symbol.asyncDispose]();
  }
}

export interface BridgeOutOptions {
  /** The local stream, `ipc://…`. */
  readonly from: string;
  readonly prefixes: readonly string[];
  /** Where other hosts connect, `tcp://<address>:<port>`. */
  readonly to: string;
  readonly keys: CurveKeys;
  /** Public keys of the hosts that may subscribe, Z85; nobody else gets past the handshake. */
  readonly allow: readonly string[];
}

/** Offers a local stream to listed hosts over tcp with CURVE. */
export async function bridgeOut(options: BridgeOutOptions): Promise<StreamBridge> {
  if (!options.to.startsWith("tcp://")) throw curveNeeded(options.to);
  const to = await listenPublisher({
    url: options.to,
    hwm: STREAM_HWM_DEFAULT,
    keys: options.keys,
    allow: { mechanism: "curve", publicKeys: options.allow },
  });
  try {
    const from = await dialSubscriber(
      { url: options.from, hwm: STREAM_HWM_DEFAULT },
      options.prefixes,
    );
    return new StreamBridge(from, to);
  } catch (error) {
    await to[Symbol.asyncDispose]();
    throw error;
  }
}

export interface BridgeInOptions {
  /** The other host's bridge, `tcp://<address>:<port>`. */
  readonly from: string;
  readonly prefixes: readonly string[];
  /** The local stream it becomes, `ipc://…`. */
  readonly to: string;
  readonly keys: CurveKeys;
  /** The other host's public key, Z85: a server without its secret half is not believed. */
  readonly serverKey: string;
}

/** Brings another host's stream in as a local one. */
export async function bridgeIn(options: BridgeInOptions): Promise<StreamBridge> {
  if (!options.from.startsWith("tcp://")) throw curveNeeded(options.from);
  const to = await listenPublisher({ url: options.to, hwm: STREAM_HWM_DEFAULT });
  try {
    const keys = { ...options.keys, serverKey: options.serverKey };
    const from = await dialSubscriber(
      { url: options.from, hwm: STREAM_HWM_DEFAULT, keys },
      options.prefixes,
    );
    return new StreamBridge(from, to);
  } catch (error) {
    await to[Symbol.asyncDispose]();
    throw error;
  }
}
