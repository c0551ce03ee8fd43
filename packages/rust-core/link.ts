import { native } from "./native.ts";

/** One payload of a peer, in order. */
export interface Delivery {
  readonly epoch: number;
  readonly seq: number;
  /** CLOCK_MONOTONIC of the writer's host when it wrote the frame. */
  readonly monoNs: bigint;
  readonly payload: Buffer;
}

export type LinkState = "CONNECTING" | "SYNCED" | "GAP" | "STALE";
export type SendRefusal =
  | "NO_CREDIT"
  | "NOT_SYNCED"
  | "TOO_LONG"
  | "EMPTY"
  | "ENDED"
  | "UNKNOWN_PEER";

export type LinkEvent =
  | { readonly type: "state"; readonly from: LinkState; readonly to: LinkState }
  /** The peer has a new session: of its old one everything up to `lastSeq` was delivered. */
  | {
      readonly type: "peer_restarted";
      readonly previousEpoch: number;
      readonly lastSeq: number;
      readonly epoch: number;
    }
  /** The peer can no longer send these: an earlier session of this side acknowledged them. */
  | {
      readonly type: "skipped";
      readonly epoch: number;
      readonly firstSeq: number;
      readonly lastSeq: number;
    }
  /** The peer ended in order; everything up to `lastSeq` was delivered. */
  | { readonly type: "peer_closed"; readonly epoch: number; readonly lastSeq: number }
  /** The peer claims an epoch below the one it had: its epoch file was lost or it is an impostor. */
  | { readonly type: "epoch_went_back"; readonly known: number; readonly claimed: number };

/** State and exact counts of one end of a link. */
export interface LinkStats {
  readonly state: LinkState;
  readonly epoch: number;
  readonly peerEpoch: number | null;
  readonly lastSeq: number;
  readonly deliveredSeq: number;
  readonly inFlight: number;
  readonly sent: number;
  readonly transmitted: number;
  readonly retransmitted: number;
  readonly acked: number;
  readonly delivered: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly gaps: number;
  readonly skipped: number;
  readonly resendsAsked: number;
  readonly resendsServed: number;
  readonly refusedNoCredit: number;
  readonly refusedNotSynced: number;
  readonly refusedOther: number;
  readonly badFrames: number;
  readonly wrongLink: number;
  readonly wrongEpoch: number;
  readonly protocolFaults: number;
  readonly peerRestarts: number;
  readonly staleTimes: number;
  readonly eventsDropped: number;
  readonly frameFaults: Readonly<Record<string, number>>;
}

/** The pure core of one end of a link, see the crate `bus`: bytes and time in, frames and events out. */
export interface LinkCore {
  onFrame(nowNs: bigint, frame: Uint8Array): Delivery | null;
  poll(nowNs: bigint, max: number): Buffer[];
  send(nowNs: bigint, payload: Uint8Array): number | SendRefusal;
  ack(seq: number): void;
  bye(): void;
  disconnected(): void;
  finished(): boolean;
  hasDue(): boolean;
  hasEvent(): boolean;
  state(): LinkState;
  credits(): number;
  events(): string;
  stats(): string;
}

/** The pure core of the writing end of one topic. */
export interface PublisherCore {
  data(nowNs: bigint, payload: Uint8Array): Buffer | string;
  heartbeat(nowNs: bigint): Buffer | null;
  bye(nowNs: bigint): Buffer;
  lastSeq(): number;
}

/** Frames that were published and never arrived, both ends included. */
export interface StreamGapSeen {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

/** How an epoch ended; without BYE nobody can count what was lost after the last frame seen. */
export interface StreamEnded {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly inOrder: boolean;
}

export interface StreamOpened {
  readonly epoch: number;
  /** First sequence that is accounted for. Above 1 only where this subscriber joined late. */
  readonly firstSeq: number;
  readonly previous: StreamEnded | null;
}

/** What one frame of a topic brought, to be handled in the order of the fields. */
export interface StreamStep {
  readonly refused: string | null;
  readonly opened: StreamOpened | null;
  readonly gap: StreamGapSeen | null;
  readonly data: Delivery | null;
  readonly closed: StreamEnded | null;
}

export type StreamState = "WAITING" | "LIVE" | "STALE" | "CLOSED";

export interface SubscriberStats {
  readonly state: StreamState;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly received: number;
  readonly missing: number;
  readonly gaps: number;
  readonly late: number;
  readonly oldEpoch: number;
  readonly badFrames: number;
  readonly wrongLink: number;
  readonly heartbeats: number;
  readonly epochs: number;
  readonly staleTimes: number;
}

/** The pure core of the reading end of one topic. */
export interface SubscriberCore {
  onFrame(nowNs: bigint, frame: Uint8Array): StreamStep;
  poll(nowNs: bigint): boolean;
  state(): StreamState;
  stats(): string;
}

const link =
  native<
    new (
      name: string,
      epoch: number,
      window: number,
      resumeEpoch: number,
      resumeSeq: number,
    ) => LinkCore
  >("LinkCore");
const publisher = native<new (topic: string, epoch: number) => PublisherCore>("PublisherCore");
const subscriber = native<new (topic: string) => SubscriberCore>("SubscriberCore");

export interface LinkCoreConfig {
  /** As both ends spell it. */
  readonly name: string;
  /** This side's session: persisted, higher at each start, never 0. */
  readonly epoch: number;
  /** Frames held unacknowledged in either direction. */
  readonly window: number;
  /** The peer's epoch this application holds durably, and up to where; null for none. */
  readonly resume: { readonly peerEpoch: number; readonly seq: number } | null;
}

export function openLinkCore({ name, epoch, window, resume }: LinkCoreConfig): LinkCore {
  return new (link())(name, epoch, window, resume?.peerEpoch ?? 0, resume?.seq ?? 0);
}

export function openPublisherCore(topic: string, epoch: number): PublisherCore {
  return new (publisher())(topic, epoch);
}

export function openSubscriberCore(topic: string): SubscriberCore {
  return new (subscriber())(topic);
}
