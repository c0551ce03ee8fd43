/** Follows the gateway's journal: every record once, in order, from the first. */

import { LinkClient } from "@tidegate/bus";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "@tidegate/contracts";

const TOPIC = "gateway.journal";

export interface Followed extends AsyncDisposable {
  /** The last record that was taken; 0 = none. */
  readonly seq: number;
  readonly state: string;
  /** When the gateway was last heard, if only by a heartbeat, ms of `performance.now()`; 0 = never. */
  readonly heardMs: number;
  /** Records that could not be read: what they said of our side is not known. */
  readonly unread: number;
}

/** Asks for the journal after what it has, at the start and whenever the link has begun anew. */
export async function follow(
  url: string,
  epoch: number,
  take: (record: Envelope) => void,
): Promise<Followed> {
  let [seq, unread] = [0, 0];
  let link: LinkClient | null = null;
  const ask = (): void => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const payload = { kind: "snapshotRequest", value: { topic: TOPIC, afterSeq: seq } };
    const envelope = {
      ...{ schemaVersion: 1, source: "MONITOR", traceHi: 0n, traceLo: 0n, spanId: 0n },
      ...{ tsEventNs: now, tsRecvNs: now, logSeq: 0, payload },
    };
    link?.send(encodeEnvelope(envelope as unknown as Envelope));
  };
  link = await LinkClient.connect({
    ...{ url, link: "tail", identity: "monitor", epoch },
    onData: (data) => {
      const decoded = decodeEnvelope(data.payload);
      link?.ack(data.seq);
      if (!decoded.ok) {
        unread += 1;
        return;
      }
      const { logSeq } = decoded.envelope;
      if (logSeq <= seq) return;
      // A hole: what is in it is asked for, and this record comes again behind it.
      if (logSeq !== seq + 1) {
        ask();
        return;
      }
      seq = logSeq;
      take(decoded.envelope);
    },
    onEvent: (event) => {
      if (event.type === "state" && event.to === "SYNCED") ask();
    },
  });
  const made = link;
  return {
    get seq() {
      return seq;
    },
    get state() {
      return made.state;
    },
    get heardMs() {
      return made.heardMs;
    },
    get unread() {
      return unread;
    },
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}
