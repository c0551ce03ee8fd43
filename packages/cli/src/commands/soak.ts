import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { UsageError } from "../sim/options.ts";
import { principalOf } from "./risk.ts";

/** `hft soak …` and `hft golive …`: rehearsed sessions, and the gate before live trading. */
export function addSoak(program: Command, root: string): void {
  program
    .command("soak")
    .description("long rehearsals with a verdict")
    .command("paper")
    .description(
      "recorded sessions through paper, each judged by named criteria; a report says GO or NO-GO",
    )
    .option("--sessions <n>", "how many, at even distances over the recording", "10")
    .option("--duration <seconds>", "wall seconds of each", "15")
    .option("--speed <factor>", "recorded seconds per wall second", "1")
    .option("--seed <n>", "seed of the first session; each has the next", "1")
    .option("--data <files...>", "capture files instead of data/samples")
    .option(
      "--strategy <name>",
      "a name in strategies/, a .ts file, several, or shipped",
      "simple-mm",
    )
    .option("--latency-us <n>", "budget of p99 from tick to wire, µs", "100000")
    .option("--explained <codes>", "reason codes of refusals that are known, with commas between")
    .option("--out <folder>", "where the report goes (default: a new folder in var/soak)")
    .option("--break <name>", "plant a fault into the second session: fill, parity, case, reject")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft soak paper --sessions 10 --json")
    .action(async (raw) => {
      const { soakPaper } = await import("../soak/soak.ts");
      const { report } = await import("../result.ts");
      const value = await soakPaper(root, { ...raw, plant: raw.break });
      process.stderr.write(
        `hft: ${String(value.figures["verdict"])}; the report is ${String(value.figures["report"])}/report.html\n`,
      );
      report(value, raw.json ?? false);
    });

  const golive = program.command("golive").description("the gate before live trading");
  golive
    .command("sign")
    .description("a person signs a soak's report that says GO; one that says NO-GO is not signed")
    .argument("<report>", "report.json of hft soak paper")
    .option("--as <principal>", "who signs (default: TIDEGATE_PRINCIPAL, else the user's name)")
    .requiredOption("--key <file>", "the private key of the principal")
    .option("--days <n>", "for how long, at most 31", "7")
    .option("--out <file>", "the signed file (default: go-live.json beside the report)")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExample: ./hft golive sign var/soak/1/report.json --as ann --key ann.key",
    )
    .action(
      async (
        report: string,
        options: { as?: string; key: string; days: string; out?: string; json?: true },
      ) => {
        const { readSigner, signGoLive } = await import("@tidegate/service-kit/control");
        const name = principalOf({ runDir: ".", ...(options.as ? { as: options.as } : {}) });
        const days = Number(options.days);
        if (!Number.isFinite(days)) throw new UsageError(`--days ${options.days}: want a number`);
        const signer = readSigner(name, resolve(options.key));
        const signed = signGoLive(readFileSync(report, "utf8"), signer, Date.now(), days);
        const out = resolve(options.out ?? join(dirname(report), "go-live.json"));
        writeFileSync(out, `${JSON.stringify(signed, null, 2)}\n`, { mode: 0o644 });
        const until = new Date(signed.validUntilMs).toISOString();
        process.stdout.write(
          options.json
            ? `${JSON.stringify({ ok: true, signedBy: name, until, file: out })}\n`
            : `${name} signed it until ${until}: ${out}\n`,
        );
      },
    );
  golive
    .command("check")
    .description("whether a signed report opens the gate now; exit 1 when it does not, with why")
    .argument("<file>", "go-live.json")
    .requiredOption("--principals <file>", "the principals file of the cluster")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExample: ./hft golive check go-live.json --principals state/principals.json",
    )
    .action(async (file: string, options: { principals: string; json?: true }) => {
      const { checkGoLive, readPrincipals } = await import("@tidegate/service-kit/control");
      const gate = checkGoLive(
        resolve(file),
        readPrincipals(resolve(options.principals)),
        Date.now(),
      );
      const until = new Date(gate.validUntilMs).toISOString();
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ ok: true, signedBy: gate.by, until })}\n`
          : `open until ${until}, signed by ${gate.by}\n`,
      );
    });
}
