/** Valid envelopes to draw in property tests: the field table gives the domain, the overrides the rules between fields. */
import fc from "fast-check";
import type { Field, FieldKind } from "../fields.ts";
import {
  type Envelope,
  HEAD_FIELDS,
  PAYLOAD_FIELDS,
  PAYLOAD_KINDS,
  type PayloadKind,
} from "../messages.ts";

const SAFE = Number.MAX_SAFE_INTEGER;
const I64 = 1n << 63n;
const letters = "abcdefghijklmnopqrstuvwxyz0123456789.:/_-ABCXYZ";

type Arb = fc.Arbitrary<unknown>;

function ofKind(kind: FieldKind): Arb {
  switch (kind.type) {
    case "u32":
      return fc.integer({ min: 1, max: 0xffff_ffff });
    case "flag":
      return fc.boolean();
    case "intentId":
      return fc.bigInt({ min: 1n, max: (1n << 128n) - 1n });
    case "intentIdOrNull":
      return fc.option(fc.bigInt({ min: 1n, max: (1n << 128n) - 1n }));
    case "int":
      return fc.integer({ min: kind.signed ? -SAFE : 1, max: SAFE });
    case "ints":
      return fc.array(fc.integer({ min: kind.signed ? -SAFE : 1, max: SAFE }), { maxLength: 48 });
    case "wide":
      // A time is signed on the wire and never below 0; the full range is drawn where it means money.
      return fc.bigInt({ min: 0n, max: kind.signed ? I64 - 1n : 2n * I64 - 1n });
    case "text":
      return fc
        .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
        .filter((text) => text.isWellFormed() && Buffer.byteLength(text) <= kind.bytesMax);
    case "name":
      return fc.constantFrom(...kind.names, ...(kind.optional ? [null] : []));
  }
}

const orderId = fc.string({ minLength: 1, maxLength: 36, unit: fc.constantFrom(...letters) });
const signedMoney = fc.bigInt({ min: -I64, max: I64 - 1n });

/** One side of a depth message: prices best first as differences, all within the safe integers. */
function side(direction: 1 | -1): fc.Arbitrary<{ deltas: number[]; qtys: number[] }> {
  const level = fc.record({
    step: fc.integer({ min: 1, max: 1_000 }),
    qty: fc.integer({ min: 1, max: SAFE }),
  });
  const best = fc.integer({ min: -(2 ** 50), max: 2 ** 50 });
  return fc
    .record({ best, levels: fc.array(level, { maxLength: 60 }) })
    .map(({ best, levels }) => ({
      deltas: levels.map(({ step }, at) => (at === 0 ? best : direction * step)),
      qtys: levels.map(({ qty }) => qty),
    }));
}

type Draw = Record<string, unknown>;

/** Amounts are drawn from 0 up; every second one is turned below it. */
function signed64(m: Draw): Draw {
  const turned = (value: unknown) => ((value as bigint) & 1n ? -(value as bigint) : value);
  return { value: turned(m["value"]), bound: turned(m["bound"]) };
}

