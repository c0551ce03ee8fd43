/** A strategy's end of the intent link without a strategy behind it: one order at a time, by hand. */

import { hostClock, LinkClient } from "@tidegate/bus";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "@tidegate/contracts";

const STRATEGY = 1n;
const ANSWER_MS_MAX = 5_000;

/** What is ordered. */
export interface Wish {
  readonly instrumentId: number;
  readonly side: "BUY" | "SELL";
  readonly pxTicks: number;
  readonly qtyLots: number;
}

interface Answered {
  readonly decision: string;
  readonly reason: string;
  readonly clientOrderId: string;
}

export class Hand implements AsyncDisposable {
  readonly #client: LinkClient;
  readonly #epoch: number;
  #seq = 0;
  readonly #waiting = new Map<bigint, (answer: Answered) => void>();

  private constructor(client: LinkClient, epoch: number) {
    this.#client = client;
    this.#epoch = epoch;
  }

  static async connect(url: string, epoch: number): Promise<Hand> {
    let hand: Hand | null = null;
    const client = await LinkClient.connect({
      ...{ url, link: "intent", identity: `strategy:${STRATEGY}`, epoch },
      onData: ({ seq, payload }) => {
        hand?.take(payload);
        client.ack(seq);
      },
      onEvent: () => undefined,
    });
    hand = new Hand(client, epoch);
    return hand;
  }

  get state(): string {
    return this.#client.state;
  }

  /** Gives the client order id. Errors  a refusal, with its reason */
  async order({ instrumentId, side, pxTicks, qtyLots }: Wish): Promise<string> {
    const terms = { kind: "NEW", instrumentId, accountId: 1, side, orderType: "LIMIT" };
    const { decision, reason, clientOrderId } = await this.#ask({
      ...{ ...terms, tif: "GTC", pxTicks, qtyLots, targetIntentId: null },
    });
    if (decision !== "ACCEPTED") throw new Error(`the gateway refused an order: ${reason}`);
    return clientOrderId;
  }

  take(payload: Uint8Array): void {
    const decoded = decodeEnvelope(payload);
    if (!decoded.ok || decoded.envelope.payload.kind !== "intentReply") return;
    const { intentId, reason, decision, clientOrderId } = decoded.envelope.payload.value;
    this.#waiting.get(intentId as unknown as bigint)?.({ reason, decision, clientOrderId });
  }

  #ask(terms: object): Promise<Answered> {
    this.#seq += 1;
    const intentId = (STRATEGY << 96n) | (BigInt(this.#epoch) << 64n) | BigInt(this.#seq);
    const now = BigInt(Date.now()) * 1_000_000n;
    const value = {
      ...{ ...terms, intentId, ttlNs: 0n, tickMonoNs: 0n },
      ...{ intentMonoNs: hostClock(), instrumentTableVersion: 1 },
    };
    const envelope = {
      ...{ schemaVersion: 1, source: "STRATEGY_RUNNER", traceHi: 0n, traceLo: 0n, spanId: 0n },
      ...{ tsEventNs: now, tsRecvNs: now, logSeq: 0, payload: { kind: "intent", value } },
    };
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        this.#waiting.delete(intentId);
        reject(new Error(`the gateway did not answer within ${ANSWER_MS_MAX} ms`));
      }, ANSWER_MS_MAX);
      this.#waiting.set(intentId, (answer) => {
        clearTimeout(patience);
        this.#waiting.delete(intentId);
        resolve(answer);
      });
      if (!this.#client.send(encodeEnvelope(envelope as unknown as Envelope)).ok)
        reject(new Error("the intent link is full or not in step"));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}
