import { mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bench, Events, until } from "../testing.ts";

const STOCK = { security_type: "STK", exchange: "TSE", code: "2330", quote_type: "BidAsk" };
const FUTURE = { security_type: "FUT", exchange: "TAIFEX", code: "TXFL6", quote_type: "BidAsk" };

const subscribe = (bench: Bench, body: object) => bench.post("/api/v1/stream/subscribe", body);
const books = ({ events }: Events) => events.filter(({ name }) => name.startsWith("bidask"));
/** UTC of the venue's local date and time. */
const utc = ({ date, time }: Readonly<Record<string, unknown>>) =>
  Date.parse(`${String(date)}T${String(time).slice(0, 12)}+08:00`);

async function streaming(bench: Bench): Promise<Events> {
  for (const body of [STOCK, FUTURE, { ...STOCK, quote_type: "Tick" }]) {
    expect((await subscribe(bench, body)).body["success"]).toBe(true);
  }
  const events = new Events({ port: bench.port });
  await events.next("bidask_stk");
  await events.next("bidask_fop");
  return events;
}

describe("SHIOAJI", () => {
  it("tells what it is, and refuses what it does not know with a code of its own", async () => {
    await using bench = await Bench.start("SHIOAJI");
    expect((await bench.get("/api/v1/health")).body["status"]).toBe("ok");
    expect((await bench.get("/api/v1/info")).body["simulation"]).toBe(true);
    expect((await bench.get("/api/v1/data/contracts/2330")).body["exchange"]).toBe("TSE");
    const all = (await bench.get("/api/v1/data/contracts")).body as unknown as Record<
      string,
      unknown
    >[];
    expect(all.map((each) => [each["security_type"], each["code"], each["delivery_date"]])).toEqual(
      [
        ["STK", "2330", ""],
        ["STK", "2890", ""],
        ["STK", "6488", ""],
        ["FUT", "TXFL6", "2099/12/16"],
        ["FUT", "MXFL6", "2099/12/16"],
      ],
    );
    expect(all[0]).toMatchObject({ unit: 1_000, reference: 2_000, target_code: "" });
    expect((await bench.get("/api/v1/nowhere")).body).toMatchObject({ code: 404 });
    expect((await bench.post("/api/v1/stream/subscribe", { code: 1 })).status).toBe(422);
    const unknown = await subscribe(bench, { ...STOCK, code: "9999" });
    expect([unknown.status, unknown.body["success"]]).toEqual([200, false]);
  });

  it("five levels a side and ticks whose total rises by their volume, as the truth has them", async () => {
    await using bench = await Bench.start("SHIOAJI");
    await using events = await streaming(bench);
    await until("ticks", () => events.events.filter(({ name }) => name === "tick_stk").length > 3);
    const ticks = events.events.filter(({ name }) => name === "tick_stk").map(({ data }) => data);
    for (const [at, tick] of ticks.entries()) {
      const before = ticks[at - 1];
      if (before === undefined) continue;
      const rise = (tick["total_volume"] as number) - (before["total_volume"] as number);
      expect(rise).toBe(tick["volume"]);
    }
    const book = books(events).at(-1)?.data ?? {};
    expect((book["bid_price"] as string[]).length).toBe(5);
    const entry = bench.feeds.truth
      .page(0)
      .entries.find(
        ({ symbol, key }) =>
          symbol === book["code"] && BigInt(key) / 1_000_000n === BigInt(utc(book)),
      );
    expect(entry?.bids.map(([px]) => px)).toEqual(book["bid_price"]);
    expect(entry?.asks.map(([, qty]) => Number(qty))).toEqual(book["ask_volume"]);
  });

  it("a continuous future without its contract is accepted and only heartbeats come", async () => {
    await using bench = await Bench.start("SHIOAJI", { scale: 60 });
    const alone = { ...FUTURE, code: "TXFR1", target_code: null };
    expect((await subscribe(bench, alone)).body["success"]).toBe(true);
    await using events = new Events({ port: bench.port });
    await until("heartbeats", () => events.events.length >= 3);
    expect(events.events.every(({ name }) => name === "heartbeat")).toBe(true);
    await subscribe(bench, { ...alone, target_code: "TXFL6" });
    await events.next("bidask_fop");
  });

  it("the same over a unix socket that only this user can open", async () => {
    const dir = mkdtempSync(join(tmpdir(), "sj-"));
    try {
      const socketPath = join(dir, "d.sock");
      await using bench = await Bench.start("SHIOAJI", { shioajiSocket: socketPath });
      expect(statSync(socketPath).mode & 0o777).toBe(0o600);
      const status = await new Promise<number>((resolve, reject) => {
        request({ socketPath, path: "/api/v1/stream/subscribe", method: "POST" }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        })
          .once("error", reject)
          .end(JSON.stringify(STOCK));
      });
      expect(status).toBe(200);
      await using events = new Events({ socketPath });
      await events.next("bidask_stk");
      expect(bench.port).toBeGreaterThan(0);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("the night session crosses midnight in Taipei: the date turns with the time", async () => {
    await using bench = await Bench.start("SHIOAJI");
    await using events = await streaming(bench);
    bench.throw("night_session", { ms: 3_200 });
    const of = (date: string, hour: string) =>
      until(`${date} ${hour}`, () =>
        books(events).find(
          ({ data }) => data["date"] === date && String(data["time"]).startsWith(hour),
        ),
      );
    await of("2026-11-25", "23:59");
    await of("2026-11-26", "00:00");
  });

  it("skew, leap, gap, duplicate, crossed, reorder, mute and slow reader, each really there", async () => {
    await using bench = await Bench.start("SHIOAJI");
    await using events = await streaming(bench);
    const newest = () => utc(books(events).at(-1)?.data ?? {});
    bench.throw("clock_skew", { ms: 400 });
    await until("skew", () => Math.abs(newest() - Date.now() - 2_000) < 900);
    bench.throw("wall_leap", { ms: 400 });
    await until("leap", () => newest() - Date.now() > 3_000_000);
    await until("back", () => Math.abs(newest() - Date.now()) < 900);
    bench.throw("duplicate");
    await until("the double", () => {
      const all = books(events).map(
        ({ data }) => `${data["code"]} ${data["date"]} ${data["time"]}`,
      );
      return new Set(all).size < all.length;
    });
    bench.throw("crossed");
    await until("a crossed book", () =>
      books(events).find(({ data }) => {
        const [bid = ""] = data["bid_price"] as string[];
        const [ask = ""] = data["ask_price"] as string[];
        return Number(bid) > Number(ask);
      }),
    );
    for (const name of ["gap", "reorder_symbols", "heartbeat_only", "slow_client"] as const) {
      bench.throw(name, name === "heartbeat_only" ? { ms: 300 } : {});
      await until(name, () => bench.injected(name) === 1);
    }
    const before = events.events.length;
    await until("data again", () => events.events.length > before + 5);
  });

  it("a restart forgets the subscriptions; a half-open stream says nothing more", async () => {
    await using bench = await Bench.start("SHIOAJI", { scale: 60 });
    await using events = await streaming(bench);
    bench.throw("roll_24h");
    await until("the end", () => events.ended);
    expect((await bench.get("/api/v1/stream/status")).body["subscriptions"]).toEqual([]);
    bench.throw("slow_accept", { ms: 300 });
    const started = performance.now();
    await using again = await streaming(bench);
    expect(performance.now() - started).toBeGreaterThan(280);
    bench.throw("half_open");
    await until("the fault", () => bench.injected("half_open") === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = again.events.length;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect([again.events.length, again.ended]).toEqual([before, false]);
  });
});
