/**
 * A letter's order once more: as an intent to the gateway, with every check a new order gets.
 *
 * It cannot double. The intent's id is written down before anything is sent, in a file that can be made only once; whoever
 * replays the letter again, at the same time or after a crash, sends the same intent, and the gateway answers one it knows
 * with its first answer.
 */

import { hostClock, LinkClient } from "@tidegate/bus";
import {
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  type IntentReply,
} from "@tidegate/contracts";
import { UsageError } from "../sim/options.ts";
import { type Act, decide, type Letter } from "./letters.ts";

const ANSWER_MS_MAX = 10_000;

export interface ReplayOptions {
  readonly runDir: string;
  readonly intentUrl: string;
  /** The strategy whose limits it counts against; no running strategy's own. */
  readonly strategy: number;
  readonly tableVersion: number;
  readonly by: string;
  readonly why: string;
  readonly nowMs: () => number;
}

/** What can be sent again at all. */
export function replayable({ n, kind, command, act }: Letter): void {
  if (act?.act === "dropped")
    throw new UsageError(`letter ${n} was dropped by ${act.by}: ${act.why}`);
  if (kind !== "NEW")
    throw new UsageError(
      `letter ${n} is a ${kind}: what it was about may be another by now; decide anew and send that`,
    );
  if (command.side === null)
    throw new UsageError(`letter ${n} names no side: it was no whole order`);
}

/** The intent of a replay: of the strategy, made once. */
export function intentOf(strategy: number, nowMs: number, n: number): bigint {
  return (BigInt(strategy) << 96n) | (BigInt(Math.floor(nowMs / 1_000)) << 64n) | BigInt(n);
}

export interface Replayed {
  readonly act: Act;
  readonly reply: IntentReply;
}

/** Sends a letter's order again. Errors: `UsageError` for what cannot be, or another's decision; no answer in time. */
export async function replay(letter: Letter, options: ReplayOptions): Promise<Replayed> {
  replayable(letter);
  const { runDir, strategy, by, why, nowMs } = options;
  const made = intentOf(strategy, nowMs(), letter.n).toString(16).padStart(32, "0");
  const wanted: Act = {
    ...{ act: "replayed", n: letter.n, id: letter.id, by, tsMs: nowMs(), why },
    intent: made,
  };
  const act = decide(runDir, wanted);
  if (act.act !== "replayed" || act.intent === undefined)
    throw new UsageError(`letter ${letter.n} was ${act.act} by ${act.by}: ${act.why}`);
  const intent = BigInt(`0x${act.intent}`);
  if (Number(intent >> 96n) !== strategy)
    throw new UsageError(
      `letter ${letter.n} was replayed by ${act.by} as strategy ${intent >> 96n}: an order is sent once; name that strategy to ask again`,
    );
  const reply = await send(letter, intent, options);
  return { act, reply };
}

async function send(letter: Letter, intent: bigint, options: ReplayOptions): Promise<IntentReply> {
  let told: ((reply: IntentReply) => void) | null = null;
  const answered = new Promise<IntentReply>((resolve) => {
    told = resolve;
  });
  await using client = await LinkClient.connect({
    url: options.intentUrl,
    link: "intent",
    identity: `strategy:${options.strategy}`,
    // Higher at each start, as a session's number must be.
    epoch: Math.floor(options.nowMs() / 1_000),
    onData: ({ seq, payload }) => {
      const decoded = decodeEnvelope(payload);
      if (decoded.ok && decoded.envelope.payload.kind === "intentReply") {
        const reply = decoded.envelope.payload.value;
        if ((reply.intentId as unknown as bigint) === intent) told?.(reply);
      }
      client.ack(seq);
    },
    onEvent: () => undefined,
  });
  const end = performance.now() + ANSWER_MS_MAX;
  const bytes = encodeEnvelope(envelopeOf(letter, intent, options));
  let sent = false;
  while (performance.now() < end) {
    sent ||= client.state === "SYNCED" && client.send(bytes).ok;
    const reply = await Promise.race([
      answered,
      new Promise<null>((resolve) => setTimeout(resolve, 20, null)),
    ]);
    if (reply !== null) return reply;
  }
  throw new UsageError(
    `the gateway did not answer within ${ANSWER_MS_MAX} ms (${sent ? "asked" : `link ${client.state}`}); replay again: it is the same intent`,
  );
}

function envelopeOf(letter: Letter, intentId: bigint, options: ReplayOptions): Envelope {
  const { instrumentId, accountId, side, orderType, tif, pxTicks, qtyLots } = letter.command;
  const now = BigInt(Math.floor(options.nowMs())) * 1_000_000n;
  const value = {
    ...{ intentId, kind: "NEW", instrumentId, accountId, side, orderType, tif, pxTicks, qtyLots },
    ...{ targetIntentId: null, ttlNs: 0n, tickMonoNs: 0n, intentMonoNs: hostClock() },
    instrumentTableVersion: options.tableVersion,
  };
  return {
    ...{ schemaVersion: 1, source: "STRATEGY_RUNNER", traceHi: 0n, traceLo: 0n, spanId: 0n },
    ...{ tsEventNs: now, tsRecvNs: now, logSeq: 0, payload: { kind: "intent", value } },
  } as unknown as Envelope;
}
