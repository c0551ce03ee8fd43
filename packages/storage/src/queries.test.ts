import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PayloadKind, PayloadOf } from "@tidegate/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmbeddedClickHouse, findEmbedded, startEmbeddedClickHouse } from "./embedded.ts";
import { flowRows, intentIdOf, lifeOf } from "./flow.ts";
import { QUERIES, queryNamed } from "./queries.ts";
import { openSqlite } from "./relational/sqlite.ts";
import type { RelationalStore } from "./relational/store.ts";
import { idText, RELATIONAL_KINDS } from "./relational/tables.ts";
import { openRepository, type Repository } from "./repository.ts";
import type { QueryParams, QueryRow } from "./store.ts";
import { type RecordRow, TABLES } from "./tables.ts";
import { RowBinaryWriter, writeRow } from "./testing/row-binary.ts";

const START_NS = 1_796_000_000_000_000_000n;
const FLOW = { seed: 5, orders: 350, marketPerOrder: 6, startNs: START_NS, stepNs: 200_000_000n };
const ROWS = [...flowRows(FLOW)];
const DAY = { from_ns: START_NS, to_ns: START_NS + 86_400_000_000_000n };

interface Said<K extends PayloadKind> {
  readonly row: RecordRow;
  readonly value: PayloadOf<K>;
}
function all<K extends PayloadKind>(kind: K): Said<K>[] {
  return ROWS.filter(({ envelope }) => envelope.payload.kind === kind).map((row) => ({
    row,
    value: row.envelope.payload.value as PayloadOf<K>,
  }));
}
const fills = all("fill");
const tops = all("bookTop");

/** The last top of book known at a time: a plain walk over all of them. */
function bookAt(ns: bigint): { readonly bid: number; readonly ask: number } {
  let found = { bid: 0, ask: 0 };
  for (const { value } of tops)
    if (value.tsRecvNs <= ns) found = { bid: value.bidPxTicks, ask: value.askPxTicks };
  return found;
}
function momentsOf(fill: Said<"fill">): { readonly decided: bigint; readonly arrived: bigint } {
  const { intentId } = fill.value;
  const intent = all("intent").find(({ value }) => value.intentId === intentId);
  const sent = all("report").find(
    ({ value }) => value.intentId === intentId && value.kind === "SENT",
  );
  return {
    decided: intent?.row.envelope.tsEventNs ?? 0n,
    arrived: sent?.row.envelope.tsRecvNs ?? 0n,
  };
}
const number = (value: unknown): number => Number(value);

describe("the queries of the relational store", () => {
  let store: RelationalStore;
  beforeAll(async () => {
    store = openSqlite(":memory:");
    await store.migrate();
    await store.insert({
      firstWalSeq: 1,
      to: { walSeq: ROWS.length, segment: 1, offset: 1 },
      records: ROWS.filter(({ envelope }) =>
        (RELATIONAL_KINDS as readonly string[]).includes(envelope.payload.kind),
      ),
      quarantined: [],
    });
  });
  afterAll(() => store[Symbol.asyncDispose]());
  const ask = (name: string, params?: QueryParams) => store.query(queryNamed(name).sql, params);

  it("all run, and answer what they say they answer", async () => {
    for (const { name, store: on, params, rows: wanted } of QUERIES) {
      if (on !== "relational") continue;
      const given = "order" in params ? { order: idText(intentIdOf(1)) } : {};
      const rows = (await ask(name, given)).length;
      // Nobody acted on this day: what a day may have is not there.
      expect([name, rows > 0]).toEqual([name, wanted === undefined]);
    }
    const orders = await ask("orders");
    const accepted = Array.from({ length: FLOW.orders }, (_, n) => lifeOf(n)).filter(
      (life) => life !== "refused",
    );
    expect(orders).toHaveLength(accepted.length);
    const last = fills.at(-1)?.value;
    expect(await ask("positions")).toMatchObject([
      { position_lots: BigInt(last?.positionLots ?? 0) },
    ]);
    const fees = fills.reduce((sum, { value }) => sum + value.feeE8, 0n);
    expect(await ask("fees")).toEqual([
      { instrument_id: 1n, fee_asset: "USDT", fills: BigInt(fills.length), fees_e8: fees },
    ]);
    const life = await ask("order-explained", { order: idText(intentIdOf(1)) });
    expect(life.map(({ what }) => what)).toEqual(
      "intent reply update command report report update report fill update report fill update".split(
        " ",
      ),
    );
  });

  it("an order whose fills do not add up is found", async () => {
    await store.command("DROP TRIGGER fill_no_delete");
    await store.command("DELETE FROM fill WHERE wal_seq = (SELECT max(wal_seq) FROM fill)");
    expect(await ask("fills-unlike-orders")).toHaveLength(1);
  });
});

