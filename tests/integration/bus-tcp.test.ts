import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BusError,
  bridgeIn,
  bridgeOut,
  type CurveKeys,
  type StreamBridge,
  type StreamEvent,
  StreamPublisher,
  StreamSubscriber,
} from "@tidegate/bus";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { curveKeyPair, Publisher, Subscriber } from "zeromq";

const TOPIC = "md.1.1.top.";
let folder = "";
let port = 0;
const open: AsyncDisposable[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tidegate-tcp-"));
  port = await freePort();
});

afterEach(async () => {
  for (const end of open.splice(0).toReversed()) await end[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function kept<T extends AsyncDisposable>(end: T): T {
  open.push(end);
  return end;
}

interface Hosts {
  readonly publisher: StreamPublisher;
  readonly out: StreamBridge;
  readonly server: CurveKeys;
  readonly client: CurveKeys;
}

/** A host with a stream, its bridge, and the keys of one listed client. */
async function offering(): Promise<Hosts> {
  const from = `ipc://${folder}/a/md.sock`;
  const publisher = kept(await StreamPublisher.listen({ url: from, epoch: 5 }));
  publisher.announce(TOPIC);
  const [server, client] = [curveKeyPair(), curveKeyPair()];
  const out = kept(
    await bridgeOut({
      from,
      prefixes: ["md."],
      to: `tcp://127.0.0.1:${port}`,
      keys: server,
      allow: [client.publicKey],
    }),
  );
  return { publisher, out, server, client };
}

async function taking(keys: CurveKeys, serverKey: string): Promise<StreamBridge> {
  const to = `ipc://${folder}/b/md.sock`;
  const from = `tcp://127.0.0.1:${port}`;
  return kept(await bridgeIn({ from, prefixes: ["md."], to, keys, serverKey }));
}

describe("[B088] the bridge over tcp with CURVE", () => {
  it("carries a listed host's stream end to end, sequences and epoch as first published", async () => {
    const { publisher, server, client } = await offering();
    await taking(client, server.publicKey);
    const seqs: number[] = [];
    const events: StreamEvent[] = [];
    kept(
      await StreamSubscriber.connect({
        url: `ipc://${folder}/b/md.sock`,
        prefixes: [TOPIC],
        onData: (_, { seq }) => void seqs.push(seq),
        onEvent: (_, event) => void events.push(event),
      }),
    );
    await until(() => events.length > 0);
    expect(events).toEqual([{ type: "opened", epoch: 5, firstSeq: 1, previous: null }]);
    for (let n = 0; n < 500; n += 1) publisher.publish(TOPIC, Buffer.from(`tick ${n}`));
    await until(() => seqs.length === 500);
    expect(seqs).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
    expect(events).toHaveLength(1);
  });

  it("refuses a client whose key is not listed", async () => {
    const { out, server } = await offering();
    const bridge = await taking(curveKeyPair(), server.publicKey);
    await until(() => out.counters.to.refused > 0);
    expect(out.counters.to.allowed).toBe(0);
    expect(bridge.counters.carried).toBe(0);
  });

  it("a client does not believe a server without the secret half of the key it expects", async () => {
    const { out, server, client } = await offering();
    const deceived = await taking(client, curveKeyPair().publicKey);
    // The server cannot open that client's box and drops it before anybody is asked. A second client, which has the right
    // key and has come later, is served: by then the first one had its chance.
    const right = { from: `tcp://127.0.0.1:${port}`, to: `ipc://${folder}/c/md.sock` };
    const believed = kept(
      await bridgeIn({ ...right, prefixes: ["md."], keys: client, serverKey: server.publicKey }),
    );
    await until(() => believed.counters.carried > 5);
    expect(deceived.counters).toMatchObject({ carried: 0, from: { received: 0 } });
    expect(out.counters.to).toMatchObject({ allowed: 1, refused: 0 });
  });

  it("a client without CURVE gets nothing from a CURVE server", async () => {
    const { out } = await offering();
    const raw = new Subscriber({ linger: 0, reconnectInterval: 20 });
    raw.subscribe("");
    const failed = new Promise((resolve) => {
      for (const type of ["handshake:error:protocol", "disconnect"] as const)
        raw.events.on(type, resolve);
    });
    raw.connect(`tcp://127.0.0.1:${port}`);
    await failed;
    expect(out.counters.to.allowed).toBe(0);
    raw.close();
  });

  it("stops what is no frame at the border", async () => {
    const [server, client] = [curveKeyPair(), curveKeyPair()];
    const far = await freePort();
    const raw = new Publisher({
      linger: 0,
      curveServer: true,
      curveSecretKey: server.secretKey,
    });
    await raw.bind(`tcp://127.0.0.1:${far}`);
    const bridge = kept(
      await bridgeIn({
        from: `tcp://127.0.0.1:${far}`,
        prefixes: ["md."],
        to: `ipc://${folder}/d/md.sock`,
        keys: client,
        serverKey: server.publicKey,
      }),
    );
    while (bridge.counters.refused === 0) {
      await raw.send([TOPIC, "no frame"]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(bridge.counters.carried).toBe(0);
    raw.close();
  });

  it("[B088] a new key is let in beside the old one: rotation by overlap", async () => {
    const from = `ipc://${folder}/a/md.sock`;
    const publisher = kept(await StreamPublisher.listen({ url: from, epoch: 1 }));
    publisher.announce(TOPIC);
    const [server, old, fresh] = [curveKeyPair(), curveKeyPair(), curveKeyPair()];
    const allow = [old.publicKey, fresh.publicKey];
    const to = `tcp://127.0.0.1:${port}`;
    const out = kept(await bridgeOut({ from, prefixes: ["md."], to, keys: server, allow }));
    for (const [at, keys] of [old, fresh].entries()) {
      const local = `ipc://${folder}/k${at}/md.sock`;
      const options = { from: to, prefixes: ["md."], to: local, keys, serverKey: server.publicKey };
      const bridge = kept(await bridgeIn(options));
      await until(() => bridge.counters.carried > 0);
    }
    expect(out.counters.to).toMatchObject({ allowed: 2, refused: 0 });
  });
});

describe("a bridge that cannot be safe is not opened", () => {
  async function codeOf(run: () => Promise<AsyncDisposable>): Promise<string> {
    try {
      kept(await run());
    } catch (error) {
      if (error instanceof BusError) return error.fault.code;
      throw error;
    }
    return "none";
  }

  it.each([
    ["ALLOW_LIST_MALFORMED", { allow: [] }],
    ["CURVE_KEY_MALFORMED", { allow: ["short"] }],
    ["CURVE_NEEDED", { to: "ipc:///tmp/x/y.sock" }],
  ])("%s", async (code, change) => {
    const keys = curveKeyPair();
    const base = {
      from: `ipc://${folder}/a/md.sock`,
      prefixes: ["md."],
      to: `tcp://127.0.0.1:${port}`,
      keys,
      allow: [keys.publicKey],
    };
    expect(await codeOf(() => bridgeOut({ ...base, ...change }))).toBe(code);
  });
});
