/** The command line: every command, its flags and what it loads to run. */

import { Command } from "commander";
import { addAudit } from "./commands/audit.ts";
import { addBacktest } from "./commands/backtest.ts";
import { addBench } from "./commands/bench.ts";
import { addConfig } from "./commands/config.ts";
import { addConformance } from "./commands/conformance.ts";
import { addData } from "./commands/data.ts";
import { addDesk } from "./commands/desk.ts";
import { addDlq } from "./commands/dlq.ts";
import { addDrill } from "./commands/drill.ts";
import { addFeature } from "./commands/feature.ts";
import { addFeed } from "./commands/feed.ts";
import { addGateway } from "./commands/gateway.ts";
import { addJournal } from "./commands/journal.ts";
import { addMd } from "./commands/md.ts";
import { addRecon } from "./commands/recon.ts";
import { addReplay } from "./commands/replay.ts";
import { addRisk } from "./commands/risk.ts";
import { addSim } from "./commands/sim.ts";
import { addSoak } from "./commands/soak.ts";
import { addStore } from "./commands/store.ts";
import { addStrat } from "./commands/strat.ts";
import { addTca } from "./commands/tca.ts";
import { addVerify } from "./commands/verify.ts";
import { addWal } from "./commands/wal.ts";

/** What every run of the cluster takes. */
const clusterOptions = (command: Command): Command =>
  command
    .option("--duration <seconds>", "wall seconds of trading", "60")
    .option("--speed <factor>", "recorded seconds per wall second", "1")
    .option("--seed <n>", "seed of everything random", "1")
    .option(
      "--strategy <name>",
      "a name in strategies/, a .ts file, several, or shipped",
      "simple-mm",
    )
    .option("--capture", "write down what gateway and strategies are given, to run it again")
    .option("--chaos <plan>", "kill:PROCESS@SECONDSs[,…], or kill:each")
    .option("--clickhouse <where>", "embedded, none, or a URL", "embedded")
    .option("--otlp <url>", "send traces to this OTLP/HTTP endpoint")
    .option("--port-base <port>", "first of the TCP ports to use (0: any free ones)", "0")
    .option("--run-dir <folder>", "where the run's files lie (default: a new one in var/run)")
    .option("--keep", "keep the run's files")
    .option("--json", "print the result object as the last line");

/** All commands of `hft` for the clone at `root`; it prints and sets the exit code, and throws where commander would exit. */
export function hft(root: string): Command {
  const program = new Command("hft")
    .description("Tidegate: a trading cluster whose gateway owns the account")
    .version("0.1.0")
    .configureOutput({ outputError: (text, write) => write(`hft: ${text}`) })
    .exitOverride();

  const runCommand = program.command("run").description("run a cluster");
  clusterOptions(runCommand.command("sim"))
    .description("trade a recorded real market against venue-sim, then prove that the books agree")
    .option("--data <files...>", "capture files instead of data/samples")
    .addHelpText("after", "\nExample: ./hft run sim --duration 30 --chaos kill:gateway@10s")
    .action(async (raw) => {
      const { runSim } = await import("./sim/run.ts");
      await runSim(root, raw);
    });

  clusterOptions(runCommand.command("paper"))
    .description(
      "trade a venue's own market with made-up fills: no key is needed, no venue is sent an order",
    )
    .option("--session <folder>", "the market of a kept run, instead of Binance's public streams")
    .option("--data <files...>", "the market of capture files, instead of Binance's public streams")
    .addHelpText("after", "\nExample: ./hft run paper --duration 600 --strategy simple-mm --keep")
    .action(async (raw) => {
      const { runPaper } = await import("./sim/run.ts");
      await runPaper(root, raw);
    });

  program
    .command("test")
    .description("lint, then every test; ends with the tally")
    .option("--only <part>", "only crates or test files whose name has this part, without lint")
    .option("--list", "print the names of all tests")
    .option("--watch", "run TypeScript tests again as files change")
    .option("--no-lint", "tests alone")
    .addHelpText("after", "\nExample: ./hft test --only bus")
    .action(async (options: { only?: string; list?: true; watch?: true; lint: boolean }) => {
      const { listTests, test } = await import("./test/test.ts");
      if (options.list) {
        process.stdout.write(`${(await listTests(root)).join("\n")}\n`);
        return;
      }
      const ok = await test(root, {
        only: options.only ?? null,
        watch: options.watch ?? false,
        skipLint: !options.lint,
      });
      process.exitCode = ok ? 0 : 1;
    });

  program
    .command("lint")
    .description("format, lint, types, contracts, Rust, import directions")
    .option("--fix", "first put right what the tools can")
    .addHelpText("after", "\nExample: ./hft lint --fix")
    .action(async (options: { fix?: true }) => {
      const { lint } = await import("./lint.ts");
      process.exitCode = (await lint(root, options.fix ?? false)) ? 0 : 1;
    });

  program
    .command("dev")
    .description("watch TypeScript tests while you work")
    .argument("[part]", "only test files whose name has this part")
    .addHelpText("after", "\nExample: ./hft dev strategies")
    .action(async (part: string | undefined) => {
      const { test } = await import("./test/test.ts");
      await test(root, { only: part ?? null, watch: true, skipLint: true });
    });

  addVerify(program, root);
  addBacktest(program, root);
  addBench(program, root);
  addConformance(program, root);
  addData(program, root);
  addDesk(program, root);
  addDlq(program);
  addDrill(program, root);
  addFeature(program, root);
  addGateway(program);
  addJournal(program, root);
  addSim(program, root);
  addAudit(program);
  addRecon(program);
  addReplay(program, root);
  addRisk(program);
  addConfig(program);
  addFeed(program);
  addMd(program);
  addWal(program);
  addSoak(program, root);
  addStore(program);
  addStrat(program, root);
  addTca(program);

  program.command("build").description("build what changed and stop (the launcher does it)");
  return program;
}
