import * as f from "./fields.ts";
import { type Field, type Names, name, nameOrNull, namesOf, text } from "./fields.ts";
import { tidegate } from "./gen/messages.js";

/**
 * The domain form of every message: one table, read by `decode.ts` and `encode.ts` and by the tests.
 * A field stands here under the name the proto gives it, in camel case; a test holds both equal.
 */
type Fields = Readonly<Record<string, Field<never>>>;
type Domain<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

const { common, marketdata, orders, risk, control, recorder } = tidegate;

export const sources = namesOf(common.v1.Source, "SOURCE_");
export const sides = namesOf(common.v1.Side, "SIDE_");
export const bookStates = namesOf(marketdata.v1.BookState, "BOOK_STATE_");
export const tradingStates = namesOf(marketdata.v1.TradingState, "TRADING_STATE_");
export const intentKinds = namesOf(orders.v1.IntentKind, "INTENT_KIND_");
export const orderTypes = namesOf(orders.v1.OrderType, "ORDER_TYPE_");
export const tifs = namesOf(orders.v1.Tif, "TIF_");
export const reasons = namesOf(orders.v1.Reason, "REASON_");
export const decisions = namesOf(orders.v1.Decision, "DECISION_");
export const orderStates = namesOf(orders.v1.OrderState, "ORDER_STATE_");
export const commandKinds = namesOf(orders.v1.CommandKind, "COMMAND_KIND_");
export const reportKinds = namesOf(orders.v1.ReportKind, "REPORT_KIND_");
export const policies = namesOf(risk.v1.Policy, "POLICY_");
export const riskEventKinds = namesOf(risk.v1.RiskEventKind, "RISK_EVENT_KIND_");
export const riskScopes = namesOf(risk.v1.RiskScope, "RISK_SCOPE_");
export const latches = namesOf(risk.v1.Latch, "LATCH_");
export const stormModes = namesOf(risk.v1.StormMode, "STORM_MODE_");
export const lossPeriods = namesOf(risk.v1.LossPeriod, "LOSS_PERIOD_");
export const postingKinds = namesOf(risk.v1.PostingKind, "POSTING_KIND_");
export const controlActions = namesOf(control.v1.ControlAction, "CONTROL_ACTION_");
export const markKinds = namesOf(recorder.v1.StreamMark.Kind, "KIND_");

type NameOf<T> = T extends Names<infer N> ? N : never;
export type Source = NameOf<typeof sources>;
export type Side = NameOf<typeof sides>;
export type BookState = NameOf<typeof bookStates>;
export type TradingState = NameOf<typeof tradingStates>;
export type IntentKind = NameOf<typeof intentKinds>;
export type OrderType = NameOf<typeof orderTypes>;
export type Tif = NameOf<typeof tifs>;
export type Reason = NameOf<typeof reasons>;
export type Decision = NameOf<typeof decisions>;
export type OrderState = NameOf<typeof orderStates>;
export type CommandKind = NameOf<typeof commandKinds>;
export type ReportKind = NameOf<typeof reportKinds>;
export type Policy = NameOf<typeof policies>;
export type RiskEventKind = NameOf<typeof riskEventKinds>;
export type RiskScope = NameOf<typeof riskScopes>;
export type LatchKind = NameOf<typeof latches>;
export type StormMode = NameOf<typeof stormModes>;
export type LossPeriod = NameOf<typeof lossPeriods>;
export type PostingKind = NameOf<typeof postingKinds>;
export type ControlAction = NameOf<typeof controlActions>;
export type MarkKind = NameOf<typeof markKinds>;

/** Bounds of texts in bytes, as the validator holds them. */
const CLIENT_ORDER_ID_BYTES_MAX = 36;
const VENUE_ID_BYTES_MAX = 64;
const ASSET_BYTES_MAX = 16;
const TOPIC_BYTES_MAX = 64;
const DETAIL_BYTES_MAX = 128;
const STATUS_CODE_BYTES_MAX = 16;
const LONG_TEXT_BYTES_MAX = 256;
const PRINCIPAL_BYTES_MAX = 64;
const REFERENCE_BYTES_MAX = 64;
const APPROVAL_BYTES = 90;
const LIMIT_NAME_BYTES_MAX = 64;