/** What the validator wants of a whole message, applied to a freely drawn one. */
const rules: Partial<Record<PayloadKind, (draw: Draw) => Draw>> = {
  bookTop: (m) => ({ ...m, featureFlags: Number(m["featureFlags"]) & 0b11_1111 }),
  instrumentStatus: (m) => {
    const [first, last] = [Number(m["gapFirst"]), Number(m["gapLast"])];
    const [down, up] = [Number(m["limitDownPxTicks"]), Number(m["limitUpPxTicks"])];
    return {
      ...m,
      gapFirst: Math.min(first, last),
      gapLast: Math.max(first, last),
      limitDownPxTicks: Math.min(down, up),
      limitUpPxTicks: Math.max(down, up),
    };
  },
  trade: (m) => ({ ...m, excluded: excluded(m["excluded"]) }),
  tradeCorrection: (m) => ({ ...m, nowExcluded: excluded(m["nowExcluded"]) }),
  intent: (m) =>
    m["kind"] === "CANCEL"
      ? {
          ...m,
          targetIntentId: m["targetIntentId"] ?? m["intentId"],
          side: null,
          orderType: null,
          tif: null,
          pxTicks: 0,
          qtyLots: 0,
        }
      : { ...orderTerms(m), targetIntentId: null },
  intentReply: (m) => ({
    ...m,
    reason: m["decision"] === "ACCEPTED" ? "OK" : m["reason"] === "OK" ? "HALT" : m["reason"],
  }),
  command: (drawn) => {
    const m: Draw = { ...drawn, holder: (drawn["holder"] as bigint) | 1n };
    m["approval"] = "a5".repeat(45);
    if (m["kind"] !== "NEW" && m["kind"] !== "FORCE_FLAT") return m;
    return { ...orderTerms(m), intentId: m["intentId"] ?? 1n };
  },
  controlEvent: (m) => {
    const action = String(m["action"]);
    const tsNs = (m["tsNs"] as bigint) >> 1n;
    const overrides = action === "OVERRIDE";
    const limits = action === "LIMITS";
    return {
      ...m,
      tsNs,
      strategyId: ["QUARANTINE", "REARM", "OVERRIDE"].includes(action) ? m["strategyId"] : 0,
      instrumentId: ["FREEZE", "THAW", "RESTRICT", "ALLOW"].includes(action)
        ? m["instrumentId"]
        : 0,
      requester: overrides || limits ? m["requester"] : "",
      expiresTsNs: overrides ? tsNs + 1n : 0n,
      overridden: overrides ? 63 : 0,
      limitName: limits ? m["limitName"] : "",
      value: limits ? m["value"] : 0n,
      limitsVersion: limits ? m["limitsVersion"] : 0,
      killTsNs: action === "UNKILL" ? m["killTsNs"] : 0n,
    };
  },
  riskEvent: (drawn) => {
    const m: Draw = { ...drawn, ...signed64(drawn) };
    const kind = String(m["kind"]);
    const latches = ["LATCH", "RELEASE"].includes(kind);
    const scope = latches || ["STORM", "PERIOD"].includes(kind) ? (m["scope"] ?? "FIRM") : null;
    const of = (holds: boolean, field: string, otherwise: unknown) =>
      holds ? (m[field] ?? otherwise) : typeof m[field] === "number" ? 0 : null;
    const named = (holds: boolean) => (holds ? "USDT" : "");
    const venue = ["ACCOUNT", "MARGIN", "LOCATE", "POSTING"].includes(kind) || scope === "VENUE";
    const marks = kind === "MARKS";
    return {
      ...m,
      scope,
      accountId: of(venue || scope === "ACCOUNT", "accountId", 1),
      strategyId: of(kind === "POSTING" || scope === "STRATEGY", "strategyId", 1),
      instrumentId: of(
        ["POSTING", "LOCATE"].includes(kind) || scope === "INSTRUMENT",
        "instrumentId",
        1,
      ),
      venueId: of(venue, "venueId", 1),
      deskId: of(scope === "DESK", "deskId", 1),
      cause: of(latches, "cause", "HALT"),
      latch: of(latches, "latch", "HALT"),
      stormFrom: of(kind === "STORM", "stormFrom", "NORMAL"),
      stormTo: of(kind === "STORM", "stormTo", "WARM"),
      period: of(kind === "PERIOD", "period", "DAY"),
      periodId: of(kind === "PERIOD", "periodId", 1),
      posting: of(kind === "POSTING", "posting", "FUNDING"),
      asset: named(["RATE", "ACCOUNT", "POSTING"].includes(kind)),
      quoteAsset: named(kind === "RATE"),
      instrumentIds: marks ? [1, 0xffff_ffff] : [],
      pxTicks: marks ? [-7, SAFE] : [],
    };
  },
  report: (m) =>
    ["FILL", "BUST"].includes(String(m["kind"])) ? { ...m, side: m["side"] ?? "BUY" } : m,
  streamGap: (m) => {
    const [first, last] = [Number(m["firstSeq"]), Number(m["lastSeq"])];
    return { ...m, firstSeq: Math.min(first, last), lastSeq: Math.max(first, last) };
  },
};

/** Bits that have a meaning, and one answer about the last price. */
function excluded(drawn: unknown): number {
  const bits = Number(drawn) & 0b1111;
  return (bits & 0b1001) === 0b1001 ? bits & 0b0111 : bits;
}

function orderTerms(m: Draw): Draw {
  const market = m["orderType"] === "MARKET";
  const tif = m["tif"] ?? "GTC";
  return {
    ...m,
    side: m["side"] ?? "SELL",
    orderType: m["orderType"] ?? "LIMIT",
    tif: market && tif === "POST_ONLY" ? "IOC" : tif,
    pxTicks: market ? 0 : m["pxTicks"],
  };
}

function record(fields: Readonly<Record<string, Field<never>>>): fc.Arbitrary<Draw> {
  const arbs: Record<string, Arb> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (name === "clientOrderId") arbs[name] = orderId;
    else if (/E8$/.test(name)) arbs[name] = signedMoney;
    else if (name === "schemaVersion") arbs[name] = fc.constant(1);
    else arbs[name] = ofKind(field.kind);
  }
  return fc.record(arbs);
}

function payload(kind: PayloadKind): Arb {
  const drawn = record(PAYLOAD_FIELDS[kind]).map(rules[kind] ?? ((m: Draw) => m));
  if (kind !== "bookDepth") return drawn;
  return fc.tuple(drawn, side(-1), side(1)).map(([m, bid, ask]) => ({
    ...m,
    bidPxDeltaTicks: bid.deltas,
    bidQtyLots: bid.qtys,
    askPxDeltaTicks: ask.deltas,
    askQtyLots: ask.qtys,
  }));
}

/** Any valid envelope with a payload of `kind`. */
export function envelopeOf(kind: PayloadKind): fc.Arbitrary<Envelope> {
  return fc
    .tuple(record(HEAD_FIELDS), payload(kind))
    .map(([head, value]) => ({ ...head, payload: { kind, value } }) as unknown as Envelope);
}

/** Any valid envelope. */
export const anyEnvelope: fc.Arbitrary<Envelope> = fc.oneof(...PAYLOAD_KINDS.map(envelopeOf));
