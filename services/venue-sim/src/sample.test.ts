import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { SAMPLE_FILES } from "./config.ts";
import { loadSample, onLot, parseLine, SampleError } from "./sample.ts";

const dir = mkdtempSync(join(tmpdir(), "sample-"));
afterAll(() => rmSync(dir, { recursive: true }));

const SNAPSHOT = '1723161254206652067 {"lastUpdateId":5,"bids":[],"asks":[]}';
const DEPTH =
  '1723161254937085768 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":4,"u":6,"b":[],"a":[]}}';

function refused(text: string | Buffer): SampleError {
  const path = join(dir, "made.jsonl");
  writeFileSync(path, text);
  try {
    loadSample([path]);
  } catch (error) {
    expect(error).toBeInstanceOf(SampleError);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).not.toContain("\n");
    return error as SampleError;
  }
  throw new Error("it was accepted");
}

describe("loadSample", () => {
  it("reads the shipped samples: both markets, one snapshot each, 150 s of venue time", () => {
    const sample = loadSample(SAMPLE_FILES);
    expect(sample.records.length).toBe(16_191 + 34_172);
    expect([...sample.snapshots.keys()].sort()).toEqual(["spot", "usdm"]);
    expect(sample.spanNs / 1e9).toBeGreaterThan(149);
    expect(sample.lagMsMin).toBeLessThan(-1_200);
    const ordered = sample.records.every(
      (r, n) => n === 0 || r.atNs >= (sample.records[n - 1]?.atNs ?? 0),
    );
    expect(ordered).toBe(true);
  });

  it("a sound file is accepted (control), plain or packed", () => {
    const path = join(dir, "good.jsonl.gz");
    writeFileSync(path, gzipSync(`${SNAPSHOT}\n${DEPTH}\n`));
    expect(loadSample([path]).records).toHaveLength(2);
  });

  it.each([
    ["a line without its stamp", `${SNAPSHOT}\n${DEPTH.slice(20)}\n`, 2],
    ["a cut line", `${SNAPSHOT}\n${DEPTH.slice(0, -20)}\n${DEPTH}\n`, 2],
    ["not JSON", `${SNAPSHOT}\n${DEPTH.replace('"U":4', '"U":x')}\n`, 2],
    ["an id that is no integer", `${SNAPSHOT}\n${DEPTH.replace('"u":6', '"u":6.5')}\n`, 2],
    ["another symbol", `${SNAPSHOT}\n${DEPTH.replace("BTCUSDT", "ETHUSDT")}\n`, 2],
    ["receive time that goes back", `${DEPTH}\n${SNAPSHOT}\n`, 2],
    ["two markets in one file", `${SNAPSHOT}\n${DEPTH.replace('"u":6', '"u":6,"pu":3')}\n`, 2],
    ["no snapshot", `${DEPTH}\n`, 0],
    ["nothing at all", "\n", 0],
  ])("%s is refused with file and line", (_, text, line) => {
    expect(refused(text).line).toBe(line);
  });

  it("damaged gzip and a missing file are refused with the file", () => {
    const packed = gzipSync(`${SNAPSHOT}\n${DEPTH}\n`);
    packed.fill(0xff, 12, 30);
    expect(refused(packed).message).toContain("gzip");
    expect(() => loadSample(["/nonexistent.gz"])).toThrow("/nonexistent.gz: no such file");
  });

  it("onLot() cuts what lies below a lot and nothing else", () => {
    expect(onLot('[["200000.00000000","25.42618900"],["1.12345678","0.00001000"]]')).toBe(
      '[["200000.00000000","25.42618000"],["1.12345678","0.00001000"]]',
    );
    const changed = loadSample(SAMPLE_FILES).records.filter(
      ({ text, bytes }) => bytes.toString() !== text,
    );
    expect(changed).toHaveLength(1);
  });

  it("parseLine() names an unknown stream", () => {
    expect(typeof parseLine(DEPTH.replace("@depth@100ms", "@kline_1m"))).toBe("string");
  });
});
