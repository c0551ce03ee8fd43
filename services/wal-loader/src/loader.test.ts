import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeEnvelope } from "@tidegate/contracts";
import type { Insert, Recording } from "@tidegate/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Loader } from "./loader.ts";
import { FakeWal } from "./testing/fake-wal.ts";
import { type Fate, ModelRepository } from "./testing/model-repository.ts";

const wal = new FakeWal(3, 40, 3);
/** wal_seq (of a block its last) of each row: the token names the bytes, the WAL says which rows they are. */
const decoded = new Map(
  wal.records.map((record) => [record.walSeq, decodeEnvelope(record.payload)]),
);

const tableOf = (walSeq: number): string => {
  const found = decoded.get(walSeq);
  if (found?.ok !== true) return "quarantine";
  return found.envelope.payload.kind === "trade" ? "trade" : "stream_gap";
};

/** Rows of an insert from its body: each row of a table of records begins with its wal_seq, which rises within the insert. */
function rowsOf({ table, body }: Insert): number[] {
  if (table === "wal_blocks") {
    const size = 8 + 4 + 8 + 8 + 4 + 4;
    return Array.from({ length: body.length / size }, (_, i) =>
      Number(body.readBigUInt64LE(i * size + 20)),
    );
  }
  const candidates = wal.records
    .map(({ walSeq }) => walSeq)
    .filter((walSeq) => tableOf(walSeq) === table);
  const first = Number(body.readBigUInt64LE(0));
  const rows: number[] = [];
  let at = 0;
  for (const walSeq of candidates.filter((each) => each >= first)) {
    const key = Buffer.alloc(8);
    key.writeBigUInt64LE(BigInt(walSeq));
    const found = body.indexOf(key, at);
    if (found < 0) break;
    rows.push(walSeq);
    at = found + 8;
  }
  return rows;
}

function loader(repository: Recording, ledgerDir: string): Loader {
  return new Loader({
    wal,
    repository,
    decode: decodeEnvelope,
    ledgerDir,
    nowNs: () => 0n,
    random: () => 0,
    pause: async () => {},
  });
}

describe("Loader", () => {
  it("puts every record of a WAL in once whatever fails, dies or is forgotten [A33 B058]", async () => {
    const event = fc.constantFrom<Fate | "killed" | "power cut" | "ledger lost">(
      "works",
      "works",
      "works",
      "refused",
      "answer lost",
      "killed",
      "power cut",
      "ledger lost",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 40 }),
        fc.integer({ min: 1, max: 120 }),
        async (script, growth) => {
          const dir = mkdtempSync(join(tmpdir(), "loader-"));
          const repository = new ModelRepository(rowsOf);
          const events = [...script];
          repository.fate = () => {
            const next = events.shift();
            if (next === "killed" || next === "power cut" || next === "ledger lost") {
              pendingDeath = next;
              return "answer lost";
            }
            return next ?? "works";
          };
          let pendingDeath: string | null = null;
          wal.visible = 0;
          let current = loader(repository, dir);
          for (let turn = 0; turn < 400; turn += 1) {
            wal.visible = Math.min(120, wal.visible + growth);
            const more = await current.step();
            if (pendingDeath !== null) {
              if (pendingDeath === "power cut") repository.forgetTokens();
              if (pendingDeath === "ledger lost") rmSync(join(dir, "ledger.json"), { force: true });
              pendingDeath = null;
              current = loader(repository, dir);
            } else if (!more && wal.visible === 120) break;
          }
          rmSync(dir, { recursive: true });
          expect(repository.rows()).toEqual(wal.records.map(({ walSeq }) => walSeq));
          expect(repository.tables.get("wal_blocks")).toHaveLength(120);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("a loader that trusts neither token nor tables loads twice: the checks above can fail", async () => {
    const dir = mkdtempSync(join(tmpdir(), "loader-"));
    const repository = new ModelRepository(rowsOf);
    repository.highest = async () => new Map();
    repository.highestBlock = async () => 0;
    wal.visible = 120;
    for (const _ of [1, 2]) {
      const current = loader(repository, dir);
      while (await current.step());
      repository.forgetTokens();
      rmSync(join(dir, "ledger.json"));
    }
    expect(repository.rows()).toHaveLength(2 * wal.records.length);
    rmSync(dir, { recursive: true });
  });

  it("says that the database is down, keeps what it read out of quarantine, and recovers [A30 A34]", async () => {
    const dir = mkdtempSync(join(tmpdir(), "loader-"));
    const repository = new ModelRepository(rowsOf);
    repository.fate = () => "refused";
    wal.visible = 120;
    const current = loader(repository, dir);
    expect(current.stats().state).toBe("STARTING");
    for (let i = 0; i < 5; i += 1) expect(await current.step()).toBe(true);
    expect(current.stats()).toMatchObject({
      state: "DATABASE_DOWN",
      retries: 5,
      rows: 0,
      quarantined: 0,
      lag: 360,
    });
    repository.fate = () => "works";
    while (await current.step());
    expect(current.stats()).toMatchObject({
      state: "RUNNING",
      rows: 360,
      quarantined: 27,
      lag: 0,
      lagSeconds: 0,
    });
    rmSync(dir, { recursive: true });
  });
});
