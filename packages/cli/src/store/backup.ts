/** `hft store backup` and `restore`: the WAL, which every store is made from, and the tables that are not. */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { walSegments, walVerifyAsync } from "@tidegate/rust-core";
import { type AuditRow, openRelational, type QueryRow } from "@tidegate/storage";
import { z } from "zod";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { fileHash, synced } from "./tier.ts";

const MANIFEST = "backup.json";
/** Tables whose rows are not in the WAL. */
const REGISTRY = ["limits", "experiments", "audit_log"] as const;
const Manifest = z.strictObject({
  version: z.literal(1),
  files: z.array(
    z.strictObject({
      path: z.string().regex(/^(wal|tables)\/[A-Za-z0-9._-]+$/),
      bytes: z.number().int().nonnegative(),
      sha256: z.string(),
    }),
  ),
});

export interface BackupOptions {
  readonly wal: string;
  readonly database: string | null;
  readonly to: string;
  readonly say: (line: string) => void;
}

/** Copies the sealed segments and the tables of the registry to an empty folder; the manifest is written last. */
export async function backup({ wal, database, to, say }: BackupOptions): Promise<Result> {
  if (existsSync(to) && readdirSync(to).length > 0)
    throw new UsageError(`--to ${to}: is not empty; want a new folder for each backup`);
  for (const folder of ["wal", "tables"]) mkdirSync(join(to, folder), { recursive: true });
  const sealed = walSegments(wal).filter((segment) => segment.sealed);
  if (sealed.length === 0) throw new UsageError(`--wal ${wal}: there is no sealed segment`);
  const paths: string[] = [];
  for (const { path } of sealed) {
    const name = `wal/${basename(path)}`;
    copyFileSync(path, join(to, name));
    synced(join(to, name));
    paths.push(name);
  }
  let rows = 0;
  if (database !== null) {
    await using store = openRelational(database);
    for (const table of REGISTRY) {
      say(table);
      const all = await store.query(`SELECT * FROM ${table}`);
      rows += all.length;
      const name = `tables/${table}.jsonl`;
      writeFileSync(join(to, name), all.map((row) => `${line(row)}\n`).join(""));
      synced(join(to, name));
      paths.push(name);
    }
  }
  const files = [];
  for (const path of paths) files.push({ path, ...(await fileHash(join(to, path))) });
  writeFileSync(join(to, MANIFEST), `${JSON.stringify({ version: 1, files }, null, 1)}\n`);
  for (const name of [MANIFEST, "wal", "tables", "."]) synced(join(to, name));
  const report = await walVerifyAsync(join(to, "wal"));
  return result("store backup", [check("wal_faults", report.faultsTotal, "=", 0)], {
    segments: sealed.length,
    wal_records: report.records,
    registry_rows: rows,
  });
}

export interface RestoreOptions {
  readonly from: string;
  /** A new folder for the WAL; stores are then made by `hft store rebuild`. */
  readonly wal: string;
  readonly database: string | null;
}

/** Puts a backup back after every file has been held against its manifest; nothing is written when one of them is other. */
export async function restore({ from, wal, database }: RestoreOptions): Promise<Result> {
  const path = join(from, MANIFEST);
  if (!existsSync(path)) throw new UsageError(`--from ${from}: there is no ${MANIFEST}`);
  if (existsSync(wal) && readdirSync(wal).length > 0)
    throw new UsageError(`--wal ${wal}: is not empty; want a new folder`);
  const read = Manifest.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!read.success) throw new UsageError(`${path}: ${z.prettifyError(read.error)}`);
  const { files } = read.data;
  for (const file of files) {
    const found = existsSync(join(from, file.path)) ? await fileHash(join(from, file.path)) : null;
    if (found?.sha256 !== file.sha256)
      throw new Error(
        `${join(from, file.path)} is ${found === null ? "missing" : "damaged"}: nothing was restored; take another copy of the backup`,
      );
  }
  mkdirSync(wal, { recursive: true });
  for (const file of files.filter((each) => each.path.startsWith("wal/"))) {
    const into = join(wal, basename(file.path));
    copyFileSync(join(from, file.path), into);
    synced(into);
  }
  synced(wal);
  const report = await walVerifyAsync(wal);
  let rows = 0;
  if (database !== null) {
    await using store = openRelational(database);
    await store.migrate();
    for (const table of REGISTRY) {
      const name = join(from, "tables", `${table}.jsonl`);
      if (!existsSync(name)) continue;
      const lines = readFileSync(name, "utf8")
        .split("\n")
        .filter((each) => each !== "");
      if (table === "audit_log") {
        rows += await store.appendAudit(lines.map(auditRow));
        continue;
      }
      for (const each of lines) {
        const row = JSON.parse(each) as Record<string, string>;
        const names = Object.keys(row);
        if (names.some((column) => !/^[a-z_][a-z0-9_]*$/.test(column)))
          throw new Error(`${name}: ${names.join()} are no columns`);
        const values = names.map((column) => `:${column}`).join(", ");
        await store.query(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${values})`, row);
        rows += 1;
      }
    }
  }
  return result("store restore", [check("wal_faults", report.faultsTotal, "=", 0)], {
    wal_records: report.records,
    registry_rows: rows,
  });
}

function auditRow(text: string): AuditRow {
  const row = JSON.parse(text) as Record<string, string>;
  const of = (name: string): string => row[name] ?? "";
  return {
    seq: Number(of("seq")),
    tsNs: BigInt(of("ts_ns")),
    monoNs: BigInt.asUintN(64, BigInt(of("mono_ns"))),
    epoch: Number(of("epoch")),
    actor: of("actor"),
    action: of("action"),
    beforeHash: of("before_hash"),
    afterHash: of("after_hash"),
    reason: of("reason"),
    prev: of("prev"),
    hash: of("hash"),
  };
}

/** Every value as text, which keeps 64 bits whole. */
function line(row: QueryRow): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])),
  );
}
