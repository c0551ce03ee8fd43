import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { PrivateStream, spotHandshake } from "../../services/monitor/src/recon/stream.ts";
import type { Handshake } from "../../services/monitor/src/recon/venue.ts";

/** A private stream against a socket server that answers as each test wants. */
describe("a private stream of the reconciliation [B053]", () => {
  let server: WebSocketServer;
  let stream: PrivateStream | null;
  const sockets: WebSocket[] = [];
  const heard: string[] = [];
  const events: string[] = [];
  let answer: (said: string, socket: WebSocket) => void = () => undefined;

  beforeEach(async () => {
    for (const each of [sockets, heard, events]) each.length = 0;
    stream = null;
    server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await new Promise((resolve) => server.once("listening", resolve));
    server.on("connection", (socket) => {
      sockets.push(socket);
      socket.on("message", (data) => answer(String(data), socket));
    });
  });
  afterEach(async () => {
    stream?.stop();
    for (const each of sockets) each.terminate();
    await new Promise((resolve) => server.close(resolve));
  });

  const url = () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const begun = (handshake: Handshake) => {
    stream = new PrivateStream({
      handshake,
      onText: (text) => heard.push(text),
      onUp: () => events.push("up"),
      onDown: (why) => events.push(why),
    });
  };
  const upTimes = (times: number) =>
    expect
      .poll(() => events.filter((each) => each === "up").length, { timeout: 5_000 })
      .toBe(times);
  const KEY = { key: "k", secret: () => "s" };
  const plain: Handshake = { url: async () => url(), hello: null, answered: () => "up" };

  it("spot: signed, begun when the venue grants it, and begun anew after its end", async () => {
    answer = (said, socket) => {
      const { id, method, params } = JSON.parse(said);
      expect(method).toBe("userDataStream.subscribe.signature");
      expect(params.signature).toMatch(/^[0-9a-f]{64}$/);
      socket.send(JSON.stringify({ id, status: 200 }));
    };
    begun(spotHandshake(url(), KEY));
    await upTimes(1);
    sockets[0]?.send("an event");
    await expect.poll(() => heard).toEqual(["an event"]);
    sockets[0]?.close();
    await upTimes(2);
    expect(events).toEqual(["up", expect.stringContaining("closed"), "up"]);
  });

  it("a login that is refused is tried again and is never up", async () => {
    answer = (_, socket) => socket.send(JSON.stringify({ id: "recon", status: 401 }));
    begun(spotHandshake(url(), KEY));
    await expect.poll(() => sockets.length, { timeout: 5_000 }).toBeGreaterThan(1);
    expect(events).toEqual([]);
  });

  it("a word that no other will come begins it anew; binary frames are texts", async () => {
    begun({ ...plain, ends: (text) => text === "the end" });
    await upTimes(1);
    sockets[0]?.send(Buffer.from("binary"));
    await expect.poll(() => heard).toEqual(["binary"]);
    sockets[0]?.send("the end");
    await upTimes(2);
    expect(heard).toEqual(["binary"]);
  });

  it("is kept going as often as the venue wants, while it is up; what fails is told", async () => {
    let kept = 0;
    const act = async (): Promise<void> => {
      kept += 1;
      if (kept === 2) throw new Error("no");
    };
    begun({ ...plain, keep: { everyMs: 20, act } });
    await expect.poll(() => kept, { timeout: 5_000 }).toBeGreaterThan(2);
    expect(events).toContain("not kept: Error: no");
    stream?.stop();
    const after = kept;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(kept).toBe(after);
  });

  it("without an address it is asked for again", async () => {
    let tries = 0;
    const address = async (): Promise<string> => {
      tries += 1;
      if (tries === 1) throw new Error("nobody is there");
      return url();
    };
    begun({ ...plain, url: address });
    await upTimes(1);
    expect(events).toEqual(["no address: nobody is there", "up"]);
  });
});
