import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { livePlaces, SAMPLE_FILES, Settings } from "./config.ts";
import { FeedRecord } from "./feed-record.ts";
import { newRustMarket } from "./rust-market.ts";
import { loadSample } from "./sample.ts";
import { startVenueSim, systemClock, type VenueSim } from "./service.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "live-"));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function venue(settings: Record<string, unknown>) {
  const dir = folder();
  const started = await startVenueSim(Settings.parse({ venueDir: dir, ...settings }), {
    clock: systemClock,
    newMarket: newRustMarket,
    onFatal: (error) => {
      throw error;
    },
  });
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    await started[Symbol.asyncDispose]();
  };
  undo.push(close);
  return { venue: started, dir, close };
}

const REST = { spot: "/api/v3/depth", usdm: "/fapi/v1/depth" } as const;
type Market = keyof typeof REST;
type Book = { lastUpdateId: number; bids: unknown[]; asks: unknown[] };

async function book({ port }: VenueSim, market: Market): Promise<Book> {
  const url = `http://127.0.0.1:${port}${REST[market]}?symbol=BTCUSDT&limit=50`;
  return (await (await fetch(url)).json()) as Book;
}

/** One of a recorded market, and one that takes its market from the first. */
async function pair(more: Record<string, unknown> = {}) {
  const { venue: feed } = await venue({});
  const [ws, http] = [`ws://127.0.0.1:${feed.port}`, `http://127.0.0.1:${feed.port}`];
  const {
    venue: paper,
    dir,
    close,
  } = await venue({
    ...{ liveSpotStreamUrl: ws, liveSpotRestUrl: http, liveReconnectMsMin: 50 },
    ...{ liveUsdmStreamUrl: ws, liveUsdmRestUrl: http, ...more },
  });
  return { feed, paper, dir, close };
}

const live = (paper: VenueSim, market: Market) =>
  (paper.stats()["live"] as Record<Market, Record<string, number>>)[market];
const inStep = (paper: VenueSim) => expect.poll(() => paper.synced, { timeout: 10_000 }).toBe(true);

/** Both books at one id, level by level: the feed's own book is the independent answer. */
async function equalBooks(feed: VenueSim, paper: VenueSim, market: Market): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const [theirs, ours] = await Promise.all([book(feed, market), book(paper, market)]);
    if (theirs.lastUpdateId !== ours.lastUpdateId) continue;
    expect(ours.bids.length).toBe(50);
    expect([ours.bids, ours.asks]).toEqual([theirs.bids, theirs.asks]);
    return;
  }
  throw new Error("the two books never stood at one id");
}

function control({ port }: VenueSim, fault: Record<string, unknown>): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/_sim`, { method: "POST", body: JSON.stringify(fault) });
}

describe("a venue on the live market of another", () => {
  it("has that market's books, and gives them on as they came", async () => {
    const { feed, paper } = await pair();
    await inStep(paper);
    await equalBooks(feed, paper, "spot");
    await equalBooks(feed, paper, "usdm");
    for (const market of ["spot", "usdm"] as const)
      expect(live(paper, market)).toMatchObject({ refused: 0, resyncs: 0, snapshots: 1 });
  }, 30_000);

  it("a message that is missing costs the book until the next snapshot", async () => {
    const { feed, paper } = await pair();
    await inStep(paper);
    await control(feed, { fault: "depth_gap", market: "spot", count: 1 });
    await expect.poll(() => live(paper, "spot")?.["resyncs"], { timeout: 5_000 }).toBe(1);
    await inStep(paper);
    await equalBooks(feed, paper, "spot");
    // The other market has lost nothing.
    expect(live(paper, "usdm")?.["resyncs"]).toBe(0);
  }, 30_000);

  it("a feed that is gone leaves no book behind, and comes back by itself", async () => {
    const { feed, paper } = await pair();
    await inStep(paper);
    const gone = expect.poll(() => paper.synced, { timeout: 5_000, interval: 1 }).toBe(false);
    await control(feed, { fault: "disconnect" });
    await gone;
    await inStep(paper);
    expect(live(paper, "spot")?.["lost"]).toBe(1);
    await equalBooks(feed, paper, "spot");
  }, 30_000);

  it("writes down what it heard, and a replay takes it", async () => {
    const { paper, dir, close } = await pair({ liveRecord: true });
    await inStep(paper);
    await expect
      .poll(() => Number(paper.stats()["events"]), { timeout: 10_000 })
      .toBeGreaterThan(800);
    const heard = Number(paper.stats()["events"]);
    await close();
    const files = ["spot", "usdm"].map((market) => join(dir, `feed-${market}.jsonl`));
    const sample = loadSample(files);
    expect(sample.records.length).toBeGreaterThanOrEqual(heard);
    // Each is a message of the recording that the feed serves, but for its times.
    const timeless = (text: string) => text.replace(/"([ET])":\d+/g, "");
    const known = new Set(loadSample(SAMPLE_FILES).records.map(({ text }) => timeless(text)));
    const ours = sample.records.filter(({ kind }) => kind !== "snapshot");
    expect(ours.filter(({ text }) => !known.has(timeless(text)))).toEqual([]);
  }, 30_000);

  it("is only where both ends of it are named", () => {
    const one = { liveSpotStreamUrl: "ws://h:1", liveSpotRestUrl: "http://h:1" };
    expect([...livePlaces(Settings.parse(one)).keys()]).toEqual(["spot"]);
    expect(livePlaces(Settings.parse({})).size).toBe(0);
  });

  it.each([
    [{ liveSpotStreamUrl: "ws://h:1" }, "liveSpotStreamUrl is set but liveSpotRestUrl is not"],
    [{ liveUsdmRestUrl: "http://h:1" }, "liveUsdmRestUrl is set but liveUsdmStreamUrl is not"],
  ])("half a market is refused: %o", (settings, message) => {
    expect(() => livePlaces(Settings.parse(settings))).toThrow(message);
  });
});

it("a record ends, whole, at its bound, and its times never go back", () => {
  const dir = folder();
  const clock = { now: 1_800_000_000_000, nowMs: () => clock.now };
  const record = new FeedRecord(dir, clock, 2);
  const text = '{"lastUpdateId":5,"bids":[],"asks":[]}';
  const one = {
    market: "spot",
    kind: "snapshot",
    stream: "",
    text,
    bytes: Buffer.from(text),
    id: 5,
  };
  for (const now of [1_800_000_000_000, 1_700_000_000_000, 1_800_000_000_001]) {
    clock.now = now;
    record.add(one as Parameters<FeedRecord["add"]>[0]);
  }
  expect(record.full).toBe(true);
  record.close();
  const lines = readFileSync(join(dir, "feed-spot.jsonl"), "utf8").trimEnd().split("\n");
  expect(lines).toEqual([`1800000000000000000 ${text}`, `1800000000000000000 ${text}`]);
});
