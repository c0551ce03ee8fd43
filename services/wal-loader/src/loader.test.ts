import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Insert, Recording } from "@tidegate/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Claim } from "./claim.ts";
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

function loader(repository: Recording, ledgerDir: string, claim?: Claim): Loader {
  return new Loader({
    wal,
    ...(claim === undefined ? {} : { claim }),
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

  it("uses no memory again of which an insert may still be under way, whatever fails meanwhile [A33]", async () => {
    const folder = openWal(GOLDEN);
    const event = fc.record({
      turns: fc.nat(6),
      fate: fc.constantFrom<Fate>("works", "works", "works", "refused", "answer lost"),
    });
    const rooms = new Set<ArrayBufferLike>();
    let inserts = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 40, maxLength: 80 }), async (script) => {
        const dir = mkdtempSync(join(tmpdir(), "loader-"));
        const events = [...script];
        const repository = new ModelRepository(rowsOf);
        repository.fate = () => events[0]?.fate ?? "works";
        const insert = repository.insert.bind(repository);
        repository.insert = async (given) => {
          const { turns = 0 } = events[0] ?? {};
          const before = Buffer.from(given.body);
          for (let turn = 0; turn < turns; turn += 1)
            await new Promise((next) => setImmediate(next));
          expect(given.body.equals(before)).toBe(true);
          rooms.add(given.body.buffer);
          inserts += 1;
          const outcome = insert(given);
          events.shift();
          return outcome;
        };
        const current = new Loader({
          wal: folder,
          repository,
          ledgerDir: dir,
          nowNs: () => 0n,
          random: () => 0,
          pause: async () => {},
          bounds: { blocks: 1, records: 1, bytes: 1 },
        });
        while (await current.step());
        const whole = readGroup(folder, START)?.blocks.flatMap(({ records }) => records) ?? [];
        expect(repository.rows()).toHaveLength(whole.length);
        rmSync(dir, { recursive: true });
      }),
      { numRuns: 30 },
    );
    // Memory is used again, or this would prove nothing.
    expect(rooms.size).toBeLessThan(0.8 * inserts);
  });

  /** Two loaders at once over a WAL that grows, each insert of theirs arriving as late as `delays` says. */
  const together = async (
    delays: readonly number[],
    growth: number,
    dirs: readonly [string, string],
  ): Promise<ModelRepository> => {
    const repository = new ModelRepository(rowsOf);
    const left = [...delays];
    const late: Recording = {
      ping: () => repository.ping(),
      migrate: () => repository.migrate(),
      highest: () => repository.highest(),
      highestBlock: () => repository.highestBlock(),
      counts: () => repository.counts(),
      records: () => repository.records(),
      async [Symbol.asyncDispose]() {},
      async insert(insert) {
        for (let turns = left.pop() ?? 0; turns > 0; turns -= 1)
          await new Promise((turn) => setImmediate(turn));
        wal.visible = Math.min(120, wal.visible + growth);
        await repository.insert(insert);
      },
    };
    wal.visible = growth;
    await Promise.all(
      dirs.map(async (dir) => {
        const current = loader(late, dir);
        for (let idle = 0; idle < 40; ) {
          if (await current.step()) continue;
          idle += 1;
          if (idle % 10 === 0) wal.visible = Math.min(120, wal.visible + growth);
          await new Promise((turn) => setImmediate(turn));
        }
        wal.visible = 120;
        while (await current.step());
      }),
    );
    return repository;
  };

  it("two loaders of one folder that both work, however late their inserts arrive, put every record in once [A33 B058]", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 12 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 9 }),
        async (delays, growth) => {
          const dir = mkdtempSync(join(tmpdir(), "loader-"));
          const repository = await together(delays, growth, [dir, dir]);
          rmSync(dir, { recursive: true });
          expect(repository.rows()).toEqual(wal.records.map(({ walSeq }) => walSeq));
          expect(repository.tables.get("wal_blocks")).toHaveLength(120);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("two loaders that do not agree where groups end load twice: the check above can fail", async () => {
    const dirs = [0, 1].map(() => mkdtempSync(join(tmpdir(), "loader-"))) as [string, string];
    const delays = Array.from({ length: 200 }, (_, at) => (at * 7) % 13);
    const repository = await together(delays, 3, dirs);
    for (const dir of dirs) rmSync(dir, { recursive: true });
    expect(repository.rows().length).toBeGreaterThan(wal.records.length);
  });

  it("a loader that lost its claim writes nothing more and says so; it goes on once the claim is its own again [A33]", async () => {
    const dir = mkdtempSync(join(tmpdir(), "loader-"));
    const repository = new ModelRepository(rowsOf);
    let looks = 0;
    let lostFrom = Number.POSITIVE_INFINITY;
    const claim = {
      fence: 7,
      holds: () => {
        looks += 1;
        return looks < lostFrom;
      },
    };
    wal.visible = 4;
    const current = loader(repository, dir, claim);
    expect(await current.step()).toBe(true);
    const inserts = repository.inserts.length;
    wal.visible = 120;
    // At the step's beginning it still holds the claim; before its first insert it does not.
    lostFrom = looks + 2;
    expect(await current.step()).toBe(false);
    expect(repository.inserts.length).toBe(inserts);
    expect(current.stats()).toMatchObject({ state: "STANDBY", fence: 7, fenced: 1, retries: 0 });
    expect(await current.step()).toBe(false);
    expect(current.stats().fenced).toBe(1);
    lostFrom = Number.POSITIVE_INFINITY;
    while (await current.step());
    expect(repository.rows()).toEqual(wal.records.map(({ walSeq }) => walSeq));
    expect(current.stats().state).toBe("RUNNING");
    rmSync(dir, { recursive: true });
  });

  it("takes the ends a ledger of an earlier version was amid: what was under way keeps its token", async () => {
    const dirs = [0, 1].map(() => mkdtempSync(join(tmpdir(), "loader-")));
    const [whole, amid] = dirs as [string, string];
    const repository = new ModelRepository(rowsOf);
    wal.visible = 30;
    while (await loader(repository, whole).step());
    const tokens = repository.inserts.map(({ token }) => token);
    const ledger = {
      ...START,
      next: { segment: 1, offset: 0 },
      pendingTo: readGroup(wal, START)?.to ?? null,
    };
    writeFileSync(join(amid, "ledger.json"), JSON.stringify(ledger));
    const again = new ModelRepository(rowsOf);
    wal.visible = 120;
    await loader(again, amid).step();
    expect(again.inserts.map(({ token }) => token)).toEqual(tokens);
    for (const dir of dirs) rmSync(dir, { recursive: true });
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
