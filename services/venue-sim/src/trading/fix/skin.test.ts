import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FixHeard, type FixSession, newFixSession } from "@tidegate/rust-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SwitchError } from "../../switchboard.ts";
import { FixOrders, SYMBOL, VENUE_COMP_ID } from "./index.ts";

type Fields = readonly (readonly [tag: number, value: string])[];
const WAIT_MS = 5_000;

/** `11=a|55=X` as tags and values. */
const fields = (text: string): Fields =>
  text.split("|").map((field): readonly [number, string] => {
    const at = field.indexOf("=");
    return [Number(field.slice(0, at)), field.slice(at + 1)];
  });

/** A client over our own initiator: what it sends, and every field of what it heard. */
class Client {
  readonly #socket: Socket;
  readonly #session: FixSession;
  readonly heard: ReadonlyMap<number, string>[] = [];
  readonly others: FixHeard[] = [];
  ended = false;

  constructor(port: number, password = "secret") {
    this.#session = newFixSession({
      ...{ role: "initiator", sender: "DESK", target: VENUE_COMP_ID, heartbeatSeconds: 30 },
      ...{ username: "user", password, takes: ["8", "9", "j", "r"] },
    });
    this.#socket = connect(port, "127.0.0.1", () => {
      this.#session.connect(Date.now(), performance.now());
      this.#socket.write(this.#session.flush());
    });
    this.#socket.on("data", (bytes: Buffer) => {
      const said = this.#session.receive(bytes, Date.now(), performance.now());
      for (const each of JSON.parse(said) as FixHeard[]) {
        if (each.kind === "message") this.heard.push(new Map(each.fields));
        else this.others.push(each);
      }
      this.#socket.write(this.#session.flush());
    });
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      this.ended = true;
    });
  }

  get open(): boolean {
    return this.#session.open;
  }

  send(type: string, text: string): void {
    this.#session.send(type, JSON.stringify(fields(text)), Date.now(), performance.now());
    this.#socket.write(this.#session.flush());
  }

  order(id: string, more: string, side = "1"): void {
    const at = new Date().toISOString().slice(0, 23);
    const time = at.replaceAll("-", "").replace("T", "-");
    this.send("D", `11=${id}|55=${SYMBOL}|54=${side}|60=${time}|38=0.01|${more}`);
  }

  /** The first message that has all of these fields. */
  async told(text: string): Promise<ReadonlyMap<number, string>> {
    const wanted = fields(text);
    const found = () => this.heard.find((each) => wanted.every(([tag, v]) => each.get(tag) === v));
    await until(text, () => found() !== undefined);
    return found() as ReadonlyMap<number, string>;
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("the FIX venue", () => {
  let dir = "";
  let venue: FixOrders;
  let client: Client;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "fix-venue-"));
    venue = await FixOrders.alone(dir, {
      client: { compId: "DESK", username: "user", password: "secret" },
      onFatal: (error) => {
        throw error;
      },
    });
    venue.book({ bids: [["59999", "1"]], asks: [["60001", "1"]] });
    client = new Client(venue.port);
    await until("the logon", () => client.open);
  });
  afterEach(async () => {
    client.close();
    await venue[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  it("takes every type of order and time in force the standard has a word for here [B024]", async () => {
    const cases = [
      ["market", "40=1", "2", "1"],
      ["limit-day", "40=2|44=59000|59=0", "0", "1"],
      ["limit-gtc", "40=2|44=59000|59=1", "0", "1"],
      ["limit-ioc", "40=2|44=59000|59=3", "C", "1"],
      ["limit-fok", "40=2|44=60001|59=4", "2", "1"],
      ["stop", "40=3|99=58000|59=1", "0", "2"],
      ["stop-limit", "40=4|99=61000|44=61100|59=1", "0", "1"],
      // What it will cost cannot be held beforehand.
      ["stop-to-buy", "40=3|99=61000|59=1", "8", "1"],
    ] as const;
    for (const [id, terms, status, side] of cases) {
      client.order(id, terms, side);
      await client.told(`11=${id}|39=${status}`);
    }
    client.order("no-price", "40=2|59=1");
    await client.told("11=no-price|39=8|103=11");
    venue.inject({ switch: "session_roll", ms: 50 });
    await client.told("11=limit-day|150=C");
    expect(client.heard.some((each) => each.get(11) === "limit-gtc" && each.get(150) === "C")).toBe(
      false,
    );
  });

  it("cancels everything at once and says how many", async () => {
    for (const id of ["a", "b"]) client.order(id, "40=2|44=59000|59=1");
    await client.told("11=b|150=0");
    client.send("q", "11=all|530=7|60=20240229-23:59:59");
    const report = await client.told("530=7");
    expect([report.get(531), report.get(533)]).toEqual(["7", "2"]);
    await client.told("11=a|150=4");
    client.send("AF", "584=s|585=7");
    const none = await client.told("584=s");
    expect([none.get(911), none.get(912)]).toEqual(["0", "Y"]);
  });

  it("refuses what it does not know, by the code of each", async () => {
    client.order("nope", "40=1");
    await client.told("11=nope|150=F");
    client.order("nope", "40=1");
    await client.told("11=nope|103=6");
    const terms = `55=${SYMBOL}|54=1|60=20240229-23:59:59`;
    client.send("F", `11=c1|41=nobody|${terms}`);
    await client.told("11=c1|434=1|102=1");
    client.send("F", `11=c2|41=nope|${terms}`);
    await client.told("11=c2|434=1|102=0");
    client.send("H", `11=nobody|55=${SYMBOL}|54=1|790=q`);
    await client.told("790=q|39=8|103=5");
  });

  it("lets nobody in with a wrong password, and one connection at a time", async () => {
    const second = new Client(venue.port);
    await until("the end of the second", () => second.ended);
    client.close();
    await until("the end", () => client.ended);
    const wrong = new Client(venue.port, "wrong");
    await until("the end of the wrong one", () => wrong.ended);
    expect([wrong.open, wrong.others.at(-1)]).toEqual([
      false,
      { kind: "loggedOut", text: "unknown user or wrong password" },
    ]);
  });

  it("what its log says is what it told, a correction and a bust too", async () => {
    client.order("a", "40=1");
    await client.told("11=a|150=F");
    venue.inject({ switch: "correct" });
    const right = await client.told("150=G");
    expect(right.get(31)).toBe("60001.01");
    const { fills, inconsistencies } = venue.truth();
    expect([fills.map(({ pxTicks }) => pxTicks), inconsistencies]).toEqual([[6_000_101n], []]);
    client.order("b", "40=1");
    const fill = await client.told("11=b|150=F");
    venue.inject({ switch: "bust" });
    const bust = await client.told("150=H");
    expect(bust.get(19)).toBe(fill.get(17));
    const after = venue.truth();
    expect([after.fills.length, after.busts, after.inconsistencies]).toEqual([1, 1, []]);
  });

  it("a switch that does not apply, or a code it has not, is refused by name", () => {
    expect(() => venue.inject({ switch: "ack_504" })).toThrow(SwitchError);
    expect(() => venue.inject({ switch: "refuse", code: 77 })).toThrow("want one of 0, 1");
    expect(() => venue.inject({ switch: "gap", code: 1 })).toThrow("want no code");
  });
});
