import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { PROCESSES, parseSimOptions, UsageError } from "./options.ts";
import { binanceFeed, parsePaperOptions, reachable, sessionFiles } from "./paper.ts";
import { clusterPlan } from "./plan.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "paper-"));
afterAll(() => rmSync(dir, { recursive: true }));
const sample = join(root, "data/samples/binance-spot-btcusdt.jsonl.gz");

const RAW = {
  ...{ duration: "10", speed: "1", seed: "1", strategy: "simple-mm", portBase: "0" },
  clickhouse: "none",
};
const parse = (over: Record<string, unknown>) => parsePaperOptions({ ...RAW, ...over }, root);

function plan(options: Parameters<typeof clusterPlan>[0]["options"]) {
  const runDir = mkdtempSync(join(dir, "run-"));
  mkdirSync(join(runDir, "state"));
  const names = [...PROCESSES, "venue", "feed"] as const;
  const ports = Object.fromEntries(names.map((name, at) => [name, 20_000 + at])) as Record<
    (typeof names)[number],
    number
  >;
  const made = clusterPlan({ root, runDir, options, ports });
  const keys = JSON.parse(readFileSync(join(runDir, "state/venue-keys.json"), "utf8")) as Record<
    string,
    { apiKey: string }
  >;
  return { ...made, ports, keys };
}

describe("run paper", () => {
  it("takes the venue's public streams, and orders go to this machine alone", () => {
    const { configs, feed, ports, keys } = plan(parse({}));
    expect(feed).toBeNull();
    expect(configs["market-data"]).toMatchObject(binanceFeed());
    expect(configs["venue-sim"]).toMatchObject({
      liveSpotStreamUrl: "wss://stream.binance.com:9443",
      liveUsdmRestUrl: "https://fapi.binance.com",
    });
    const router = configs["execution-router"];
    const urls = Object.entries(router).filter(([name]) => /Url$/.test(name));
    expect(urls.length).toBe(5);
    for (const [, url] of urls) expect(new URL(String(url)).host).toBe(`127.0.0.1:${ports.venue}`);
    expect(router["mode"]).toBe("paper");
    for (const { apiKey } of Object.values(keys)) expect(apiKey).toMatch(/^paper-[0-9a-f]{24}$/);
    // Two runs have no key in common.
    expect(plan(parse({})).keys).not.toEqual(keys);
  });

  it("a strategy's process is set up as in any other run", () => {
    const sim = plan(parseSimOptions(RAW, root, [sample]));
    const paper = plan(parse({}));
    for (const name of ["strategy-runner", "gateway", "recorder"] as const)
      expect(paper.configs[name]).toEqual(sim.configs[name]);
    expect(paper.env).toEqual(sim.env);
  });

  it("a recording is served by a process of its own, which takes no order", () => {
    const { configs, feed, ports } = plan(parse({ data: [sample], speed: "5" }));
    expect(feed).toMatchObject({ port: ports.feed, speed: 5, data: [sample] });
    const at = `ws://127.0.0.1:${ports.feed}`;
    expect(configs["market-data"]["spotStreamUrl"]).toBe(at);
    expect(configs["venue-sim"]["liveSpotStreamUrl"]).toBe(at);
    expect(configs["venue-sim"]["data"]).toBeUndefined();
    expect(configs["execution-router"]["spotWsApiUrl"]).not.toBe(at);
  });

  it.each([
    [{ speed: "5" }, "--speed 5"],
    [{ data: [sample], session: dir }, "two markets"],
    [{ session: join(dir, "none") }, "is no folder of a run"],
    [{ data: [join(dir, "none.gz")] }, "there is no such file"],
  ])("%o: exit 2", (over, message) => {
    expect(() => parse(over)).toThrow(UsageError);
    expect(() => parse(over)).toThrow(message);
  });

  it("a session is what its venue heard, else what it replayed", () => {
    const run = mkdtempSync(join(dir, "session-"));
    mkdirSync(join(run, "config"));
    mkdirSync(join(run, "venue"));
    writeFileSync(join(run, "config/venue-sim.json"), JSON.stringify({ data: [sample] }));
    expect(sessionFiles(run)).toEqual([sample]);
    writeFileSync(join(run, "venue/feed-spot.jsonl"), "");
    expect(sessionFiles(run)).toEqual([join(run, "venue/feed-spot.jsonl")]);
  });

  it("a market that cannot be reached is said before anything starts, with what to give instead", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const at = `http://127.0.0.1:${port}`;
    await expect(reachable({ ...binanceFeed(), spotRestUrl: at, usdmRestUrl: at })).rejects.toThrow(
      /cannot be had \(ECONNREFUSED\); for a recorded one give --session/,
    );
  });
});
