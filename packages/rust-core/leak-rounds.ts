/** Run by leak.test.ts with `--expose-gc`: prints the memory in use after each round of calls into every module, in bytes. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import {
  clientOrderId,
  envelopeCheck,
  FrameType,
  frameDecode,
  frameEncode,
  linkId,
  openLinkCore,
  openPublisherCore,
  openSubscriberCore,
  SimMarket,
} from "./index.ts";

const [rounds = 8, calls = 4_000, keep = "none"] = process.argv.slice(2);
const sample = gunzipSync(
  readFileSync(
    fileURLToPath(new URL("../../data/samples/binance-spot-btcusdt.jsonl.gz", import.meta.url)),
  ),
)
  .toString("utf8")
  .split("\n", 400)
  .map((line) => Buffer.from(line.slice(line.indexOf(" ") + 1)));
const config = JSON.stringify({
  symbol: "BTCUSDT",
  market: "spot",
  pxScale: 2,
  pxUnit: 1,
  qtyScale: 5,
  qtyUnit: 1,
  pxTextScale: 8,
  qtyTextScale: 8,
  e8PerTickLot: 10,
  baseE8PerLot: 1000,
  baseAsset: "BTC",
  quoteAsset: "USDT",
  makerFeeE8: "10000",
  takerFeeE8: "10000",
  balances: { baseE8: "100000000", quoteE8: "100000000000000" },
});
const kept: unknown[] = [];

function round(): void {
  const link = openLinkCore({ name: "intent/strategy:1", epoch: 1, window: 64, resume: null });
  const peer = openLinkCore({ name: "intent/strategy:1", epoch: 1, window: 64, resume: null });
  const publisher = openPublisherCore("md.1.1.top.", 1);
  const subscriber = openSubscriberCore("md.1.1.top.");
  const market = new SimMarket(config);
  for (let n = 0; n < Number(calls); n += 1) {
    const now = BigInt(n) * 20_000_000n;
    link.send(now, Buffer.alloc(300, n));
    for (const frame of link.poll(now, 64)) {
      const data = peer.onFrame(now, frame);
      if (data !== null) peer.ack(data.seq);
    }
    for (const frame of peer.poll(now, 64)) link.onFrame(now, frame);
    const published = publisher.data(now, Buffer.alloc(300, n));
    if (typeof published !== "string") subscriber.onFrame(now, published);
    const frame = frameEncode({
      kind: FrameType.DATA,
      linkId: linkId("intent/strategy:1"),
      epoch: 1,
      seq: n + 1,
      monoNs: now,
      payload: Buffer.alloc(100, n),
    });
    frameDecode(frame);
    envelopeCheck(frame);
    clientOrderId(BigInt(n), 0, 0);
    const line = sample[n % sample.length];
    if (line !== undefined) market.onMarket(line, n);
    market.drainEvents();
    market.state();
    if (keep === "frames") kept.push(frame, published, link.stats());
  }
  link.stats();
  subscriber.stats();
}

const used: number[] = [];
for (let n = 0; n < Number(rounds); n += 1) {
  round();
  for (let sweep = 0; sweep < 3; sweep += 1) {
    globalThis.gc?.();
    await new Promise((done) => setImmediate(done));
  }
  used.push(process.memoryUsage().rss);
}
process.stdout.write(`${JSON.stringify({ used, kept: kept.length })}\n`);
