/** The audit trail, checked and shown. */

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readAudit } from "@tidegate/service-kit/control";
import { UsageError } from "../sim/options.ts";

/** Prints the verdict and the last records; whether the chain is whole. */
export function auditShown(
  options: { readonly runDir: string; readonly file?: string; readonly json?: true },
  last: number,
): boolean {
  const path = resolve(options.file ?? join(options.runDir, "audit/gateway.ndjson"));
  if (!existsSync(path))
    throw new UsageError(`${path}: no such file; name the trail with --file or --run-dir`);
  const { records, broken, torn } = readAudit(readFileSync(path));
  const shown = records.slice(-Math.max(0, last));
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ ok: broken === null, records: records.length, broken, torn, last: shown })}\n`,
    );
    return broken === null;
  }
  for (const { seq, tsNs, actor, action, phase, status, body, detail } of shown) {
    const at = new Date(Number(BigInt(tsNs) / 1_000_000n)).toISOString();
    process.stdout.write(
      `${seq}  ${at}  ${actor}  ${action}  ${phase}${status === 0 ? "" : ` ${status}`}  ${body}${detail}\n`,
    );
  }
  const verdict =
    broken === null
      ? `${records.length} records, the chain is whole`
      : `BROKEN at record ${broken.seq}: ${broken.why}`;
  process.stdout.write(`${verdict}\n`);
  return broken === null;
}
