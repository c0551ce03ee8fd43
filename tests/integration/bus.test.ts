import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BusError,
  LinkClient,
  LinkServer,
  type StreamEvent,
  StreamPublisher,
  StreamSubscriber,
} from "@tidegate/bus";
import { frameEncode, linkId, openPublisherCore } from "@tidegate/rust-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Dealer, Publisher } from "zeromq";

const TOPIC = "md.1.1.top.";
let folder = "";
let url = "";
const children = new Set<ChildProcess>();
const open: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tidegate-bus-"));
  url = `ipc://${folder}/s/a.sock`;
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  for (const end of open.splice(0).toReversed()) await end[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Fact = Readonly<Record<string, unknown>>;

/** A fixture process whose facts a test waits for. */
class Child {
  readonly process: ChildProcess;
  readonly facts: Fact[] = [];
  #wake: () => void = () => undefined;

  constructor(script: string, args: readonly (string | number)[], uid?: number) {
    const path = new URL(`./fixtures/bus/${script}.ts`, import.meta.url);
    const options = { execArgv: ["--disable-warning=ExperimentalWarning"] };
    this.process = fork(path, args.map(String), uid === undefined ? options : { ...options, uid });
    children.add(this.process);
    this.process.on("message", (fact) => {
      this.facts.push(fact as Fact);
      this.#wake();
    });
  }

  do(command: Fact): void {
    this.process.send(command as never);
  }

  /** The first fact from `from` on that fits. */
  async fact(fits: (fact: Fact) => boolean, from = 0): Promise<Fact> {
    for (;;) {
      const found = this.facts.slice(from).find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  ready(): Promise<Fact> {
    return this.fact((fact) => fact["ready"] === true);
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
    children.delete(this.process);
  }
}

/** Waits until something holds; the test's own timeout is the bound. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function kept<T extends AsyncDisposable>(end: T): T {
  open.push(end);
  return end;
}

interface Heard {
  readonly end: StreamSubscriber;
  readonly seqs: number[];
  readonly events: StreamEvent[];
}

async function hear(options: { readonly uids?: readonly number[] } = {}): Promise<Heard> {
  const seqs: number[] = [];
  const events: StreamEvent[] = [];
  const end = await StreamSubscriber.connect({
    url,
    prefixes: [TOPIC],
    onData: (_, { seq }) => void seqs.push(seq),
    onEvent: (_, event) => void events.push(event),
    ...(options.uids === undefined ? {} : { allow: { mechanism: "ipc", uids: options.uids } }),
  });
  return { end: kept(end), seqs, events };
}

function eventsOf<T extends StreamEvent["type"]>(
  heard: Heard,
  type: T,
): readonly Extract<StreamEvent, { type: T }>[] {
  return heard.events.filter(
    (event): event is Extract<StreamEvent, { type: T }> => event.type === type,
  );
}

describe("streams between processes", () => {
  it("[A10] [B005] a stalled subscriber loses what overflows its queue and counts it exactly", async () => {
    const publisher = new Child("publisher", [url, TOPIC, 1, 16]);
    await publisher.ready();
    const subscriber = new Child("subscriber", [url, TOPIC, 16]);
    await subscriber.fact((fact) => fact["opened"] === 1);

    subscriber.process.kill("SIGSTOP");
    publisher.do({ do: "publish", count: 5_000, bytes: 4_096 });
    await publisher.fact((fact) => fact["published"] === 5_000);
    subscriber.process.kill("SIGCONT");

    // The heartbeat tells the last sequence, so that the loss shows even where nothing follows it.
    let counted: Fact = {};
    for (let total = 0; total < 5_000; ) {
      const from = subscriber.facts.length;
      subscriber.do({ do: "count" });
      counted = await subscriber.fact((fact) => "received" in fact, from);
      total = Number(counted["received"]) + Number(counted["missing"]);
    }
    expect(Number(counted["missing"])).toBeGreaterThan(0);
    expect(Number(counted["received"]) + Number(counted["missing"])).toBe(5_000);
    expect(counted["stats"]).toMatchObject({ missing: counted["missing"], late: 0, badFrames: 0 });
  });

  it("a subscriber that keeps up misses nothing", async () => {
    const publisher = new Child("publisher", [url, TOPIC, 1, 8_192]);
    await publisher.ready();
    const heard = await hear();
    await until(() => eventsOf(heard, "opened").length === 1);
    publisher.do({ do: "publish", count: 2_000, bytes: 64 });
    await until(() => heard.seqs.length === 2_000);
    expect(eventsOf(heard, "gap")).toEqual([]);
    expect(heard.seqs).toEqual(Array.from({ length: 2_000 }, (_, n) => n + 1));
  });

  it("[B007] a killed publisher is stale, and its next session is a new epoch that says how the old one ended", async () => {
    const first = new Child("publisher", [url, TOPIC, 1, 1_000]);
    await first.ready();
    const heard = await hear();
    await until(() => eventsOf(heard, "opened").length === 1);
    first.do({ do: "publish", count: 10, bytes: 64 });
    await until(() => heard.seqs.length === 10);

    await first.kill();
    await until(() => eventsOf(heard, "stale").length === 1);

    const second = new Child("publisher", [url, TOPIC, 2, 1_000]);
    await second.ready();
    await until(() => eventsOf(heard, "opened").length === 2);
    expect(eventsOf(heard, "opened")[1]).toMatchObject({
      epoch: 2,
      firstSeq: 1,
      previous: { epoch: 1, lastSeq: 10, inOrder: false },
    });
    second.do({ do: "publish", count: 3, bytes: 64 });
    await until(() => heard.seqs.length + missingIn(heard) === 13);
    expect(missingIn(heard)).toBe(0);
  });

  it("a publisher that ends in order says its last sequence", async () => {
    const publisher = new Child("publisher", [url, TOPIC, 1, 1_000]);
    await publisher.ready();
    const heard = await hear();
    await until(() => eventsOf(heard, "opened").length === 1);
    publisher.do({ do: "publish", count: 5, bytes: 64 });
    publisher.do({ do: "close" });
    await until(() => eventsOf(heard, "closed").length === 1);
    expect(eventsOf(heard, "closed")).toEqual([
      { type: "closed", epoch: 1, lastSeq: 5, inOrder: true },
    ]);
  });

  it("[A10 B005] a lost tail shows by the next heartbeat, a lost middle by the next frame", async () => {
    const raw = new Publisher({ linger: 0 });
    const heard = await hear();
    mkdirSync(join(folder, "s"), { mode: 0o700 });
    await raw.bind(url);
    const core = openPublisherCore(TOPIC, 9);
    let now = 0n;
    const beat = async (): Promise<void> => {
      now += 100_000_000n;
      const frame = core.heartbeat(now);
      if (frame !== null) await raw.send([TOPIC, frame]);
    };
    while (eventsOf(heard, "opened").length === 0) {
      await beat();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const frames = Array.from({ length: 8 }, () => core.data(now, Buffer.from("x")) as Buffer);
    for (const at of [0, 1, 4, 5]) await raw.send([TOPIC, frames[at] ?? ""]);
    await until(() => heard.seqs.length === 4);
    expect(eventsOf(heard, "gap")).toEqual([{ type: "gap", epoch: 9, first: 3, last: 4 }]);
    await beat();
    await until(() => eventsOf(heard, "gap").length === 2);
    expect(eventsOf(heard, "gap")[1]).toEqual({ type: "gap", epoch: 9, first: 7, last: 8 });
    raw.close();
  });

  it("[B004] a subscription to one instrument brings nothing of another whose number begins the same", async () => {
    const publisher = kept(await StreamPublisher.listen({ url, epoch: 1 }));
    const heard = await hear();
    publisher.announce(TOPIC);
    publisher.announce("md.1.10.top.");
    await until(() => eventsOf(heard, "opened").length === 1);
    publisher.publish("md.1.10.top.", Buffer.from("x"));
    publisher.publish(TOPIC, Buffer.from("y"));
    await until(() => heard.seqs.length === 1);
    expect([...heard.end.stats().keys()]).toEqual([TOPIC]);
  });
});

function missingIn(heard: Heard): number {
  return eventsOf(heard, "gap").reduce((sum, gap) => sum + gap.last - gap.first + 1, 0);
}

async function callServer(
  epoch: number,
  window = 4_096,
): Promise<{ client: LinkClient; events: string[] }> {
  const events: string[] = [];
  const client = await LinkClient.connect({
    url,
    link: "intent",
    identity: "strategy:1",
    epoch,
    window,
    onData: () => undefined,
    onEvent: (event) => void events.push(event.type === "state" ? event.to : event.type),
  });
  return { client: kept(client), events };
}

describe("links between processes", () => {
  it("[A20 B006] 10,000 intents through a server killed again and again: each durable once, in order, acknowledged once", async () => {
    const journal = join(folder, "journal");
    const total = 10_000;
    let server = new Child("journal-server", [url, 1, journal]);
    await server.ready();
    const { client } = await callServer(1, 512);
    let sent = 0;
    let kills = 0;
    let facts = 0;
    while (client.stats().acked < total) {
      while (sent < total && client.send(Buffer.from(`intent-${sent}`)).ok) sent += 1;
      // Kills in mid-burst, wherever the server happens to be when a report of progress arrives.
      const progress = server.facts.filter((fact) => "journalled" in fact).length;
      if (kills < 5 && progress > facts + 7) {
        await server.kill();
        kills += 1;
        facts = 0;
        server = new Child("journal-server", [url, 1 + kills, journal]);
        await server.ready();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(kills).toBe(5);
    const lines = readFileSync(journal, "utf8").trimEnd().split("\n");
    expect(lines).toEqual(Array.from({ length: total }, (_, n) => `intent-${n}`));
    expect(client.stats()).toMatchObject({
      sent: total,
      acked: total,
      inFlight: 0,
      peerRestarts: 5,
    });
  });

  it("a server that is away is refused upstream, never queued for", async () => {
    const { client } = await callServer(1);
    expect(client.send(Buffer.from("x"))).toEqual({ ok: false, refusal: "NOT_SYNCED" });
    expect(client.stats()).toMatchObject({ sent: 0, inFlight: 0, refusedNotSynced: 1 });
  });

  it("a peer that takes and never acknowledges stops the sender at its window", async () => {
    const got: number[] = [];
    kept(
      await LinkServer.listen({
        url,
        link: "intent",
        epoch: 1,
        onData: (_, { seq }) => void got.push(seq),
        onEvent: () => undefined,
      }),
    );
    const { client } = await callServer(1, 8);
    await until(() => client.state === "SYNCED");
    const answers = Array.from({ length: 9 }, (_, n) => client.send(Buffer.from([n])));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(8);
    expect(answers[8]).toEqual({ ok: false, refusal: "NO_CREDIT" });
    await until(() => got.length === 8);
    expect(client.stats()).toMatchObject({ inFlight: 8, acked: 0, refusedNoCredit: 1 });
  });

  it("a killed client is no longer sent to, and back under its name it is a restarted peer", async () => {
    const events: string[] = [];
    const server = kept(
      await LinkServer.listen({
        url,
        link: "intent",
        epoch: 1,
        onData: (identity, { seq }) => server.ack(identity, seq),
        onEvent: (_, event) => void events.push(event.type),
      }),
    );
    const first = new Child("caller", [url, 1]);
    await until(() => server.stateOf("strategy:1") === "SYNCED");
    expect(server.send("strategy:1", Buffer.from("one"))).toEqual({ ok: true, seq: 1 });
    await first.fact((fact) => fact["got"] === "one");
    await first.kill();
    await until(() => server.stateOf("strategy:1") !== "SYNCED");
    expect(server.send("strategy:1", Buffer.from("x"))).toEqual({
      ok: false,
      refusal: "NOT_SYNCED",
    });

    const second = new Child("caller", [url, 2]);
    await until(() => server.stateOf("strategy:1") === "SYNCED");
    expect(events).toContain("peer_restarted");
    expect(server.statsOf("strategy:1")).toMatchObject({ peerEpoch: 2, peerRestarts: 1 });
    expect(server.send("strategy:1", Buffer.from("two")).ok).toBe(true);
    await second.fact((fact) => fact["got"] === "two");
  });

  it("[B007] a paused server is stale at its client, and what was sent to it arrives when it goes on", async () => {
    const journal = join(folder, "journal");
    const server = new Child("journal-server", [url, 1, journal]);
    await server.ready();
    const { client, events } = await callServer(1);
    await until(() => client.state === "SYNCED");
    server.process.kill("SIGSTOP");
    expect(client.send(Buffer.from("late")).ok).toBe(true);
    await until(() => client.state === "STALE");
    expect(client.send(Buffer.from("refused"))).toEqual({ ok: false, refusal: "NOT_SYNCED" });
    server.process.kill("SIGCONT");
    await until(() => client.state === "SYNCED" && client.stats().acked === 1);
    expect(events).toContain("STALE");
    expect(readFileSync(journal, "utf8")).toBe("late\n");
  });

  it("a client beyond the bound, or under a foreign name, is refused and counted", async () => {
    const server = kept(
      await LinkServer.listen({
        url,
        link: "intent",
        epoch: 1,
        identityPrefix: "strategy:",
        peersMax: 1,
        onData: () => undefined,
        onEvent: () => undefined,
      }),
    );
    const { client } = await callServer(1);
    await until(() => client.state === "SYNCED");
    for (const routingId of ["strategy:2", "gateway"]) {
      const raw = new Dealer({ linger: 0, routingId });
      raw.connect(url);
      await raw.send("x");
      const { refusedTooMany, refusedIdentity } = server.counters;
      await until(() => {
        const now = server.counters;
        return now.refusedTooMany + now.refusedIdentity > refusedTooMany + refusedIdentity;
      });
      raw.close();
    }
    expect(server.counters).toMatchObject({ refusedTooMany: 1, refusedIdentity: 1 });
    expect(server.identities).toEqual(["strategy:1"]);
  });

  it("garbage on the socket changes nothing but the counters", async () => {
    const got: string[] = [];
    const server = kept(
      await LinkServer.listen({
        url,
        link: "intent",
        epoch: 1,
        onData: (identity, { payload }) => void got.push(`${identity} ${payload}`),
        onEvent: () => undefined,
      }),
    );
    const { client } = await callServer(1);
    await until(() => client.state === "SYNCED");

    // Not even ZeroMQ: libzmq cuts it off.
    const plain = connect(join(folder, "s/a.sock"));
    plain.on("error", () => undefined);
    plain.write(Buffer.alloc(512, 0xa5));
    await new Promise((resolve) => plain.once("close", resolve));

    // ZeroMQ, but no frames; frames of another link; too many parts; more bytes than any frame has.
    const raw = new Dealer({ linger: 0, routingId: "mallory" });
    raw.connect(url);
    await raw.send(Buffer.from("no frame"));
    const header = { kind: 1, epoch: 1, seq: 1, monoNs: 0n, payload: Buffer.from("evil") };
    await raw.send(frameEncode({ ...header, linkId: linkId("intent/strategy:1") }));
    await raw.send(["three", "parts", "here"]);
    await until(
      () => (server.statsOf("mallory")?.wrongLink ?? 0) === 1 && server.counters.refusedParts === 1,
    );
    expect(server.statsOf("mallory")).toMatchObject({
      badFrames: 1,
      frameFaults: { TOO_SHORT: 1 },
    });
    const cut = new Promise((resolve) => raw.events.on("disconnect", resolve));
    await raw.send(Buffer.alloc(70_000));
    await cut;
    raw.close();

    expect(client.send(Buffer.from("good")).ok).toBe(true);
    await until(() => got.length === 1);
    expect(got).toEqual(["strategy:1 good"]);
    expect(server.statsOf("strategy:1")).toMatchObject({ badFrames: 0, wrongLink: 0, gaps: 0 });
  });
});

describe("who may speak over ipc", () => {
  const nobody = 65_534;

  it("[B002] the socket lies in a directory and under a mode of this user alone", async () => {
    kept(await StreamPublisher.listen({ url, epoch: 1 }));
    expect(statSync(join(folder, "s")).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "s/a.sock")).mode & 0o777).toBe(0o600);
  });

  it("a listener refuses a peer whose user the kernel names and the list does not", async () => {
    const allow = { mechanism: "ipc", uids: [nobody] } as const;
    const publisher = kept(await StreamPublisher.listen({ url, epoch: 1, allow }));
    publisher.announce(TOPIC);
    const heard = await hear();
    await until(() => publisher.counters.refused > 0);
    expect(publisher.counters.allowed).toBe(0);
    expect(heard.events).toEqual([]);
  });

  it("a caller refuses a listener of another user, who might be an impostor", async () => {
    const publisher = kept(await StreamPublisher.listen({ url, epoch: 1 }));
    publisher.announce(TOPIC);
    const impostor = await hear({ uids: [nobody] });
    await until(() => impostor.end.counters.refused > 0);
    const honest = await hear();
    await until(() => eventsOf(honest, "opened").length === 1);
    expect(impostor.events).toEqual([]);
  });

  it("[B002] another user's process is refused even where the file modes would let it in", async () => {
    const server = kept(
      await LinkServer.listen({
        url,
        link: "intent",
        epoch: 1,
        onData: () => undefined,
        onEvent: () => undefined,
      }),
    );
    if (process.geteuid?.() !== 0) {
      // Only root can become somebody else; everybody can see that the list decides.
      expect(server.counters.refused).toBe(0);
      return;
    }
    chmodSync(folder, 0o755);
    chmodSync(join(folder, "s"), 0o755);
    chmodSync(join(folder, "s/a.sock"), 0o777);
    const stranger = new Child("stranger", [url], nobody);
    expect(await stranger.ready()).toMatchObject({ uid: nobody });
    await stranger.fact((fact) => fact["saw"] === "refused");
    expect(server.counters).toMatchObject({ allowed: 0, received: 0 });
    expect(server.identities).toEqual([]);
  });
});

describe("endpoints", () => {
  async function codeOf(run: () => Promise<AsyncDisposable>): Promise<string> {
    try {
      kept(await run());
    } catch (error) {
      if (error instanceof BusError) return error.fault.code;
      throw error;
    }
    return "none";
  }

  const listen = (to: string) => () => StreamPublisher.listen({ url: to, epoch: 1 });

  it("a listener's address is its own, and a dead one's is taken over", async () => {
    const first = await StreamPublisher.listen({ url, epoch: 1 });
    expect(await codeOf(listen(url))).toBe("ENDPOINT_IN_USE");
    await first[Symbol.asyncDispose]();

    const child = new Child("publisher", [url, TOPIC, 1, 10]);
    await child.ready();
    expect(await codeOf(listen(url))).toBe("ENDPOINT_IN_USE");
    await child.kill();
    expect(statSync(join(folder, "s/a.sock")).isSocket()).toBe(true);
    expect(await codeOf(listen(url))).toBe("none");
  });

  it("what is no address is refused by name", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "precious");
    expect(await codeOf(listen(`ipc://${file}`))).toBe("ENDPOINT_NOT_A_SOCKET");
    expect(readFileSync(file, "utf8")).toBe("precious");
    expect(await codeOf(listen("tcp://127.0.0.1:0"))).toBe("CURVE_NEEDED");
    expect(await codeOf(listen("ipc://@abstract/name"))).toBe("ENDPOINT_MALFORMED");
    expect(await codeOf(listen("ipc://name"))).toBe("ENDPOINT_MALFORMED");
    expect(await codeOf(listen("inproc://name"))).toBe("ENDPOINT_MALFORMED");
    expect(await codeOf(listen(`ipc://${folder}/${"x".repeat(120)}`))).toBe(
      "ENDPOINT_PATH_TOO_LONG",
    );
    expect(await codeOf(listen("ipc:///tmp/tidegate-shared.sock"))).toBe("ENDPOINT_DIR_SHARED");
  });
});
