import { evidenceFault, type Row, readLedger, statusTable, unproven } from "./acceptance.ts";
import { check, report, result } from "./result.ts";
import { UsageError } from "./sim/options.ts";
import { readRecord, test, treeHash } from "./test/test.ts";

/** Rows the ledger must have: A01–A50 and B001–B105. */
const ROWS = 155;

/** `hft verify acceptance`: claims against what passed in this very checkout; runs the tests if nobody has yet. */
export async function verifyAcceptance(
  root: string,
  options: { readonly json: boolean; readonly table: boolean; readonly plant: string | null },
): Promise<void> {
  const rows = readLedger(root);
  if (options.table) {
    process.stdout.write(`${statusTable(rows)}\n`);
    return;
  }
  if (options.plant !== null && options.plant !== "claim") {
    throw new UsageError(`--break ${options.plant}: want claim`);
  }
  const [first, ...rest] = rows;
  if (options.plant === "claim" && first !== undefined) {
    rows.splice(
      0,
      rows.length,
      { ...first, status: "proven", proof: ["test:no such test"] },
      ...rest,
    );
  }
  let record = readRecord(root);
  if (record?.tree !== treeHash(root)) {
    process.stderr.write(
      "hft: no test run of this very checkout is on record; running the tests\n",
    );
    await test(root, { only: null, watch: false, skipLint: true });
    record = readRecord(root);
  }
  const claims = unproven(rows, record?.cases ?? [], (file) => evidenceFault(root, file));
  for (const claim of claims) process.stderr.write(`claimed without proof: ${claim}\n`);
  const count = (status: Row["status"]): number =>
    rows.filter((row) => row.status === status).length;
  report(
    result(
      "verify acceptance",
      [
        check("rows", rows.length, "=", ROWS),
        check("claimed_without_proof", claims.length, "=", 0),
      ],
      {
        proven: count("proven"),
        partial: count("partial"),
        open: count("open"),
        claimed_without_proof_of: rows.flatMap((row) => row.proof).length,
        tests: record?.cases.length ?? 0,
      },
    ),
    options.json,
  );
}
