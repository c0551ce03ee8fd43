import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Envelope, Money } from "@tidegate/contracts";
import { RestClient, WeightBudget } from "@tidegate/venues";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlpacaSide } from "../../services/monitor/src/recon/alpaca.ts";
import { OurBook } from "../../services/monitor/src/recon/book.ts";
import { CaseFile } from "../../services/monitor/src/recon/cases.ts";
import { Recon } from "../../services/monitor/src/recon/core.ts";
import { ReconDesk } from "../../services/monitor/src/recon/desk.ts";
import { alpacaHandshake, PrivateStream } from "../../services/monitor/src/recon/stream.ts";
import { Bench } from "../../services/venue-sim/src/trading/alpaca/testing.ts";

const GRID = {
  symbol: "AAPL",
  px: { pxScale: 2, tickUnits: 1n },
  qty: { qtyScale: 6, lotUnits: 1n },
};
const PLACE = { venueId: 3, instrumentId: 3 };
const SHARE = 1_000_000;
/** As the bench's market stands: 100.01 is asked. */
const ASK = 10_001;
const KILL = { key: "sim-kill", secret: () => "sim-kill-secret" };

/** The monitor's own desk against venue-sim's account, both as they run; our side is told by records of a journal. */
describe("the reconciliation of Alpaca against its simulator [A28 B053]", () => {
  let dir: string;
  let bench: Bench;
  let desk: ReconDesk;
  let stream: PrivateStream;
  let begun = 0;
  const frozen: number[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "tidegate-recon-alpaca-"));
    bench = await Bench.start({ ratesScale: 100 });
    frozen.length = 0;
    begun = 0;
    const book = new OurBook(
      { baseAsset: "AAPL", quoteAsset: "USD", baseE8PerLot: 100n, quoteE8PerTickLot: 1n },
      { AAPL: 0n, USD: 100_000n * 100_000_000n },
    );
    const rules = {
      ...{ instrumentId: 3, baseAsset: "AAPL", quoteAsset: "USD", settleMs: 300 },
      ...{ cashTolerance: 0n as Money, graveCases: 100 },
    };
    const headers = { "apca-api-key-id": KILL.key, "apca-api-secret-key": KILL.secret() };
    desk = new ReconDesk({
      venue: new AlpacaSide(new RestClient({ baseUrl: bench.base, headers }), GRID, Date.now()),
      recon: new Recon(rules, book),
      ...{ place: PLACE, book, settleMs: 300, whole: () => true },
      heardMs: () => performance.now(),
      // Sooner than the venue's budget would have it: what is asked and read is the same.
      budget: new WeightBudget(20_000, 100),
      periods: { orders: 300, balances: 350, executions: 400, cash: 450 },
      file: new CaseFile(join(dir, "alpaca.ndjson")),
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      freeze: async (instrument) => frozen.push(instrument) > 0,
      halt: async () => true,
      lookAgain: async () => true,
    });
    stream = new PrivateStream({
      handshake: alpacaHandshake(bench.base.replace("http", "ws"), KILL),
      onText: (text) => desk.hear(text),
      onUp: () => {
        begun += 1;
        desk.askAll();
      },
      onDown: () => undefined,
    });
    await expect.poll(() => begun, { timeout: 5_000 }).toBe(1);
    await expect.poll(() => desk.status().asked.cash, { timeout: 5_000 }).toBeGreaterThan(0);
  });
  afterEach(async () => {
    stream.stop();
    desk.stop();
    await bench[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  const record = (kind: string, value: object): void =>
    desk.take({ payload: { kind, value: { ...PLACE, ...value } } } as unknown as Envelope);
  const sent = (clientOrderId: string, pxTicks: number) =>
    record("command", { kind: "NEW", clientOrderId, side: "BUY", pxTicks, qtyLots: SHARE });
  const kinds = () => desk.cases().open.map(({ kind }) => kind);
  const found = (kind: string, state = "OPEN") =>
    expect
      .poll(
        () => desk.cases().open.filter((each) => each.kind === kind && each.state === state).length,
        {
          timeout: 5_000,
        },
      )
      .toBe(1);
  const limit = (id: string, price: string) =>
    bench.place({ client_order_id: id, limit_price: price, qty: "1", time_in_force: "gtc" });

  it("an order we sent, its fill and its end are no difference", async () => {
    sent("ours", ASK);
    const { body } = await limit("ours", "100.01");
    expect(body["status"]).toBeDefined();
    const fill = async () => (await bench.ask("GET", "/v2/account/activities/FILL")).body;
    await expect.poll(async () => Object.keys(await fill()).length, { interval: 10 }).toBe(1);
    const [row] = Object.values(await fill()) as Record<string, string>[];
    record("report", {
      ...{ kind: "FILL", clientOrderId: "ours", execId: row?.["id"]?.split("::")[1] },
      ...{ venueOrderId: row?.["order_id"], side: "BUY", lastPxTicks: ASK, lastQtyLots: SHARE },
      ...{ feeE8: 0n, feeAsset: "USD" },
      tsVenueNs: BigInt(Date.parse(row?.["transaction_time"] ?? "")) * 1_000_000n,
    });
    const { asked } = desk.status();
    await expect
      .poll(() => desk.status().asked.executions, { timeout: 5_000 })
      .toBeGreaterThan(asked.executions + 2);
    expect(kinds()).toEqual([]);
    expect(frozen).toEqual([]);
  });

  it("an order of somebody else: told on the stream, and by the list where nobody is told", async () => {
    await limit("person-1", "90");
    await found("ORDER_UNKNOWN_HERE");
    expect(frozen).toEqual([3]);
    bench.throw("gap", { count: 1 });
    await limit("person-2", "90");
    await expect.poll(() => kinds().length, { timeout: 5_000 }).toBe(2);
    expect(desk.cases().open[1]?.evidence[0]?.source).toBe("orders");
  });

  it("an order of ours that is gone and nobody tells", async () => {
    sent("ours", 9_000);
    const { body } = await limit("ours", "90");
    await expect.poll(() => desk.status().events, { timeout: 5_000 }).toBeGreaterThan(0);
    bench.throw("gap", { count: 1 });
    await bench.ask("DELETE", `/v2/orders/${String(body["id"])}`);
    await found("ORDER_GONE_THERE");
    record("report", { kind: "CANCELLED", clientOrderId: "ours" });
    await found("ORDER_GONE_THERE", "AGREED");
  });

  it("a fill of ours that nobody tells: by the list, by the position and by the cash", async () => {
    bench.throw("gap", { count: 2 });
    sent("ours", ASK);
    await limit("ours", "100.01");
    for (const kind of ["ORDER_GONE_THERE", "EXECUTION_MISSING_HERE", "POSITION", "CASH"])
      await found(kind);
    const text = readFileSync(join(dir, "alpaca.ndjson"), "utf8");
    expect(text.split("\n").length).toBeGreaterThan(4);
  });

  it("somebody else's trade is adopted once, and the account agrees", async () => {
    await bench.place({ client_order_id: "person", type: "market", qty: "1" });
    await found("EXECUTION_MISSING_HERE");
    await found("POSITION");
    const open = desk.cases().open.find(({ kind }) => kind === "EXECUTION_MISSING_HERE");
    desk.adopt(open?.id ?? 0, "ann and bob", "a trade by hand");
    await found("POSITION", "AGREED");
  });

  it("shares and dollars that move without a word; the stream begins again after its end", async () => {
    const moved = { symbol: "AAPL", qtyE8: "100000000", cashE8: "-5000000" };
    await bench.ask("POST", "/_sim/transfer", moved);
    await found("POSITION");
    await found("CASH");
    bench.throw("disconnect");
    await expect.poll(() => begun, { timeout: 10_000 }).toBe(2);
  });
});
