import type { Command } from "commander";
import type { From } from "../wal/records.ts";

/** How often a growing WAL is looked at, ms. */
const TAIL_MS = 100;
const LIMIT = "1000";

/** `hft wal …`: the recorder's log. */
export function addWal(program: Command): void {
  const wal = program.command("wal").description("the recorder's write-ahead log");
  wal
    .command("info")
    .description("segments, their records, bytes and hashes")
    .argument("<dir>", "folder of the segments")
    .option("--json", "print one JSON object a segment")
    .addHelpText("after", "\nExample: ./hft wal info var/run/last/wal")
    .action(async (dir: string, options: { json?: true }) => {
      const { walReadBlock, walSegments } = await import("@tidegate/rust-core");
      const { blocks } = await import("../wal/records.ts");
      for (const segment of walSegments(dir)) {
        let [records, count, end] = [0, 0, 0];
        let [from, to] = [0, 0];
        for (const { block } of blocks(segment)) {
          from = from === 0 ? (block.records[0]?.walSeq ?? 0) : from;
          to = block.records.at(-1)?.walSeq ?? to;
          records += block.records.length;
          count += 1;
          end = block.next;
        }
        const footer = segment.sealed ? walReadBlock(segment.path, end) : null;
        const hash = footer?.kind === "footer" ? footer.hash : null;
        const { index, sealed, bytes } = segment;
        const row = { index, sealed, bytes, blocks: count, records, from, to, hash };
        const text = `${String(index).padStart(10, "0")} ${sealed ? "sealed" : "open  "} ${bytes} bytes, ${count} blocks, ${records} records ${from}..${to} ${hash?.slice(0, 16) ?? "-"}`;
        process.stdout.write(`${options.json ? JSON.stringify(row) : text}\n`);
      }
    });
  wal
    .command("verify")
    .description("prove every checksum, hash and footer, and account for every sequence")
    .argument("<dir>", "folder of the segments")
    .option("--json", "print the report as JSON")
    .addHelpText("after", "\nExample: ./hft wal verify var/run/last/wal --json")
    .action(async (dir: string, options: { json?: true }) => {
      const { walVerifyAsync } = await import("@tidegate/rust-core");
      const report = await walVerifyAsync(dir);
      if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else {
        const lines = [
          `${report.records} records in ${report.blocks} blocks of ${report.segments} segments (${report.sealed} sealed)`,
          `${report.gapsAccounted} messages in gap records, ${report.gapsUnaccounted} unaccounted for, ${report.duplicates} twice`,
          ...report.faults,
          report.ok ? "the WAL holds" : "the WAL does NOT hold",
        ];
        process.stdout.write(`${lines.join("\n")}\n`);
      }
      process.exitCode = report.ok ? 0 : 1;
    });
  wal
    .command("cat")
    .description("print records from a place on, one JSON object a line")
    .argument("<dir>", "folder of the segments")
    .option("--from <seq>", "first wal_seq", "1")
    .option("--stream <prefix>", "streams whose name begins so", "")
    .option("--limit <n>", "at most so many", LIMIT)
    .addHelpText("after", "\nExample: ./hft wal cat var/run/last/wal --stream md.1.1. --limit 5")
    .action(async (dir: string, options: { from: string; stream: string; limit: string }) => {
      const { whole } = await import("../numbers.ts");
      const walSeq = whole("--from", options.from, 1);
      await print(dir, { walSeq, stream: options.stream }, whole("--limit", options.limit, 1));
    });
  wal
    .command("seek")
    .description("print the first records at or after a moment")
    .argument("<dir>", "folder of the segments")
    .argument("<moment>", "ISO 8601, or ns since the Unix epoch")
    .option("--stream <prefix>", "streams whose name begins so", "")
    .option("--limit <n>", "at most so many", "1")
    .addHelpText("after", "\nExample: ./hft wal seek var/run/last/wal 2024-08-08T12:00:00Z")
    .action(async (dir: string, moment: string, options: { stream: string; limit: string }) => {
      const { whole } = await import("../numbers.ts");
      const { UsageError } = await import("../sim/options.ts");
      const ms = Date.parse(moment);
      if (!/^\d{1,19}$/.test(moment) && Number.isNaN(ms)) {
        throw new UsageError(`${moment}: want a time such as 2024-08-08T12:00:00Z, or ns`);
      }
      const tsNs = /^\d{1,19}$/.test(moment) ? BigInt(moment) : BigInt(ms) * 1_000_000n;
      await print(dir, { tsNs, stream: options.stream }, whole("--limit", options.limit, 1));
    });
  wal
    .command("tail")
    .description("print records as they are written, until interrupted")
    .argument("<dir>", "folder of the segments")
    .option("--from <seq>", "first wal_seq; without it only what is new")
    .option("--stream <prefix>", "streams whose name begins so", "")
    .option("--seconds <n>", "stop after so long")
    .addHelpText("after", "\nExample: ./hft wal tail var/run/last/wal --stream gateway.")
    .action(async (dir: string, options: { from?: string; stream: string; seconds?: string }) => {
      const { whole } = await import("../numbers.ts");
      const { Follower, lastWalSeq, line } = await import("../wal/records.ts");
      const seconds = options.seconds === undefined ? null : whole("--seconds", options.seconds, 1);
      const end = seconds === null ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1_000;
      const from =
        options.from === undefined ? lastWalSeq(dir) + 1 : whole("--from", options.from, 1);
      const follower = new Follower(dir, from);
      for (;;) {
        for (const record of follower.look()) {
          if (record.stream.startsWith(options.stream)) process.stdout.write(`${line(record)}\n`);
        }
        if (performance.now() >= end) return;
        await new Promise((resolve) => setTimeout(resolve, TAIL_MS));
      }
    });
}

async function print(dir: string, from: From, limit: number): Promise<void> {
  const { line, records } = await import("../wal/records.ts");
  let left = limit;
  const broken = ({ segment, offset }: { segment: { path: string }; offset: number }): void => {
    process.stderr.write(
      `hft: ${segment.path} is damaged at byte ${offset}: what follows in it is left out; ./hft wal verify says more\n`,
    );
    process.exitCode = 1;
  };
  for (const record of records(dir, from, broken)) {
    process.stdout.write(`${line(record)}\n`);
    left -= 1;
    if (left === 0) return;
  }
}
