/** The pressure of the kill drill: a strategy that sends order upon order, and what the venue's own log says became of them. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hostClock, LinkClient } from "@tidegate/bus";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "@tidegate/contracts";

/** Open orders of the flow; past it the oldest are cancelled. */
const OPEN_MAX = 200;
const STRATEGY = 1n;
const USDM = 2;

interface Sent {
  readonly seq: number;
  /** Wall clock, ms. */
  readonly atMs: number;
}

/** A strategy that never stops asking, whatever it is answered. */
export class Flow implements AsyncDisposable {
  readonly #client: LinkClient;
  readonly #epoch: number;
  #seq = 0;
  #timer: NodeJS.Timeout | null = null;
  #pxTicks = 0;
  readonly #sent = new Map<bigint, Sent>();
  /** When the intent of each client order id was sent. */
  readonly sentMs = new Map<string, number>();
  readonly #open: bigint[] = [];
  /** Answers by reason. */
  readonly answers = new Map<string, number>();
  /** Intents handed to the link, with the time of each. */
  readonly handed: number[] = [];

  private constructor(client: LinkClient, epoch: number) {
    this.#client = client;
    this.#epoch = epoch;
  }

  static async connect(url: string, epoch: number): Promise<Flow> {
    let flow: Flow | null = null;
    const client = await LinkClient.connect({
      url,
      link: "intent",
      identity: `strategy:${STRATEGY}`,
      epoch,
      onData: ({ seq, payload }) => {
        flow?.take(payload);
        client.ack(seq);
      },
      onEvent: () => undefined,
    });
    flow = new Flow(client, epoch);
    return flow;
  }

  /** Where it bids; whole ticks. */
  price(pxTicks: number): void {
    this.#pxTicks = pxTicks;
  }

  get state(): string {
    return this.#client.state;
  }

  /** Presses at so many orders a second until it is stopped. */
  press(perS: number): void {
    const everyMs = 10;
    let owed = 0;
    this.#timer ??= setInterval(() => {
      owed += (perS * everyMs) / 1_000;
      for (; owed >= 1; owed -= 1) this.#new();
      while (this.#open.length > OPEN_MAX) this.#cancel(this.#open.shift() ?? 0n);
    }, everyMs);
  }

  rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Drops what is judged. Intents on their way keep their time. */
  forget(): void {
    this.handed.length = 0;
  }

  /** Intents handed over after a moment. */
  pressedSince(atMs: number): number {
    return this.handed.filter((each) => each > atMs).length;
  }

  take(payload: Uint8Array): void {
    const decoded = decodeEnvelope(payload);
    if (!decoded.ok || decoded.envelope.payload.kind !== "intentReply") return;
    const { intentId, reason, decision, clientOrderId } = decoded.envelope.payload.value;
    this.answers.set(reason, (this.answers.get(reason) ?? 0) + 1);
    const sent = this.#sent.get(intentId as unknown as bigint);
    if (sent === undefined || decision !== "ACCEPTED" || clientOrderId === "") return;
    this.sentMs.set(clientOrderId, sent.atMs);
    this.#open.push(intentId as unknown as bigint);
  }

  #id(): bigint {
    this.#seq += 1;
    return (STRATEGY << 96n) | (BigInt(this.#epoch) << 64n) | BigInt(this.#seq);
  }

  #new(): void {
    if (this.#pxTicks === 0) return;
    const id = this.#id();
    const terms = {
      kind: "NEW",
      instrumentId: USDM,
      accountId: 1,
      side: "BUY",
      orderType: "LIMIT",
      tif: "GTC",
      pxTicks: this.#pxTicks,
      qtyLots: 1,
      targetIntentId: null,
    };
    const atMs = Date.now();
    if (!this.#send(id, terms)) return;
    this.#sent.set(id, { seq: this.#seq, atMs });
    this.handed.push(atMs);
  }

  #cancel(target: bigint): void {
    const terms = {
      kind: "CANCEL",
      instrumentId: 0,
      accountId: 0,
      side: null,
      orderType: null,
      tif: null,
      pxTicks: 0,
      qtyLots: 0,
      targetIntentId: target,
    };
    this.#send(this.#id(), terms);
  }

  #send(intentId: bigint, terms: object): boolean {
    const now = BigInt(Date.now()) * 1_000_000n;
    const value = {
      ...terms,
      intentId,
      ttlNs: 0n,
      tickMonoNs: 0n,
      intentMonoNs: hostClock(),
      instrumentTableVersion: 1,
    };
    const envelope = {
      schemaVersion: 1,
      source: "STRATEGY_RUNNER",
      traceHi: 0n,
      traceLo: 0n,
      spanId: 0n,
      tsEventNs: now,
      tsRecvNs: now,
      logSeq: 0,
      payload: { kind: "intent", value },
    };
    return this.#client.send(encodeEnvelope(envelope as unknown as Envelope)).ok;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.rest();
    await this.#client[Symbol.asyncDispose]();
  }
}

/** One order as the venue's own log has it; times are the venue's, ms since the Unix epoch. */
export interface LoggedOrder {
  readonly id: string;
  readonly acceptedMs: number;
  /** The stamp its sender signed just before the bytes left. */
  readonly stampMs: number;
  readonly endedMs: number | null;
}

/** Reads the venue's log as it grows. */
export class VenueTail {
  readonly #path: string;
  #from = 0;
  #rest = Buffer.alloc(0);
  readonly orders = new Map<string, LoggedOrder>();
  readonly open = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Drops what has ended: it is judged. */
  forget(): void {
    for (const [id, { endedMs }] of this.orders) if (endedMs !== null) this.orders.delete(id);
  }

  /** Takes what is new. */
  read(): void {
    const fd = openSync(this.#path, "r");
    try {
      const size = fstatSync(fd).size;
      while (this.#from < size) {
        const chunk = Buffer.alloc(Math.min(4 << 20, size - this.#from));
        const bytes = readSync(fd, chunk, 0, chunk.length, this.#from);
        if (bytes === 0) break;
        this.#from += bytes;
        this.#take(chunk.subarray(0, bytes));
      }
    } finally {
      closeSync(fd);
    }
  }

  #take(chunk: Buffer): void {
    const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, from)) {
      this.#line(all.toString("utf8", from, end));
      from = end + 1;
    }
    this.#rest = Buffer.from(all.subarray(from));
  }

  #line(text: string): void {
    const line = JSON.parse(text) as {
      ts: number;
      k: string;
      stampMs?: number;
      order?: { clientOrderId: string; status: string };
    };
    if (line.order === undefined) return;
    const id = line.order.clientOrderId;
    if (line.k === "order") {
      const { ts: acceptedMs, stampMs = acceptedMs } = line;
      this.orders.set(id, { id, acceptedMs, stampMs, endedMs: null });
      this.open.add(id);
      return;
    }
    const known = this.orders.get(id);
    const ended = line.k === "end" || line.order.status === "FILLED";
    if (known === undefined || !ended) return;
    this.orders.set(id, { ...known, endedMs: line.ts });
    this.open.delete(id);
  }
}
