import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { peerUid, z85 } from "./credentials.ts";
import { ipcPath } from "./endpoint.ts";
import { dialDealer, dialSubscriber, listenPublisher, listenRouter } from "./lane.ts";
import {
  CLOSE_LINGER_MS,
  FRAME_BYTES_MAX,
  HANDSHAKE_MS,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  STREAM_HWM_DEFAULT,
  TCP_HEARTBEAT_MS,
  TCP_HEARTBEAT_TIMEOUT_MS,
  TICK_MS,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from "./limits.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-lane-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("[B005] the library uses what the limits say, read back from each kind of socket", async () => {
  const url = (name: string): string => `ipc://${folder}/${name}`;
  const common = {
    lingerMs: 0,
    messageBytesMax: FRAME_BYTES_MAX,
    reconnectMsMin: RECONNECT_MS_MIN,
    reconnectMsMax: RECONNECT_MS_MAX,
    handshakeMs: HANDSHAKE_MS,
  };
  await using pub = await listenPublisher({ url: url("pub"), hwm: 11 });
  expect(pub.settings).toEqual({ ...common, sendHwm: 11, receiveHwm: null, sendTimeoutMs: 0 });
  await using sub = await dialSubscriber({ url: url("pub"), hwm: 12 }, ["md."]);
  expect(sub.settings).toEqual({ ...common, sendHwm: null, receiveHwm: 12, sendTimeoutMs: null });
  await using router = await listenRouter({ url: url("router"), hwm: 13 });
  expect(router.settings).toEqual({ ...common, sendHwm: 13, receiveHwm: 13, sendTimeoutMs: 0 });
  await using dealer = await dialDealer({ url: url("router"), hwm: 14 }, "gateway");
  expect(dealer.settings).toEqual({ ...common, sendHwm: 14, receiveHwm: 14, sendTimeoutMs: 0 });
});

it("limits stand in the relations the ends rely on", () => {
  expect(WINDOW_DEFAULT).toBeLessThanOrEqual(WINDOW_MAX);
  expect(STREAM_HWM_DEFAULT).toBeGreaterThanOrEqual(WINDOW_DEFAULT);
  expect(TICK_MS).toBeLessThan(100); // the heartbeat of the pure cores
  expect(TCP_HEARTBEAT_TIMEOUT_MS).toBeGreaterThan(2 * TCP_HEARTBEAT_MS);
  expect(CLOSE_LINGER_MS).toBeLessThan(1_000);
});

describe("a lane's refusals are outcomes", () => {
  it("a frame to a peer nobody knows, and one to a server that is away", async () => {
    const url = `ipc://${folder}/nobody`;
    await using router = await listenRouter({ url, hwm: 10 });
    expect(await router.send("strategy:9", Buffer.from("x"))).toBe("NO_PEER");
    await using dealer = await dialDealer({ url: `ipc://${folder}/away`, hwm: 10 }, "gateway");
    expect(await dealer.send("", Buffer.from("x"))).toBe("WOULD_BLOCK");
    expect(router.counters).toMatchObject({ noPeer: 1, sent: 0 });
    expect(dealer.counters).toMatchObject({ wouldBlock: 1, sent: 0 });
  });
});

describe("credentials", () => {
  it.each([
    ["localhost:1000:1000:4242", 1000],
    [":0:0:1", 0],
    ["127.0.0.1", null],
    ["", null],
    ["localhost:1000:1000:x", null],
  ])("the user of peer %j is %s", (address, uid) => {
    expect(peerUid(address)).toBe(uid);
  });

  it("Z85 as RFC 32 gives it", () => {
    expect(z85(Buffer.from("864fd26fb559f75b", "hex"))).toBe("HelloWorld");
  });
});

it("an ipc path is a file in a directory, or no path", () => {
  expect(ipcPath("ipc://s/md.sock")).toBe("s/md.sock");
  expect(ipcPath("ipc:///run/tidegate/md.sock")).toBe("/run/tidegate/md.sock");
  const bad = [
    "ipc://",
    "ipc://a",
    "ipc://a/",
    "ipc://@a/b",
    "ipc://a/*",
    "ipc://a/\0",
    "tcp://a/b",
  ];
  for (const url of bad) expect(() => ipcPath(url), url).toThrow("ENDPOINT_MALFORMED");
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        expect(Buffer.byteLength(ipcPath(text))).toBeLessThanOrEqual(107);
      } catch (error) {
        expect(String(error)).toMatch(/ENDPOINT_(MALFORMED|PATH_TOO_LONG)/);
      }
    }),
  );
});