const bookTop = {
  instrumentId: f.u32,
  venueId: f.u32,
  bidPxTicks: f.px,
  bidQtyLots: f.qty,
  askPxTicks: f.px,
  askQtyLots: f.qty,
  venueSeq: f.count,
  tsVenueNs: f.epochNs,
  tsRecvNs: f.epochNs,
  state: name(bookStates),
  featureSetHash: f.u32,
  features: f.signedInts,
  featureFlags: f.u32,
  tickMonoNs: f.monoNs,
  instrumentTableVersion: f.u32,
};
/** One venue's top of book. A side with qty 0 is empty; its px is not read. */
export type BookTop = Domain<typeof bookTop>;

const bookDepth = {
  instrumentId: f.u32,
  venueId: f.u32,
  bidPxDeltaTicks: f.signedInts,
  bidQtyLots: f.unsignedInts,
  askPxDeltaTicks: f.signedInts,
  askQtyLots: f.unsignedInts,
  venueSeq: f.count,
  tsVenueNs: f.epochNs,
  tsRecvNs: f.epochNs,
  state: name(bookStates),
  instrumentTableVersion: f.u32,
};
/** The best levels as columns, best first; prices as differences to the level before, the first absolute. */
export type BookDepth = Domain<typeof bookDepth>;

const trade = {
  instrumentId: f.u32,
  venueId: f.u32,
  tradeId: f.count,
  pxTicks: f.px,
  qtyLots: f.qty,
  aggressor: name(sides),
  tsVenueNs: f.epochNs,
  tsRecvNs: f.epochNs,
  tickMonoNs: f.monoNs,
  instrumentTableVersion: f.u32,
  excluded: f.u32,
};
/** One public trade; `excluded` says what its sale conditions keep it from moving (bits as in the proto, 0: it moves everything). */
export type Trade = Domain<typeof trade>;

const tradeCorrection = {
  instrumentId: f.u32,
  venueId: f.u32,
  wasTradeId: f.count,
  wasPxTicks: f.px,
  wasQtyLots: f.qty,
  nowTradeId: f.count,
  nowPxTicks: f.px,
  nowQtyLots: f.qty,
  nowExcluded: f.u32,
  tsVenueNs: f.epochNs,
  tsRecvNs: f.epochNs,
  instrumentTableVersion: f.u32,
};
/** A public trade taken back, where `nowQtyLots` is 0, or put right. */
export type TradeCorrection = Domain<typeof tradeCorrection>;

const instrumentStatus = {
  instrumentId: f.u32,
  venueId: f.u32,
  state: name(bookStates),
  reason: text(DETAIL_BYTES_MAX),
  gapFirst: f.count,
  gapLast: f.count,
  tsRecvNs: f.epochNs,
  trading: nameOrNull(tradingStates),
  tradingCode: text(STATUS_CODE_BYTES_MAX),
  tradingReason: text(STATUS_CODE_BYTES_MAX),
  limitDownPxTicks: f.px,
  limitUpPxTicks: f.px,
  tsVenueNs: f.epochNs,
};
/** A change of the state of one instrument's feed, or of what its venue lets be done. */
export type InstrumentStatus = Domain<typeof instrumentStatus>;

const intent = {
  intentId: f.intentIdField,
  kind: name(intentKinds),
  instrumentId: f.u32,
  accountId: f.u32,
  side: nameOrNull(sides),
  orderType: nameOrNull(orderTypes),
  tif: nameOrNull(tifs),
  pxTicks: f.px,
  qtyLots: f.qty,
  targetIntentId: f.intentIdOrNull,
  ttlNs: f.durationNs,
  tickMonoNs: f.monoNs,
  intentMonoNs: f.monoNs,
  instrumentTableVersion: f.u32,
};
/** What a strategy asks for. NEW carries side, type, tif and qty; CANCEL the target. */
export type Intent = Domain<typeof intent>;

const intentReply = {
  intentId: f.intentIdField,
  decision: name(decisions),
  reason: name(reasons),
  clientOrderId: text(CLIENT_ORDER_ID_BYTES_MAX),
  repeated: f.flag,
  referencePxTicks: f.px,
  referenceTsNs: f.epochNs,
  acceptedQtyLots: f.qty,
};
/** The gateway's answer to one intent. */
export type IntentReply = Domain<typeof intentReply>;

