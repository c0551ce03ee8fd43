import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Envelope, encodeEnvelope } from "@tidegate/contracts";
import { crc32c } from "@tidegate/rust-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { letterJson, letterLine } from "../commands/dlq.ts";
import { type Act, DlqFault, decide, readLetters } from "./letters.ts";
import { intentOf, replayable } from "./replay.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "dlq-"));
  mkdirSync(join(dir, "dlq"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const ID = "0123456789abcdefghijklmno";

/** A line as the router writes it. */
function line(n: number, over: Record<string, unknown> = {}, id = ID): string {
  const value = {
    ...{ commandSeq: n, gatewayEpoch: 1, holder: 9n, kind: "NEW", intentId: 1n << 96n },
    ...{ clientOrderId: id, generation: 0, instrumentId: 1, venueId: 1, accountId: 1, side: "BUY" },
    ...{ orderType: "LIMIT", tif: "GTC", pxTicks: 6_180_020, qtyLots: 5, ttlNs: 0n },
    ...{ tickMonoNs: 0n, intentMonoNs: 0n, commandMonoNs: 0n, reportSeqSeen: 0, approval: "" },
    ...{ strategyVersion: 0n, traderId: 0, deskId: 0, clientId: 0 },
  };
  const envelope = {
    ...{ schemaVersion: 1, source: "EXECUTION_ROUTER", traceHi: 0n, traceLo: 0n, spanId: 0n },
    ...{ tsEventNs: 5n, tsRecvNs: 5n, logSeq: 0, payload: { kind: "command", value } },
  };
  const command = Buffer.from(encodeEnvelope(envelope as unknown as Envelope)).toString("hex");
  const body = JSON.stringify({
    ...{ v: 1, n, tsNs: "1700000000000000000", reason: "RATE_BUDGET", text: "", id, epoch: 1 },
    ...{ seq: n, kind: "NEW", command },
    ...over,
  });
  return `${crc32c(body).toString(16).padStart(8, "0")} ${body}\n`;
}
const write = (...lines: string[]) =>
  writeFileSync(join(dir, "dlq/letters.ndjson"), lines.join(""));
const act = (over: Partial<Act> = {}): Act => ({
  ...{ act: "dropped", n: 1, id: ID, by: "ann", tsMs: 1, why: "gone" },
  ...over,
});

describe("letters [A24]", () => {
  it("the checksum is the Castagnoli one", () => {
    // The check value of the polynomial's catalogue entry.
    expect(crc32c("123456789")).toBe(0xe3069283);
  });

  it("are read with their reason and their whole command; no file is no letter", () => {
    expect(readLetters(dir)).toEqual([]);
    write(line(1), line(2, { reason: "BREAKER_OPEN" }, "1".repeat(25)));
    const [first, second] = readLetters(dir);
    expect([first?.n, first?.reason, first?.command.pxTicks]).toEqual([
      1,
      "RATE_BUDGET",
      6_180_020,
    ]);
    expect(second?.reason).toBe("BREAKER_OPEN");
    expect(letterLine(first as never)).toContain(
      "RATE_BUDGET         NEW 0123456789abcdefghijklmno",
    );
    expect(letterJson(first as never)).toMatchObject({ n: 1, tsNs: "1700000000000000000" });
  });

  it("a last line that is not finished is none yet, and a damaged one is said by its place", () => {
    write(line(1), line(2).slice(0, 40));
    expect(readLetters(dir).map(({ n }) => n)).toEqual([1]);
    write(line(1), line(2).replace("RATE_BUDGET", "RATE_BUDGEX"));
    expect(() => readLetters(dir)).toThrow(/line 2: damaged/);
  });
});

describe("what is done about a letter [A24]", () => {
  it("is decided once, by whoever is first", () => {
    expect(decide(dir, act())).toEqual(act());
    expect(decide(dir, act({ act: "replayed", by: "bob" }))).toEqual(act());
    expect(readdirSync(join(dir, "dlq/acts"))).toEqual([`${ID}.json`]);
    write(line(1));
    expect(readLetters(dir)[0]?.act).toEqual(act());
  });

  it("a decision whose maker died before it was written is nobody's to guess", () => {
    decide(dir, act());
    writeFileSync(join(dir, "dlq/acts", `${ID}.json`), "");
    write(line(1));
    expect(() => readLetters(dir)).toThrow(DlqFault);
  });

  it("a dropped one, and one that is no new order, cannot be replayed", () => {
    write(line(1), line(2, { kind: "AMEND" }, "1".repeat(25)), line(3, {}, "2".repeat(25)));
    decide(dir, act());
    const [dropped, amend, fine] = readLetters(dir);
    expect(() => replayable(dropped as never)).toThrow(/was dropped by ann: gone/);
    expect(() => replayable(amend as never)).toThrow(/is a AMEND/);
    expect(() => replayable(fine as never)).not.toThrow();
  });

  it("a name that is no order id makes no file anywhere", () => {
    expect(() => decide(dir, act({ id: "../../x" }))).toThrow(/no client order id/);
    expect(existsSync(join(dir, "dlq/acts"))).toBe(false);
  });

  it("the intent of a replay is of the strategy that sends it", () => {
    const intent = intentOf(900, 1_700_000_000_123, 12);
    expect([
      intent >> 96n,
      (intent >> 64n) & 0xffff_ffffn,
      intent & 0xffff_ffff_ffff_ffffn,
    ]).toEqual([900n, 1_700_000_000n, 12n]);
  });
});
