import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LinkServer, StreamPublisher } from "@tidegate/bus";
import { decodeEnvelope, type Envelope, encodeEnvelope, mdTopic } from "@tidegate/contracts";
import { afterEach, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tidegate-wire-"));
let child: ChildProcess | null = null;

afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const head = {
  schemaVersion: 1,
  traceHi: 0n,
  traceLo: 0n,
  spanId: 0n,
  tsEventNs: 1n,
  tsRecvNs: 2n,
  logSeq: 0,
} as never as Omit<Envelope, "source" | "payload">;

it("[B003] zeromq.js and the Rust libzmq speak the same frames: stream there, intent back, reply there", async () => {
  const mdUrl = `ipc://${folder}/s/md.sock`;
  const intentUrl = `ipc://${folder}/s/intent.sock`;
  const topic = mdTopic({ venueId: 1, instrumentId: 1, kind: "top" });
  const intents: Envelope[] = [];
  await using publisher = await StreamPublisher.listen({ url: mdUrl, epoch: 1 });
  await using server = await LinkServer.listen({
    url: intentUrl,
    link: "intent",
    epoch: 1,
    onData: (identity, { seq, payload }) => {
      server.ack(identity, seq);
      const decoded = decodeEnvelope(payload);
      if (!decoded.ok || decoded.envelope.payload.kind !== "intent") throw new Error("no intent");
      intents.push(decoded.envelope);
      const { intentId } = decoded.envelope.payload.value;
      const value = {
        intentId,
        decision: "REFUSED",
        reason: "HALT",
        clientOrderId: "",
        repeated: false,
        referencePxTicks: 0,
        referenceTsNs: 0n,
      };
      const reply = { ...head, source: "GATEWAY", payload: { kind: "intentReply", value } };
      server.send(identity, encodeEnvelope(reply as Envelope));
    },
    onEvent: () => undefined,
  });

  const facts: Readonly<Record<string, unknown>>[] = [];
  child = fork(new URL("./fixtures/bus/rust-lane.ts", import.meta.url), [mdUrl, intentUrl, topic], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  child.on("message", (fact) => void facts.push(fact as Readonly<Record<string, unknown>>));
  const value = {
    instrumentId: 1,
    venueId: 1,
    bidPxTicks: 6_180_010,
    bidQtyLots: 7,
    askPxTicks: 6_180_020,
    askQtyLots: 9,
    venueSeq: 1,
    tsVenueNs: 1n,
    tsRecvNs: 2n,
    state: "VALID",
    featureSetHash: 0,
    features: [],
    featureFlags: 0,
    tickMonoNs: process.hrtime.bigint(),
    instrumentTableVersion: 1,
  };
  const top = { ...head, source: "MARKET_DATA", payload: { kind: "bookTop", value } };
  const bytes = encodeEnvelope(top as unknown as Envelope);
  while (!facts.some((fact) => "reply" in fact)) {
    publisher.publish(topic, bytes);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  expect(server.identities).toEqual(["strategy:1"]);
  expect(intents).toHaveLength(1);
  expect(intents[0]?.payload).toMatchObject({
    kind: "intent",
    value: {
      intentId: (1n << 96n) | (7n << 64n) | 1n,
      kind: "NEW",
      side: "BUY",
      pxTicks: 6_180_010,
      qtyLots: 7,
    },
  });
  expect(facts.find((fact) => "reply" in fact)).toEqual({ reply: { seq: 1, decision: 2 } });
  expect(server.statsOf("strategy:1")).toMatchObject({ delivered: 1, badFrames: 0, gaps: 0 });

  child.send({ do: "close" });
  await once(child, "exit");
});