const orderUpdate = {
  intentId: f.intentIdField,
  clientOrderId: text(CLIENT_ORDER_ID_BYTES_MAX),
  instrumentId: f.u32,
  side: name(sides),
  state: name(orderStates),
  pxTicks: f.px,
  qtyLots: f.qty,
  cumQtyLots: f.qty,
  leavesQtyLots: f.qty,
  reason: name(reasons),
  tsVenueNs: f.epochNs,
  snapshot: f.flag,
};
/** One change of one order. */
export type OrderUpdate = Domain<typeof orderUpdate>;

const fill = {
  intentId: f.intentIdField,
  clientOrderId: text(CLIENT_ORDER_ID_BYTES_MAX),
  instrumentId: f.u32,
  venueId: f.u32,
  side: name(sides),
  pxTicks: f.px,
  qtyLots: f.qty,
  execId: text(VENUE_ID_BYTES_MAX),
  feeE8: f.money,
  feeAsset: text(ASSET_BYTES_MAX),
  maker: f.flag,
  tsVenueNs: f.epochNs,
  positionLots: f.position,
};
/** One fill, once. */
export type Fill = Domain<typeof fill>;

const command = {
  commandSeq: f.count,
  gatewayEpoch: f.u32,
  holder: f.bits64,
  kind: name(commandKinds),
  intentId: f.intentIdOrNull,
  clientOrderId: text(CLIENT_ORDER_ID_BYTES_MAX),
  generation: f.u32,
  instrumentId: f.u32,
  venueId: f.u32,
  accountId: f.u32,
  side: nameOrNull(sides),
  orderType: nameOrNull(orderTypes),
  tif: nameOrNull(tifs),
  pxTicks: f.px,
  qtyLots: f.qty,
  ttlNs: f.durationNs,
  tickMonoNs: f.monoNs,
  intentMonoNs: f.monoNs,
  commandMonoNs: f.monoNs,
  reportSeqSeen: f.count,
  approval: text(APPROVAL_BYTES),
  strategyVersion: f.bits64,
  traderId: f.u32,
  deskId: f.u32,
  clientId: f.u32,
};
/** Gateway to router: one thing to do at a venue. */
export type Command = Domain<typeof command>;

const report = {
  reportSeq: f.count,
  kind: name(reportKinds),
  intentId: f.intentIdOrNull,
  clientOrderId: text(CLIENT_ORDER_ID_BYTES_MAX),
  generation: f.u32,
  instrumentId: f.u32,
  venueId: f.u32,
  venueOrderId: text(VENUE_ID_BYTES_MAX),
  execId: text(VENUE_ID_BYTES_MAX),
  side: nameOrNull(sides),
  lastPxTicks: f.px,
  lastQtyLots: f.qty,
  cumQtyLots: f.qty,
  leavesQtyLots: f.qty,
  feeE8: f.money,
  feeAsset: text(ASSET_BYTES_MAX),
  maker: f.flag,
  reason: name(reasons),
  venueText: text(LONG_TEXT_BYTES_MAX),
  tsVenueNs: f.epochNs,
  tsRecvNs: f.epochNs,
  gatewayEpoch: f.u32,
  holder: f.bits64,
  commandSeq: f.count,
  tickMonoNs: f.monoNs,
  intentMonoNs: f.monoNs,
  commandMonoNs: f.monoNs,
  wireMonoNs: f.monoNs,
};
/** Router to gateway: what the venue said, or the router's own proof. */
export type Report = Domain<typeof report>;

const policyState = {
  policy: name(policies),
  cause: name(reasons),
  detail: text(DETAIL_BYTES_MAX),
  gatewayEpoch: f.u32,
  tsNs: f.epochNs,
};
/** The gateway's standing. */
export type PolicyState = Domain<typeof policyState>;

const positionUpdate = {
  accountId: f.u32,
  strategyId: f.u32,
  instrumentId: f.u32,
  positionLots: f.position,
  openCostE8: f.money,
  realisedE8: f.money,
  snapshot: f.flag,
};
/** One position of one strategy, after each fill and on connection. */
export type PositionUpdate = Domain<typeof positionUpdate>;

