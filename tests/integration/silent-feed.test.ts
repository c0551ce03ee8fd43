import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { addPrincipal, makeKey } from "@tidegate/service-kit/control";
import { afterEach, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const instruments = join(root, "config/instruments.json");
const patience = { timeout: 60_000, interval: 25 };

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

/** Buys at the last valid bid ten times a second, whatever the book is now, and cancels what lives. */
const STRATEGY = `import { defineStrategy, OrderState, Tif } from "@tidegate/strategy-sdk";
import { z } from "zod";
export default defineStrategy({
  id: "stubborn", params: z.object({}), featureSet: "lob_basic_v1", timerMs: 100, state: () => ({ bid: 0 }),
  onBookTop(ctx, top) { if (top.valid && top.instrument === 1) ctx.state.bid = top.bidPxTicks; },
  onTimer(ctx) { if (ctx.state.bid > 0) ctx.buy(1, ctx.state.bid - 100, 50, { tif: Tif.POST_ONLY }); },
  onOrder(ctx, order) { if (order.state === OrderState.LIVE) ctx.cancel(order.order); },
});`;

function launch(dir: string, service: string, flags: readonly string[]): () => string {
  const args = [
    "--disable-warning=ExperimentalWarning",
    join(root, `services/${service}/src/main.ts`),
  ];
  const child: ChildProcess = spawn(process.execPath, [...args, ...flags], { cwd: dir });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (data: Buffer) => {
      text += data.toString();
    });
  undo.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return () => text;
}

/** Passes bytes to `port`, and holds back what comes from there while `silent`. */
async function wire(port: number): Promise<{ port: number; silent: (on: boolean) => void }> {
  let held = false;
  const upstreams = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    upstreams.add(upstream);
    upstream.on("data", (data) => client.write(data));
    if (held) upstream.pause();
    client.on("data", (data) => upstream.write(data));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => {
        upstreams.delete(upstream);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.push(() => {
    for (const upstream of upstreams) upstream.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    silent(on) {
      held = on;
      for (const upstream of upstreams) on ? upstream.pause() : upstream.resume();
    },
  };
}

interface Page {
  readonly state: string;
  readonly stats: Readonly<Record<string, unknown>>;
}

async function health(dir: string, service: string): Promise<Page> {
  const { httpPort } = JSON.parse(readFileSync(join(dir, `state/${service}.json`), "utf8")) as {
    httpPort: number;
  };
  return (await (await fetch(`http://127.0.0.1:${httpPort}/health`)).json()) as Page;
}

describe("a feed that falls silent", () => {
  it("takes new orders away at the gateway, by name, and gives them back with the feed [B010]", async () => {
    const dir = mkdtempSync(join(tmpdir(), "silent-"));
    undo.push(() => rmSync(dir, { recursive: true, force: true }));
    for (const folder of ["s", "state"]) mkdirSync(join(dir, folder));
    const key = { apiKey: "sim", apiSecret: "sim-secret" };
    const keys = join(dir, "state/keys.json");
    writeFileSync(keys, JSON.stringify({ "binance-spot": key, "binance-usdm": key }), {
      mode: 0o600,
    });
    writeFileSync(join(dir, "stubborn.ts"), STRATEGY);
    const publicKey = makeKey(join(dir, "state/ann.key"));
    addPrincipal(join(dir, "state/principals.json"), "ann", "operator", publicKey);

    const sim = launch(dir, "venue-sim", []);
    const venue = await vi.waitFor(() => {
      const found = /"venuePort":(\d+)/.exec(sim())?.[1];
      if (found === undefined) throw new Error(`the venue is not up: ${sim()}`);
      return Number(found);
    }, patience);
    const feed = await wire(venue);
    const urls = (port: number, names: readonly string[]) =>
      names.flatMap((name) => {
        const scheme = name.includes("rest") ? "http" : "ws";
        return [`--${name}`, `${scheme}://127.0.0.1:${port}`];
      });
    const table = ["--instruments-file", instruments];
    const says = [
      launch(dir, "market-data", [
        ...table,
        ...urls(feed.port, [
          "spot-stream-url",
          "spot-rest-url",
          "usdm-stream-url",
          "usdm-rest-url",
        ]),
        "--feature-rollout-file",
        join(dir, "state/no-rollout.json"),
      ]),
      launch(dir, "execution-router", [
        ...table,
        ...["--keys-file", keys, "--tier", "T0"],
        ...urls(venue, ["spot-ws-api-url", "spot-rest-url"]),
        ...urls(venue, ["usdm-ws-api-url", "usdm-stream-url", "usdm-rest-url"]),
      ]),
      launch(dir, "gateway", [
        ...table,
        ...["--limits-file", join(root, "config/limits.json"), "--tier", "T0"],
      ]),
      launch(dir, "strategy-runner", [
        ...table,
        ...[
          "--strategies",
          JSON.stringify([{ id: 1, file: join(dir, "stubborn.ts"), params: {} }]),
        ],
      ]),
    ];
    const replies = async () => {
      const { stats } = await health(dir, "gateway");
      const by = stats["replies"] as Readonly<Record<string, number>>;
      const { NO_REFERENCE_PRICE: blind = 0, ...other } = by;
      return { blind, accepted: other["ACCEPTED"] ?? other["NONE"] ?? other["OK"] ?? 0, by };
    };
    const until = <T>(what: string, holds: () => Promise<T | false>): Promise<T> =>
      vi.waitFor(async () => {
        const value = await holds();
        if (value === false) {
          const pages = [await health(dir, "gateway"), says.map((text) => text().slice(-800))];
          throw new Error(`${what}: ${JSON.stringify(pages)}`);
        }
        return value as T;
      }, patience);

    await until("orders are accepted", async () => (await replies()).accepted > 5);
    expect((await health(dir, "strategy-runner")).stats).toMatchObject({
      strategies: [{ featureSet: "MATCHED" }],
    });

    // A slow start has its own refusals, from before the gateway's first price.
    const before = await replies();
    feed.silent(true);
    const lost = await until("orders are refused", async () => {
      const now = await replies();
      return now.blind > before.blind && now;
    });
    await until("only refusals", async () => (await replies()).blind >= lost.blind + 20);
    // The control: the strategy went on asking all the while, and nothing of it was taken.
    expect((await replies()).accepted).toBe(lost.accepted);
    expect((await health(dir, "market-data")).state).toBe("0/2 VALID");

    feed.silent(false);
    await until("orders are accepted again", async () => {
      const now = await replies();
      return (
        now.accepted > lost.accepted + 5 && (await health(dir, "market-data")).state === "VALID"
      );
    });
  }, 240_000);
});
