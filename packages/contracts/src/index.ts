export * from "./decode.ts";
export * from "./encode.ts";
export * from "./errors.ts";
export type {
  BareOf,
  BookDepth,
  BookState,
  BookTop,
  Command,
  CommandKind,
  ControlAction,
  ControlEvent,
  Decision,
  Envelope,
  Fill,
  InstrumentStatus,
  Intent,
  IntentKind,
  IntentReply,
  MarkKind,
  OrderState,
  OrderType,
  OrderUpdate,
  Payload,
  PayloadKind,
  PayloadOf,
  Policy,
  PolicyState,
  PositionUpdate,
  Reason,
  Report,
  ReportKind,
  Side,
  SnapshotRequest,
  Source,
  StreamGap,
  StreamMark,
  Tif,
  Trade,
  TradeCorrection,
  TradingState,
} from "./messages.ts";
export { PAYLOAD_KINDS } from "./messages.ts";
export * from "./metrics.ts";
export * from "./reasons.ts";
export * from "./topics.ts";
export * from "./units.ts";
