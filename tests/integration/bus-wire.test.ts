import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LinkClient, LinkServer, StreamPublisher, StreamSubscriber } from "@tidegate/bus";
import { decodeEnvelope, type Envelope, encodeEnvelope, mdTopic } from "@tidegate/contracts";
import { afterAll, afterEach, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tidegate-wire-"));
let child: ChildProcess | null = null;

afterEach(() => void child?.kill("SIGKILL"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
        acceptedQtyLots: 0,
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

it("[B003] and the other way round: a Rust publisher and link server with JavaScript ends", async () => {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  // As a part of all crates: by itself its dependencies have other features, and would be built once more.
  const all = ["--workspace", "--exclude", "tidegate-napi"];
  const args = ["build", "--quiet", "--locked", ...all, "--example", "ends"];
  execFileSync("cargo", args, { cwd: root });
  const mdUrl = `ipc://${folder}/r/md.sock`;
  const linkUrl = `ipc://${folder}/r/intent.sock`;
  const topic = mdTopic({ venueId: 1, instrumentId: 1, kind: "top" });
  child = spawn(join(root, "target/debug/examples/ends"), [mdUrl, linkUrl, topic], {
    stdio: ["pipe", "inherit", "inherit"],
  });

  const published: string[] = [];
  const stream: string[] = [];
  await using subscriber = await StreamSubscriber.connect({
    url: mdUrl,
    prefixes: [topic],
    onData: (_, { seq, payload }) => void published.push(`${seq} ${payload}`),
    onEvent: (_, { type }) => void stream.push(type),
  });
  const back: number[] = [];
  await using client = await LinkClient.connect({
    url: linkUrl,
    link: "intent",
    identity: "strategy:1",
    epoch: 1,
    onData: ({ seq, payload }) => {
      client.ack(seq);
      back.push(payload.readUInt32LE());
    },
    onEvent: () => undefined,
  });
  const total = 2_000;
  for (let sent = 0; back.length < total; ) {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(sent);
    if (sent < total && client.send(payload).ok) sent += 1;
    else await new Promise((resolve) => setImmediate(resolve));
  }
  expect(back).toEqual(Array.from({ length: total }, (_, n) => n));
  while (client.stats().acked < total) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(client.stats()).toMatchObject({ peerEpoch: 3, badFrames: 0, frameFaults: { BAD_CRC: 0 } });

  child.stdin?.end(); // the Rust ends say BYE
  while (!stream.includes("closed")) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(stream).toEqual(["opened", "closed"]);
  expect(published.length).toBeGreaterThan(0);
  for (const line of published) expect(line).toMatch(/^(\d+) \1$/);
  expect(subscriber.stats().get(topic)).toMatchObject({ missing: 0, epoch: 3, state: "CLOSED" });
}, 300_000);