const found = findEmbedded();

describe.skipIf("kind" in found)("the queries of ClickHouse (needs chdb)", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "tidegate-queries-"));
  let server: EmbeddedClickHouse;
  let repository: Repository;
  beforeAll(async () => {
    const started = await startEmbeddedClickHouse({ dataDir });
    if (started.kind === "absent") throw new Error(started.remedy);
    server = started;
    repository = openRepository(server.url);
    await repository.migrate();
    for (const table of Object.values(TABLES)) {
      const own = ROWS.filter(({ envelope }) => TABLES[envelope.payload.kind] === table);
      const out = new RowBinaryWriter();
      for (const row of own) writeRow(out, table, row);
      if (own.length > 0)
        await repository.insert({
          table: table.name,
          token: table.name,
          format: "RowBinary",
          body: out.bytes(),
        });
    }
  });
  afterAll(async () => {
    await repository[Symbol.asyncDispose]();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const ask = (name: string, params: QueryParams = {}) =>
    repository.query(queryNamed(name).sql, params);

  it("OHLC at any interval is that of the trades themselves", async () => {
    for (const interval of [1_000_000_000n, 7_000_000_000n, 60_000_000_000n]) {
      const buckets = new Map<bigint, number[]>();
      for (const { value } of all("trade")) {
        const at = (value.tsVenueNs / interval) * interval;
        buckets.set(at, [...(buckets.get(at) ?? []), value.pxTicks]);
      }
      const wanted = [...buckets].map(([bucket, px]) => [
        bucket,
        [px[0], Math.max(...px), Math.min(...px), px.at(-1)],
      ]);
      const rows = await ask("ohlc", { interval_ns: interval, instrument: 1, ...DAY });
      const got = rows.map((row) => [
        BigInt(String(row["bucket_ns"])),
        ["open", "high", "low", "close"].map((key) => number(row[key])),
      ]);
      expect(got).toEqual(wanted);
      const volume = all("trade").reduce((sum, { value }) => sum + value.qtyLots, 0);
      expect(rows.reduce((sum, row) => sum + number(row["volume_lots"]), 0)).toBe(volume);
    }
  });

  it("the life of one order is what was said of it, in order [B061]", async () => {
    const rows = await ask("order-life", { order: idText(intentIdOf(2)) });
    expect(lifeOf(2)).toBe("cancelled");
    expect(rows.map(({ what, state }) => `${what} ${state}`)).toEqual([
      "intent NEW",
      "reply ACCEPTED",
      "update PENDING_NEW",
      "command NEW",
      "report SENT",
      "report ACK",
      "update LIVE",
      "update PENDING_CANCEL",
      "command CANCEL",
      "report CANCELLED",
      "update CANCELLED",
    ]);
  });

  it("latency by hop is the quantile of the orders themselves", async () => {
    const sent = all("report").filter(({ value }) => value.kind === "SENT");
    const ns = sent.map(({ value }) => Number(value.wireMonoNs - value.commandMonoNs));
    const sorted = ns.sort((a, b) => a - b);
    const [row] = (await ask("latency-by-hop", DAY)).filter(({ hop }) => hop === "command to wire");
    expect([row?.["orders"], row?.["p50_ns"], row?.["max_ns"]].map(number)).toEqual([
      sent.length,
      sorted[Math.floor(sorted.length / 2)],
      sorted.at(-1),
    ]);
  });

  it("each fill stands beside the book at its three moments [B093]", async () => {
    const rows = await ask("fills-with-book", DAY);
    expect(rows).toHaveLength(fills.length);
    rows.forEach((row, at) => {
      const fill = fills[at] as Said<"fill">;
      const { decided, arrived } = momentsOf(fill);
      const books = [decided, arrived, fill.row.envelope.tsEventNs].map(bookAt);
      const got = ["decision", "arrival", "fill"].map((moment) => ({
        bid: number(row[`${moment}_bid`]),
        ask: number(row[`${moment}_ask`]),
      }));
      expect([row["id"], got]).toEqual([idText(fill.value.intentId), books]);
    });
  });

  it("TCA by instrument and side is the plain sum over the fills", async () => {
    const rows = await ask("tca", DAY);
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      const own = fills.filter(({ value }) => value.side === row["side"]);
      const sign = row["side"] === "BUY" ? 1 : -1;
      const lots = own.reduce((sum, { value }) => sum + value.qtyLots, 0);
      const cost = (at: (fill: Said<"fill">) => bigint): number =>
        own.reduce((sum, fill) => {
          const { bid, ask: offered } = bookAt(at(fill));
          return sum + sign * (fill.value.pxTicks - (bid + offered) / 2) * fill.value.qtyLots;
        }, 0) / lots;
      expect([row["fills"], row["lots"], row["fees_e8"]].map(number)).toEqual([
        own.length,
        lots,
        Number(own.reduce((sum, { value }) => sum + value.feeE8, 0n)),
      ]);
      expect(number(row["decision_cost_ticks"])).toBeCloseTo(
        cost((f) => momentsOf(f).decided),
        6,
      );
      expect(number(row["arrival_cost_ticks"])).toBeCloseTo(
        cost((f) => momentsOf(f).arrived),
        6,
      );
      expect(number(row["fill_cost_ticks"])).toBeCloseTo(
        cost((f) => f.row.envelope.tsEventNs),
        6,
      );
      const later = (f: Said<"fill">) => f.row.envelope.tsEventNs + 1_000_000_000n;
      expect(number(row["markout_1s_ticks"])).toBeCloseTo(-cost(later), 6);
    }
  });

  it("every accepted order has its best-execution record, with the market at decision and arrival [B093]", async () => {
    const rows = await ask("best-execution", DAY);
    const accepted = all("intentReply").filter(({ value }) => value.decision === "ACCEPTED");
    const ids = accepted.map(({ value }) => idText(value.intentId)).sort();
    expect(rows.map(({ id }) => id)).toEqual(ids);
    for (const row of rows) {
      const own = fills.filter(({ value }) => idText(value.intentId) === row["id"]);
      const lots = own.reduce((sum, { value }) => sum + value.qtyLots, 0);
      const { bid, ask: offered } = bookAt(BigInt(String(row["decided_ns"])));
      expect([row["filled_lots"], row["decision_bid"], row["decision_ask"]].map(number)).toEqual([
        lots,
        bid,
        offered,
      ]);
    }
  });

  it("refusals are counted by who and why", async () => {
    const rows = await ask("refusals", DAY);
    const wanted = new Map<string, number>();
    const add = (key: string): void => void wanted.set(key, (wanted.get(key) ?? 0) + 1);
    for (const { value } of all("intentReply"))
      if (value.decision === "REFUSED") add(`gateway ${value.reason}`);
    for (const { value } of all("report"))
      if (value.kind === "REJECT") add(`venue ${value.reason}`);
    const got = rows.map(
      ({ who, reason, orders }) => [`${who} ${reason}`, number(orders)] as const,
    );
    expect(new Map(got)).toEqual(wanted);
  });

  it("an order without its full chain is found, and none is on a whole day [B061]", async () => {
    expect(await ask("broken-chains")).toEqual([]);
    expect(await ask("stream-gaps")).toEqual([]);
    const id: QueryRow | undefined = (await ask("best-execution", DAY))[0];
    await repository.command(
      `ALTER TABLE tidegate.command DELETE WHERE intent_id = toUInt128('${BigInt(`0x${id?.["id"]}`)}') SETTINGS mutations_sync = 1`,
    );
    expect((await ask("broken-chains")).map((row) => row["id"])).toEqual([id?.["id"]]);
  });
});
