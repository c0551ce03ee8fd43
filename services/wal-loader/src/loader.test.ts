import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Insert, Recording } from "@tidegate/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readGroup, START } from "./core.ts";
import { Loader } from "./loader.ts";
import { FakeWal } from "./testing/fake-wal.ts";
import { type Fate, ModelRepository } from "./testing/model-repository.ts";
import { readNative } from "./testing/native.ts";
import { openWal } from "./wal.ts";

/** Two sealed segments of one block or two each; a test of the crate `wal` keeps their bytes. */
const GOLDEN = fileURLToPath(
  new URL("../../../packages/rust-core/crates/wal/golden/v2", import.meta.url),
);

const wal = new FakeWal(3, 40, 3);
/** wal_seq of each row of an insert, of a block its last. */
function rowsOf({ table, body }: Insert): number[] {
  const key = table === "wal_blocks" ? "last_wal_seq" : "wal_seq";
  const found = readNative(body).find(({ name }) => name === key);
  return found?.values.map(Number) ?? [];
}

function loader(repository: Recording, ledgerDir: string): Loader {
  return new Loader({
    wal,
    repository,
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

  it("reads a folder one group ahead, and puts every record in once, its block after it, whatever fails or dies meanwhile [A33]", async () => {
    const whole = openWal(GOLDEN);
    const blocks = readGroup(whole, START)?.blocks ?? [];
    const last = blocks.flatMap(({ records }) => records).length;
    expect([last > 6, blocks.length > 2]).toEqual([true, true]);
    const event = fc.constantFrom<Fate | "killed" | "power cut" | "ledger lost">(
      "works",
      "works",
      "refused",
      "answer lost",
      "killed",
      "power cut",
      "ledger lost",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (script) => {
        const dir = mkdtempSync(join(tmpdir(), "loader-"));
        const repository = new ModelRepository(rowsOf);
        const events = [...script];
        let death: string | null = null;
        repository.fate = () => {
          const next = events.shift() ?? "works";
          if (next !== "works" && next !== "refused" && next !== "answer lost") {
            death = next;
            return "answer lost";
          }
          return next;
        };
        const ends: number[] = [];
        const start = () =>
          new Loader({
            wal: whole,
            repository,
            ledgerDir: dir,
            nowNs: () => 0n,
            random: () => 0,
            pause: async () => {},
            bounds: { blocks: 1, records: 99, bytes: 99_999 },
            onLoaded: ({ lastWalSeq }) => ends.push(lastWalSeq),
          });
        let current = start();
        while ((await current.step()) || death !== null) {
          if (death === null) continue;
          if (death === "power cut") repository.forgetTokens();
          if (death === "ledger lost") rmSync(join(dir, "ledger.json"), { force: true });
          death = null;
          current = start();
        }
        rmSync(dir, { recursive: true });
        const every = Array.from({ length: last }, (_, at) => at + 1);
        expect(repository.rows()).toEqual(every);
        expect(repository.tables.get("wal_blocks")).toHaveLength(blocks.length);
        expect(ends.at(-1)).toBe(last);
        const held = new Set<number>();
        for (const insert of repository.inserts) {
          const rows = rowsOf(insert);
          if (insert.table !== "wal_blocks") for (const row of rows) held.add(row);
          else
            for (const end of rows)
              expect(every.filter((walSeq) => walSeq <= end && !held.has(walSeq))).toEqual([]);
        }
      }),
      { numRuns: 150 },
    );
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
