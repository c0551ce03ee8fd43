/**
 * A made-up day that follows from a seed: a market that walks, and orders that live every kind of life on it. For proofs that
 * need more records than a short run gives, and for tests that need to know the answer.
 */

import { createHash } from "node:crypto";
import type {
  BareOf,
  CommandKind,
  Envelope,
  OrderState,
  Payload,
  PayloadKind,
  Reason,
  ReportKind,
} from "@tidegate/contracts";
import type { RecordRow } from "./tables.ts";

export const JOURNAL_STREAM = "gateway.journal";

export interface FlowRecord {
  readonly stream: string;
  readonly envelope: Envelope;
}

export interface FlowOptions {
  readonly seed: number;
  readonly orders: number;
  /** Tops of book between two orders; each third is followed by a trade. */
  readonly marketPerOrder: number;
  /** ns since the Unix epoch. */
  readonly startNs: bigint;
  /** Between two orders. */
  readonly stepNs: bigint;
}

/** How an order ends; the kind of life follows from its number alone. */
export type Life = "filled" | "filled in two" | "cancelled" | "refused" | "rejected";
const LIVES: readonly Life[] = [
  "filled",
  "filled in two",
  "cancelled",
  "refused",
  "filled",
  "rejected",
  "filled",
];
const REFUSALS = ["PRICE_OUTSIDE_COLLAR", "EXPOSURE_SYMBOL_LIMIT", "MESSAGE_RATE"] as const;

const INSTRUMENT = { instrumentId: 1, venueId: 1 };
const ACCOUNT = 1;
const STRATEGY = 1;
const TICK0 = 6_180_000;
const MONO0 = 15_000_000_000_000n;

/** Kind of life of the order with this number, from 0. */
export function lifeOf(order: number): Life {
  return LIVES[order % LIVES.length] as Life;
}

/** Intent id of the order with this number: never 0, and beyond 64 bits as real ones are. */
export function intentIdOf(order: number): bigint {
  return (BigInt(STRATEGY) << 96n) | BigInt(order + 1);
}

