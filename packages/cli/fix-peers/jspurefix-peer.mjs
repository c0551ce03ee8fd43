/**
 * jspurefix as the client of our acceptor: `node jspurefix-peer.mjs FOLDER PORT`, where FOLDER has its node_modules. Plays cards
 * and prints one line of JSON: [{"name":…,"fault":…},…].
 */

import { createRequire } from "node:module";

const [, , folder, port] = process.argv;
const load = createRequire(`${folder}/package.json`);
load("reflect-metadata");
const { AsciiSession, EmptyLogFactory, SessionLauncher } = load("jspurefix");

const WAIT_MS = 10_000;
const played = [];

/** A message as it came: its fields by tag, the last of a tag. */
const fieldsOf = (text) =>
  Object.fromEntries(
    text
      .replaceAll("\u0001", "|")
      .split("|")
      .filter((field) => field.includes("="))
      .map((field) => [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)]),
  );

class Client extends AsciiSession {
  heard = [];

  onDecoded(_type, text) {
    this.heard.push(fieldsOf(text));
  }
  onEncoded() {}
  onApplicationMsg() {}
  onStopped() {
    this.stopped?.();
  }
  onLogon() {
    return true;
  }
  onReady() {
    void this.play();
  }

  async expect(wanted) {
    const end = performance.now() + WAIT_MS;
    const holds = (message) =>
      Object.entries(wanted).every(
        ([tag, value]) =>
          message[tag] === value ||
          (message[tag] !== undefined && Number(message[tag]) === Number(value)),
      );
    for (;;) {
      const found = this.heard.find(holds);
      if (found !== undefined) return found;
      if (performance.now() > end) {
        throw new Error(`no ${JSON.stringify(wanted)}; heard ${JSON.stringify(this.heard)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  order(id, more) {
    const { Symbol: symbol = "X", ...rest } = more;
    this.send("D", {
      ClOrdID: id,
      Instrument: { Symbol: symbol },
      Side: "1",
      TransactTime: new Date(),
      OrderQtyData: { OrderQty: 10 },
      ...rest,
    });
  }

  change(type, id, of, more = {}) {
    this.send(type, {
      OrigClOrdID: of,
      ClOrdID: id,
      Instrument: { Symbol: "X" },
      Side: "1",
      TransactTime: new Date(),
      OrderQtyData: { OrderQty: 10 },
      ...more,
    });
  }

  async card(name, run) {
    let fault = "";
    this.heard = this.heard.filter((message) => message["35"] === "A");
    try {
      await run();
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    played.push({ name, fault });
  }

  async play() {
    await this.card("logon with a reset", () => this.expect({ 35: "A", 34: "1", 141: "Y" }));
    await this.card("a limit order rests", async () => {
      this.order("r1", { OrdType: "2", Price: 90 });
      await this.expect({ 35: "8", 11: "r1", 150: "0", 39: "0", 151: "10" });
    });
    await this.card("a market order is filled", async () => {
      this.order("f1", { OrdType: "1" });
      await this.expect({ 35: "8", 11: "f1", 150: "F", 39: "2", 32: "10", 31: "100" });
    });
    await this.card("a partial fill", async () => {
      this.order("p1", { OrdType: "2", Price: 101, Text: "part" });
      await this.expect({ 35: "8", 11: "p1", 150: "F", 39: "1", 14: "5", 151: "5" });
    });
    await this.card("an amend and a cancel", async () => {
      this.order("a1", { OrdType: "2", Price: 90 });
      this.change("G", "a2", "a1", { OrdType: "2", Price: 91 });
      await this.expect({ 35: "8", 11: "a2", 41: "a1", 150: "5", 44: "91" });
      this.change("F", "a3", "a2");
      await this.expect({ 35: "8", 11: "a3", 150: "4", 39: "4" });
    });
    await this.card("a cancel of nothing is refused", async () => {
      this.change("F", "n1", "none");
      await this.expect({ 35: "9", 11: "n1", 434: "1" });
    });
    await this.card("an order for a halted symbol is rejected", async () => {
      this.order("h1", { OrdType: "1", Symbol: "HALT" });
      await this.expect({ 35: "8", 11: "h1", 150: "8", 39: "8" });
    });
    await this.card("a bust names its fill", async () => {
      this.order("b1", { OrdType: "1", Text: "bust" });
      const { 17: id } = await this.expect({ 35: "8", 11: "b1", 150: "F" });
      await this.expect({ 35: "8", 11: "b1", 150: "H", 19: id });
    });
    await this.card("a wrong value is rejected", async () => {
      this.order("w1", { OrdType: "w" });
      await this.expect({ 35: "3", 371: "40", 373: "5" });
    });
    await this.card("a mass cancel", async () => {
      this.send("q", { ClOrdID: "m1", MassCancelRequestType: "7", TransactTime: new Date() });
      await this.expect({ 35: "r", 11: "m1", 531: "7" });
    });
    await this.card("heartbeats keep an idle session", async () => {
      await new Promise((resolve) => setTimeout(resolve, 6_500));
      if (this.heard.filter((message) => message["35"] === "0").length < 2) {
        throw new Error("fewer than two heartbeats in 6.5 s");
      }
    });
    await this.card("logout", async () => {
      const stopped = new Promise((resolve) => {
        this.stopped = resolve;
      });
      this.done();
      await this.expect({ 35: "5" });
      await Promise.race([
        stopped,
        new Promise((_, reject) =>
          setTimeout(() => reject(new Error("the session does not stop")), WAIT_MS),
        ),
      ]);
    });
    process.stdout.write(`${JSON.stringify(played)}\n`, () => process.exit(0));
  }
}

class Launcher extends SessionLauncher {
  constructor() {
    super(
      {
        application: {
          type: "initiator",
          name: "client",
          reconnectSeconds: 1,
          tcp: { host: "127.0.0.1", port: Number(port) },
          protocol: "ascii",
          dictionary: "qf44",
        },
        EncryptMethod: 0,
        ResetSeqNumFlag: true,
        HeartBtInt: 2,
        SenderCompId: "CLIENT",
        TargetCompID: "VENUE",
        BeginString: "FIX.4.4",
      },
      null,
      new EmptyLogFactory(),
    );
  }
  makeFactory() {
    return { makeSession: (config) => new Client(config) };
  }
}

setTimeout(() => {
  played.push({ name: "to the end", fault: "not within 100 s" });
  process.stdout.write(`${JSON.stringify(played)}\n`, () => process.exit(0));
}, 100_000).unref();
new Launcher().run().catch((error) => {
  process.stderr.write(`${error}\n`);
  process.exit(1);
});