const riskEvent = {
  kind: name(riskEventKinds),
  scope: nameOrNull(riskScopes),
  accountId: f.u32,
  strategyId: f.u32,
  instrumentId: f.u32,
  venueId: f.u32,
  cause: nameOrNull(reasons),
  latch: nameOrNull(latches),
  stormFrom: nameOrNull(stormModes),
  stormTo: nameOrNull(stormModes),
  period: nameOrNull(lossPeriods),
  periodId: f.u32,
  posting: nameOrNull(postingKinds),
  asset: text(ASSET_BYTES_MAX),
  quoteAsset: text(ASSET_BYTES_MAX),
  value: f.money,
  bound: f.money,
  sourceSeq: f.count,
  reference: text(REFERENCE_BYTES_MAX),
  tsNs: f.epochNs,
  instrumentIds: f.unsignedInts,
  pxTicks: f.signedInts,
  deskId: f.u32,
};
/** A change of the gateway's risk state that no order or report brings. */
export type RiskEvent = Domain<typeof riskEvent>;

const snapshotRequest = { topic: text(TOPIC_BYTES_MAX), afterSeq: f.count };
/** Asks a publisher for the state a late joiner needs before it may trust a stream. */
export type SnapshotRequest = Domain<typeof snapshotRequest>;

const controlEvent = {
  action: name(controlActions),
  principal: text(PRINCIPAL_BYTES_MAX),
  reason: text(LONG_TEXT_BYTES_MAX),
  tsNs: f.epochNs,
  strategyId: f.u32,
  instrumentId: f.u32,
  requester: text(PRINCIPAL_BYTES_MAX),
  expiresTsNs: f.epochNs,
  overridden: f.u32,
  limitName: text(LIMIT_NAME_BYTES_MAX),
  value: f.money,
  limitsVersion: f.u32,
  killTsNs: f.epochNs,
};
/** An operator's act. */
export type ControlEvent = Domain<typeof controlEvent>;

const streamGap = {
  stream: text(TOPIC_BYTES_MAX),
  epoch: f.u32,
  firstSeq: f.count,
  lastSeq: f.count,
  tsNs: f.epochNs,
};
/** Where the recorder knows that frames of a stream are missing, both ends included. */
export type StreamGap = Domain<typeof streamGap>;

const streamMark = {
  stream: text(TOPIC_BYTES_MAX),
  epoch: f.u32,
  kind: name(markKinds),
  seq: f.count,
  tsNs: f.epochNs,
};
/** Where a stream (re)starts with a new epoch, or ends in order with its last sequence. */
export type StreamMark = Domain<typeof streamMark>;

const payloads = {
  bookTop,
  bookDepth,
  trade,
  instrumentStatus,
  tradeCorrection,
  intent,
  intentReply,
  orderUpdate,
  fill,
  command,
  report,
  policyState,
  positionUpdate,
  riskEvent,
  snapshotRequest,
  controlEvent,
  streamGap,
  streamMark,
};
export type PayloadKind = keyof typeof payloads;
/** The message an envelope carries, told apart by `kind`. */
export type Payload = {
  readonly [K in PayloadKind]: { readonly kind: K; readonly value: Domain<(typeof payloads)[K]> };
}[PayloadKind];

/** The message of one kind. */
export type PayloadOf<K extends PayloadKind> = Domain<(typeof payloads)[K]>;

type Bare<V> = V extends number ? number : V extends bigint ? bigint : V;
/** The message of one kind with bare numbers, as a generator writes it: every field is asked for, `encodeEnvelope` checks values. */
export type BareOf<K extends PayloadKind> = {
  readonly [F in keyof PayloadOf<K>]: Bare<PayloadOf<K>[F]>;
};

const head = {
  schemaVersion: f.u32,
  source: name(sources),
  traceHi: f.bits64,
  traceLo: f.bits64,
  spanId: f.bits64,
  tsEventNs: f.epochNs,
  tsRecvNs: f.epochNs,
  logSeq: f.count,
};
/** What every frame of type DATA carries. */
export type Envelope = Domain<typeof head> & { readonly payload: Payload };

export const PAYLOAD_KINDS = Object.keys(payloads) as readonly PayloadKind[];
/** The tables without their types, for the generic walks of decode, encode and the tests. */
export const HEAD_FIELDS = head as unknown as Fields;
export const PAYLOAD_FIELDS = payloads as unknown as Readonly<Record<PayloadKind, Fields>>;