/** Every record of the day in the order in which it happened. */
export function* orderFlow(options: FlowOptions): Generator<FlowRecord> {
  let state = options.seed >>> 0;
  const random = (below: number): number => {
    // Mulberry32: 32 bits of state are enough for prices and sizes.
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
  let [logSeq, venueSeq, tradeId, commandSeq, reportSeq, execId] = [0, 0, 0, 0, 0, 0];
  let [bid, position, openCost] = [TICK0, 0, 0n];
  for (let order = 0; order < options.orders; order += 1) {
    const startNs = options.startNs + BigInt(order) * options.stepNs;
    let afterNs = 0n;
    const now = (): bigint => startNs + afterNs;
    const mono = (): bigint => MONO0 + now() - options.startNs;
    const trace = createHash("sha256").update(`${options.seed}/${order}`).digest();
    const make = (source: Envelope["source"], journal: boolean, payload: Payload): Envelope => {
      if (journal) logSeq += 1;
      return {
        schemaVersion: 1,
        source,
        traceHi: trace.readBigUInt64LE(0),
        traceLo: trace.readBigUInt64LE(8),
        spanId: trace.readBigUInt64LE(16),
        tsEventNs: now() as Envelope["tsEventNs"],
        tsRecvNs: now() as Envelope["tsRecvNs"],
        logSeq: journal ? logSeq : 0,
        payload,
      };
    };
    const market = <K extends PayloadKind>(kind: K, value: BareOf<K>): FlowRecord => ({
      stream: kind === "trade" ? "md.1.1.trade." : "md.1.1.top.",
      envelope: make("MARKET_DATA", false, { kind, value } as unknown as Payload),
    });
    const journal = <K extends PayloadKind>(
      source: Envelope["source"],
      kind: K,
      value: BareOf<K>,
    ): FlowRecord => ({
      stream: JOURNAL_STREAM,
      envelope: make(source, true, { kind, value } as unknown as Payload),
    });

    for (let tick = 0; tick < options.marketPerOrder; tick += 1) {
      afterNs += options.stepNs / BigInt(4 * options.marketPerOrder);
      bid += random(5) - 2;
      venueSeq += 1;
      yield market("bookTop", {
        ...INSTRUMENT,
        bidPxTicks: bid,
        bidQtyLots: 1 + random(1_000),
        askPxTicks: bid + 1 + random(3),
        askQtyLots: 1 + random(1_000),
        venueSeq,
        tsVenueNs: now(),
        tsRecvNs: now(),
        state: "VALID",
        featureSetHash: 7,
        features: [bid * 2, 1, -random(1_000)],
        featureFlags: 0,
        tickMonoNs: mono(),
        instrumentTableVersion: 1,
      });
      if (tick % 3 !== 2) continue;
      tradeId += 1;
      yield market("trade", {
        ...INSTRUMENT,
        tradeId,
        pxTicks: bid + random(2),
        qtyLots: 1 + random(500),
        aggressor: random(2) === 0 ? "BUY" : "SELL",
        tsVenueNs: now(),
        tsRecvNs: now(),
        tickMonoNs: mono(),
        instrumentTableVersion: 1,
        excluded: 0,
      });
    }

    const life = lifeOf(order);
    const intentId = intentIdOf(order);
    const clientOrderId =
      life === "refused" ? "" : createHash("sha256").update(`o${order}`).digest("hex").slice(0, 25);
    const side = random(2) === 0 ? "BUY" : "SELL";
    const pxTicks = side === "BUY" ? bid : bid + 1;
    const qtyLots = 2 + 2 * random(50);
    const terms = { side, orderType: "LIMIT", tif: "GTC", pxTicks, qtyLots } as const;
    const tickMonoNs = mono();
    afterNs += 40_000n;
    const intentMonoNs = mono();
    yield journal("STRATEGY_RUNNER", "intent", {
      intentId,
      kind: "NEW",
      instrumentId: 1,
      accountId: ACCOUNT,
      ...terms,
      targetIntentId: null,
      ttlNs: 0n,
      tickMonoNs,
      intentMonoNs,
      instrumentTableVersion: 1,
    });
    const refused = life === "refused";
    yield journal("GATEWAY", "intentReply", {
      intentId,
      decision: refused ? "REFUSED" : "ACCEPTED",
      reason: refused ? (REFUSALS[random(REFUSALS.length)] as Reason) : "OK",
      clientOrderId,
      repeated: false,
      referencePxTicks: bid,
      referenceTsNs: now(),
      acceptedQtyLots: refused ? 0 : qtyLots,
    });
    if (refused) continue;

    let cum = 0;
    const update = (orderState: OrderState, reason: Reason = "OK"): FlowRecord => {
      const dead = orderState === "CANCELLED" || orderState === "REJECTED";
      return journal("GATEWAY", "orderUpdate", {
        intentId,
        clientOrderId,
        instrumentId: 1,
        side,
        state: orderState,
        pxTicks,
        qtyLots,
        cumQtyLots: cum,
        leavesQtyLots: dead ? 0 : qtyLots - cum,
        reason,
        tsVenueNs: orderState.startsWith("PENDING") ? 0n : now(),
        snapshot: false,
      });
    };
    const commandMonoNs = mono() + 20_000n;
    const command = (kind: CommandKind, generation: number): FlowRecord => {
      commandSeq += 1;
      return journal("GATEWAY", "command", {
        commandSeq,
        gatewayEpoch: 1,
        holder: 0xf000_0000_0000_0001n,
        kind,
        intentId,
        clientOrderId,
        generation,
        ...INSTRUMENT,
        accountId: ACCOUNT,
        ...terms,
        ttlNs: 0n,
        tickMonoNs,
        intentMonoNs,
        commandMonoNs,
        reportSeqSeen: reportSeq,
        approval: "",
        strategyVersion: 0n,
        traderId: 0,
        deskId: 0,
        clientId: 0,
      });
    };
    const report = (kind: ReportKind, more: Partial<BareOf<"report">> = {}): FlowRecord => {
      reportSeq += 1;
      return journal("EXECUTION_ROUTER", "report", {
        reportSeq,
        kind,
        intentId,
        clientOrderId,
        generation: 0,
        ...INSTRUMENT,
        venueOrderId: kind === "SENT" ? "" : `v${order}`,
        execId: "",
        side,
        lastPxTicks: 0,
        lastQtyLots: 0,
        cumQtyLots: cum,
        leavesQtyLots: qtyLots - cum,
        feeE8: 0n,
        feeAsset: "",
        maker: false,
        reason: "OK",
        venueText: "",
        tsVenueNs: kind === "SENT" ? 0n : now(),
        tsRecvNs: now(),
        gatewayEpoch: 0,
        holder: 0n,
        commandSeq,
        tickMonoNs: 0n,
        intentMonoNs: 0n,
        commandMonoNs: 0n,
        wireMonoNs: 0n,
        ...more,
      });
    };
    yield update("PENDING_NEW");
    yield command("NEW", 0);
    afterNs += 60_000n + BigInt(random(40_000));
    yield report("SENT", { tickMonoNs, intentMonoNs, commandMonoNs, wireMonoNs: mono() });
    afterNs += 2_000_000n;
    if (life === "rejected") {
      yield report("REJECT", { reason: "VENUE_REJECT", venueText: "margin\tis\\insufficient\n" });
      yield update("REJECTED", "VENUE_REJECT");
      continue;
    }
    yield report("ACK");
    yield update("LIVE");
    afterNs += options.stepNs / 8n;
    if (life === "cancelled") {
      yield update("PENDING_CANCEL");
      yield command("CANCEL", 0);
      yield report("CANCELLED");
      yield update("CANCELLED");
      continue;
    }
    for (const part of life === "filled" ? [qtyLots] : [qtyLots / 2, qtyLots / 2]) {
      afterNs += options.stepNs / 16n;
      cum += part;
      execId += 1;
      position += side === "BUY" ? part : -part;
      openCost += BigInt(pxTicks * part * (side === "BUY" ? 1 : -1));
      const feeE8 = BigInt(part * 3);
      const terms = { feeE8, feeAsset: "USDT", maker: true, execId: `x${execId}` };
      yield report("FILL", { lastPxTicks: pxTicks, lastQtyLots: part, ...terms });
      yield journal("GATEWAY", "fill", {
        intentId,
        clientOrderId,
        ...INSTRUMENT,
        side,
        pxTicks,
        qtyLots: part,
        ...terms,
        tsVenueNs: now(),
        positionLots: position,
      });
      yield journal("GATEWAY", "positionUpdate", {
        accountId: ACCOUNT,
        strategyId: STRATEGY,
        instrumentId: 1,
        positionLots: position,
        openCostE8: openCost,
        realisedE8: 0n,
        snapshot: false,
      });
      yield update(cum === qtyLots ? "FILLED" : "PARTIAL");
    }
  }
}

/** The day as rows, each in its place of a WAL that takes a record when it happens. */
export function* flowRows(options: FlowOptions): Generator<RecordRow> {
  const seqs = new Map<string, number>();
  let walSeq = 0;
  for (const { stream, envelope } of orderFlow(options)) {
    walSeq += 1;
    const seq = (seqs.get(stream) ?? 0) + 1;
    seqs.set(stream, seq);
    const payloadHash = createHash("sha256").update(`${options.seed}/${walSeq}`).digest();
    const place = { walSeq, stream, epoch: 1, seq, tsNs: envelope.tsRecvNs };
    yield { place: { ...place, payloadHash: payloadHash.readBigUInt64LE(0) }, envelope };
  }
}
