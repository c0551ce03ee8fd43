import type { Command } from "commander";

/** Records fetched at once. */
const CHUNK = 1_000;

/** `hft audit …`: the trail of every act. */
export function addAudit(program: Command): void {
  const audit = program
    .command("audit")
    .description("the audit trail: who did what, and its proof");
  audit
    .command("verify")
    .description(
      "prove a trail: chain, signatures, second copy; names the first record that is bad",
    )
    .argument("<dir>", "folder of the trail")
    .requiredOption("--key <hex>", "public key of the signer, 64 hex digits")
    .option("--copy <dir>", "folder of the second copy")
    .option("--json", "print the report as JSON")
    .addHelpText("after", "\nExample: ./hft audit verify var/audit --copy /mnt/audit --key <hex>")
    .action(async (dir: string, options: { key: string; copy?: string; json?: true }) => {
      const { auditVerify } = await import("@tidegate/rust-core");
      const { UsageError } = await import("../sim/options.ts");
      if (!/^[0-9a-f]{64}$/i.test(options.key)) {
        throw new UsageError(`--key ${options.key}: want 64 hex digits`);
      }
      const report = auditVerify(dir, options.copy ?? null, Buffer.from(options.key, "hex"));
      if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else {
        const lines = [
          `${report.records} records in ${report.segments} segments hold; ${report.checkpoints} checkpoints, signed up to record ${report.signedSeq}`,
          ...(report.firstBad === null
            ? []
            : [`first bad record: ${report.firstBad.seq}: ${report.firstBad.what}`]),
          ...report.faults,
          report.ok ? "the trail holds" : "the trail does NOT hold",
        ];
        process.stdout.write(`${lines.join("\n")}\n`);
      }
      process.exitCode = report.ok ? 0 : 1;
    });
  audit
    .command("cat")
    .description("print records, one JSON object a line, as far as the chain holds")
    .argument("<dir>", "folder of the trail")
    .option("--after <seq>", "begin behind this record", "0")
    .option("--limit <n>", "at most so many", "1000")
    .addHelpText("after", "\nExample: ./hft audit cat var/audit --after 120 --limit 5")
    .action(async (dir: string, options: { after: string; limit: string }) => {
      const { auditRead } = await import("@tidegate/rust-core");
      const { whole } = await import("../numbers.ts");
      let after = whole("--after", options.after, 0);
      let left = whole("--limit", options.limit, 1);
      while (left > 0) {
        const records = auditRead(dir, after, Math.min(left, CHUNK));
        for (const record of records) {
          const text = JSON.stringify(record, (_, value: unknown) =>
            typeof value === "bigint" ? String(value) : value,
          );
          process.stdout.write(`${text}\n`);
          after = record.seq;
        }
        left -= records.length;
        if (records.length === 0) break;
      }
    });
}
