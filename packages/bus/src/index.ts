export * from "./bridge.ts";
export { hostClock, type MonoClock } from "./clock.ts";
export { type CredentialCounters, ownUid, type Policy } from "./credentials.ts";
export { BusError, type BusFault } from "./errors.ts";
export type { CurveKeys, Lane, LaneCounters, SentOutcome } from "./lane.ts";
export {
  LinkClient,
  type LinkClientOptions,
  LinkServer,
  type LinkServerOptions,
  type SendOutcome,
  type ServerCounters,
} from "./link.ts";
export {
  type StreamEvent,
  type StreamHandlers,
  StreamPublisher,
  type StreamPublisherOptions,
  StreamSubscriber,
  type StreamSubscriberOptions,
} from "./stream.ts";
