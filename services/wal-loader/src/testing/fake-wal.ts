import { type Envelope, encodeEnvelope } from "@tidegate/contracts";
import type { Position, WalBlock, WalReader, WalRecord } from "../core.ts";

const T0 = 1_723_161_256_000_000_000n;

/** An envelope whose content follows from its place alone: a trade, or a gap at each seventh. */
function envelope(walSeq: number): Envelope {
  const head = {
    schemaVersion: 1,
    source: "MARKET_DATA",
    traceHi: 0n,
    traceLo: 0n,
    spanId: 0n,
    tsEventNs: T0 + BigInt(walSeq),
    tsRecvNs: T0 + BigInt(walSeq) + 1n,
    logSeq: 0,
  };
  const trade = {
    instrumentId: 1,
    venueId: 1,
    tradeId: walSeq,
    pxTicks: 6_180_000 + walSeq,
    qtyLots: 10 + walSeq,
    aggressor: walSeq % 2 === 0 ? "BUY" : "SELL",
    tsVenueNs: T0,
    tsRecvNs: T0,
    tickMonoNs: 5n,
    instrumentTableVersion: 1,
    // Not 0: beside the version before it, that would read as another row's place in the WAL.
    excluded: 14,
  };
  const gap = { stream: "md.1.1.trade.", epoch: 1, firstSeq: walSeq, lastSeq: walSeq, tsNs: T0 };
  const payload =
    walSeq % 7 === 0 ? { kind: "streamGap", value: gap } : { kind: "trade", value: trade };
  return { ...head, payload } as unknown as Envelope;
}

/** A record at one place of the WAL; each thirteenth holds bytes that are no envelope. */
export function record(walSeq: number): WalRecord {
  const bad = walSeq % 13 === 0;
  return {
    walSeq,
    stream: walSeq % 3 === 0 ? "gateway.journal" : "md.1.1.trade.",
    epoch: 1,
    seq: walSeq,
    tsNs: T0 + BigInt(walSeq),
    payload: bad ? Buffer.from([0xff, walSeq & 0xff]) : encodeEnvelope(envelope(walSeq)),
  };
}

/** A WAL of `segments` sealed segments, `blocks` each of `records` records; what is visible of it can grow. */
export class FakeWal implements WalReader {
  readonly blocks: readonly (readonly WalBlock[])[];
  /** Blocks a reader sees, over all segments. */
  visible: number;

  constructor(segments: number, blocks: number, records: number) {
    let walSeq = 0;
    this.blocks = Array.from({ length: segments }, (_s, s) =>
      Array.from({ length: blocks }, (_b, block) => ({
        segment: s + 1,
        block,
        crc: s * 1_000 + block,
        records: Array.from({ length: records }, () => {
          walSeq += 1;
          return record(walSeq);
        }),
      })),
    );
    this.visible = segments * blocks;
  }

  first(): number | null {
    return this.visible === 0 ? null : 1;
  }

  read({ segment, offset }: Position): ReturnType<WalReader["read"]> {
    const own = this.blocks[segment - 1];
    const before = this.blocks.slice(0, segment - 1).reduce((sum, each) => sum + each.length, 0);
    if (own === undefined || before + offset >= this.visible + (offset === own.length ? 1 : 0))
      return null;
    const block = own[offset];
    return block === undefined ? "end" : { block, next: { segment, offset: offset + 1 } };
  }

  get records(): WalRecord[] {
    return this.blocks.flat().flatMap(({ records }) => records);
  }
}
