/** The gateway's end of the command link without a gateway behind it: what drives an execution-router by hand. */

import { hostClock, LinkClient } from "@tidegate/bus";
import { decodeEnvelope, type Envelope, encodeEnvelope, type Report } from "@tidegate/contracts";

/** Both ids of the n-th order of a run. */
export const orderIds = (n: number) => ({
  intentId: (1n << 96n) | (1n << 64n) | BigInt(n),
  clientOrderId: n.toString(32).padStart(25, "0"),
});

export class GatewayEnd implements AsyncDisposable {
  readonly #client: LinkClient;
  #commandSeq = 0;

  private constructor(client: LinkClient) {
    this.#client = client;
  }

  /** `onReport` is told each report once, in order. */
  static async connect(url: string, onReport: (report: Report) => void): Promise<GatewayEnd> {
    const client = await LinkClient.connect({
      ...{ url, link: "command", identity: "gateway", epoch: 1 },
      onData: ({ seq, payload }) => {
        const decoded = decodeEnvelope(payload);
        if (decoded.ok && decoded.envelope.payload.kind === "report")
          onReport(decoded.envelope.payload.value);
        client.ack(seq);
      },
      onEvent: () => undefined,
    });
    return new GatewayEnd(client);
  }

  get state(): string {
    return this.#client.state;
  }

  /** Asks for leadership at epoch 1. */
  grant(): boolean {
    return this.send({ kind: "GRANT", clientOrderId: "", instrumentId: 0, venueId: 0 });
  }

  /** Sends one command; what `over` leaves out is of instrument 1 at venue 1, or empty. False where the link is full. */
  send(over: Readonly<Record<string, unknown>>): boolean {
    this.#commandSeq += 1;
    const now = BigInt(Date.now()) * 1_000_000n;
    const value = {
      ...{ commandSeq: this.#commandSeq, gatewayEpoch: 1, holder: 9n, intentId: null },
      ...{ generation: 0, instrumentId: 1, venueId: 1, accountId: 0, side: null, orderType: null },
      ...{ tif: null, pxTicks: 0, qtyLots: 0, ttlNs: 0n, tickMonoNs: 0n, intentMonoNs: 0n },
      ...{ commandMonoNs: hostClock(), reportSeqSeen: 0, approval: "", strategyVersion: 0n },
      ...{ traderId: 0, deskId: 0, clientId: 0 },
      ...over,
    };
    const envelope = {
      ...{ schemaVersion: 1, source: "GATEWAY", traceHi: 0n, traceLo: 0n, spanId: 0n },
      ...{ tsEventNs: now, tsRecvNs: now, logSeq: 0, payload: { kind: "command", value } },
    };
    const { ok } = this.#client.send(encodeEnvelope(envelope as unknown as Envelope));
    if (!ok) this.#commandSeq -= 1;
    return ok;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}
