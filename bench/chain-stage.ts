// One process of the chain: `chain-stage.ts <role> <socket folder> <messages>`. The real messages of the order path over
// the real bus, with nothing decided in between: what remains is what the hops cost.
import {
  LinkClient,
  LinkServer,
  StreamPublisher,
  StreamSubscriber,
} from "../packages/bus/src/index.ts";
import {
  type BareOf,
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  type PayloadKind,
  type PayloadOf,
} from "../packages/contracts/src/index.ts";

const [role = "", folder = "", count = "0"] = process.argv.slice(2);
const messages = Number(count);
const TOPIC = "md.1.1.top.";
const md = `ipc://${folder}/md.sock`;
const intentUrl = `ipc://${folder}/intent.sock`;
const commandUrl = `ipc://${folder}/command.sock`;
/** Between two ticks: 1,000 a second, so that every hop is idle when a message arrives. */
const TICK_MS = 1;

const now = (): bigint => process.hrtime.bigint();
const tell = (fact: object): void => void process.send?.(fact);
const nothing = (): void => undefined;

function envelope<K extends PayloadKind>(
  source: Envelope["source"],
  payload: { readonly kind: K; readonly value: BareOf<K> },
): Uint8Array {
  const head = { traceHi: 0n, traceLo: 0n, spanId: 0n, tsEventNs: 0n, tsRecvNs: 0n, logSeq: 0 };
  return encodeEnvelope({ schemaVersion: 1, source, ...head, payload } as unknown as Envelope);
}

function open<K extends PayloadKind>(bytes: Buffer, kind: K): PayloadOf<K> {
  const decoded = decodeEnvelope(bytes);
  if (!decoded.ok) throw new Error(`refused: ${decoded.refusal.code} ${decoded.refusal.field}`);
  const { payload } = decoded.envelope;
  if (payload.kind !== kind) throw new Error(`${payload.kind}: want ${kind}`);
  return payload.value as PayloadOf<K>;
}

async function source(): Promise<void> {
  const publisher = await StreamPublisher.listen({ url: md, epoch: 1 });
  publisher.announce(TOPIC);
  process.on("message", () => {
    let sent = 0;
    const timer = setInterval(() => {
      sent += 1;
      const value = {
        instrumentId: 1,
        venueId: 1,
        bidPxTicks: 6_180_010,
        bidQtyLots: 7,
        askPxTicks: 6_180_020,
        askQtyLots: 9,
        venueSeq: sent,
        tsVenueNs: 1n,
        tsRecvNs: 2n,
        state: "VALID",
        featureSetHash: 0,
        features: [],
        featureFlags: 0,
        tickMonoNs: now(),
        instrumentTableVersion: 1,
      } as const;
      publisher.publish(TOPIC, envelope("MARKET_DATA", { kind: "bookTop", value }));
      if (sent === messages) clearInterval(timer);
    }, TICK_MS);
  });
  tell({ ready: true });
}

async function strategy(): Promise<void> {
  const link = await LinkClient.connect({
    url: intentUrl,
    link: "intent",
    identity: "strategy:1",
    epoch: 1,
    onData: nothing,
    onEvent: (event) => event.type === "state" && event.to === "SYNCED" && synced(),
  });
  let waiting = 2;
  const synced = (): void => {
    waiting -= 1;
    if (waiting === 0) tell({ ready: true });
  };
  await StreamSubscriber.connect({
    url: md,
    prefixes: [TOPIC],
    onEvent: (_, event) => {
      if (event.type === "opened") synced();
      if (event.type === "gap")
        throw new Error(`ticks ${event.first} to ${event.last} are missing`);
    },
    onData: (_, { payload }) => {
      const top = open(payload, "bookTop");
      const value = {
        intentId: (1n << 96n) | BigInt(top.venueSeq),
        kind: "NEW",
        instrumentId: top.instrumentId,
        accountId: 1,
        side: "BUY",
        orderType: "LIMIT",
        tif: "GTC",
        pxTicks: top.bidPxTicks,
        qtyLots: top.bidQtyLots,
        targetIntentId: null,
        ttlNs: 0n,
        tickMonoNs: top.tickMonoNs,
        intentMonoNs: now(),
        instrumentTableVersion: 1,
      } as const;
      const outcome = link.send(envelope("STRATEGY_RUNNER", { kind: "intent", value }));
      if (!outcome.ok) throw new Error(`intent refused: ${outcome.refusal}`);
    },
  });
}

async function gateway(): Promise<void> {
  const down = await LinkClient.connect({
    url: commandUrl,
    link: "command",
    identity: "gateway",
    epoch: 1,
    onData: nothing,
    onEvent: (event) => event.type === "state" && event.to === "SYNCED" && tell({ ready: true }),
  });
  const up = await LinkServer.listen({
    url: intentUrl,
    link: "intent",
    epoch: 1,
    onEvent: nothing,
    onData: (identity, { seq, payload }) => {
      const intent = open(payload, "intent");
      up.ack(identity, seq);
      const value = {
        commandSeq: Number(BigInt.asUintN(64, intent.intentId)),
        gatewayEpoch: 1,
        holder: 1n,
        kind: "NEW",
        intentId: intent.intentId,
        clientOrderId: "0123456789abcdefghijklmno",
        generation: 0,
        instrumentId: intent.instrumentId,
        venueId: 1,
        accountId: intent.accountId,
        side: intent.side,
        orderType: intent.orderType,
        tif: intent.tif,
        pxTicks: intent.pxTicks,
        qtyLots: intent.qtyLots,
        ttlNs: 0n,
        tickMonoNs: intent.tickMonoNs,
        intentMonoNs: intent.intentMonoNs,
        commandMonoNs: now(),
        reportSeqSeen: 0,
        approval: "",
        strategyVersion: 0n,
        traderId: 0,
        deskId: 0,
        clientId: 0,
      } as const;
      const outcome = down.send(envelope("GATEWAY", { kind: "command", value }));
      if (!outcome.ok) throw new Error(`command refused: ${outcome.refusal}`);
    },
  });
}

async function router(): Promise<void> {
  const hops: number[][] = [];
  const server = await LinkServer.listen({
    url: commandUrl,
    link: "command",
    epoch: 1,
    onEvent: nothing,
    onData: (identity, { seq, payload }) => {
      const at = now();
      const command = open(payload, "command");
      server.ack(identity, seq);
      if (command.commandSeq !== hops.length + 1)
        throw new Error(`command ${command.commandSeq}: out of order`);
      const { tickMonoNs: tick, intentMonoNs: intent, commandMonoNs: sent } = command;
      hops.push([intent - tick, sent - intent, at - sent, at - tick].map(Number));
      if (hops.length === messages) tell({ hops });
    },
  });
  tell({ ready: true });
}

const roles: Readonly<Record<string, () => Promise<void>>> = { source, strategy, gateway, router };
const run = roles[role];
if (run === undefined) throw new Error(`role ${role}: want ${Object.keys(roles).join(", ")}`);
process.on("disconnect", () => process.exit(0));
await run();
