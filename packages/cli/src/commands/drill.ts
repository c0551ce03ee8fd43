import type { Command } from "commander";

const DRILLS = [
  ["kill-switch", "each hand on the kill with the two others broken, orders pressed all the while"],
  ["feeds", "market data of every venue, every switch of its simulator, books against the truth"],
  ["gateway-kill", "SIGKILL to the leading gateway under load: outage, duplicates, losses"],
  ["gateway-hang", "SIGSTOP to the leading gateway under load, and what it does when it wakes"],
  ["router-kill", "SIGKILL to the execution-router under load"],
  ["split-brain", "the lease's Redis dies and a replica that never saw the lease is promoted"],
  ["rate-limit", "two processes far above one account's limits, 429 and 418 between"],
  ["recon", "six kinds of break between us and the venue, found, frozen and signed off"],
  [
    "poison",
    "a strategy that loops, throws, leaks, floods, prints, reads and connects, and its neighbour",
  ],
  ["venue-faults", "the execution-router at venues that lose, repeat, delay and get wrong"],
  ["wal-crash", "the WAL killed, failed and torn at every operation, and every bit of it flipped"],
  ["disk-pressure", "the recorder on a disk of 64 MiB that fills up while the cluster trades"],
  ["power-cut", "the power cut from under WAL, audit trail, loaders and stores on a loop image"],
  ["loader", "loaders killed, paused, doubled and left without answers, their databases restarted"],
  ["sweep", "a sweep of backtests killed half way and taken up again, by SQLite and by Redis"],
  ["audit-tamper", "an audit trail edited, deleted from, reordered and cut: each named"],
];

interface ReconFlags {
  readonly breaks: string;
  readonly kinds?: readonly string[];
  readonly venues?: readonly string[];
  readonly json?: true;
  readonly break?: string;
}

const PAIR_DRILLS = {
  "gateway-kill": { trials: 100, load: "drillGatewayKill" },
  "gateway-hang": { trials: 50, load: "drillGatewayHang" },
  "router-kill": { trials: 50, load: "drillRouterKill" },
  "split-brain": { trials: 3, load: "drillSplitBrain" },
} as const;

function addPairDrills(drill: Command, root: string): void {
  for (const [name, { trials, load }] of Object.entries(PAIR_DRILLS)) {
    const what = DRILLS.find(([each]) => each === name)?.[1] ?? "";
    drill
      .command(name)
      .description(what)
      .option("--trials <n>", "how often", String(trials))
      .option("--rate <n>", "orders a second", "300")
      .option("--seed <n>", "seed of the times of the faults", "1")
      .option("--json", "print the result object as the last line")
      .addHelpText("after", `\nExample: ./hft drill ${name} --trials ${trials} --json`)
      .action(async (options: { trials: string; rate: string; seed: string; json?: true }) => {
        const drills = {
          ...(await import("../drill/pair/failover.ts")),
          ...(await import("../drill/pair/split-brain.ts")),
        };
        const { report } = await import("../result.ts");
        const value = await drills[load](root, `drill ${name}`, {
          trials: Number(options.trials),
          perSecond: Number(options.rate),
          seed: Number(options.seed),
          progress: (line) => process.stderr.write(`${line}\n`),
        });
        report(value, options.json ?? false);
      });
  }
}

function addSweepDrill(drill: Command, root: string): void {
  drill
    .command("sweep")
    .description("a sweep of backtests killed half way and taken up again, by SQLite and by Redis")
    .option("--jobs <n>", "runs of each sweep", "520")
    .option("--break <name>", "plant a fault: forget, result")
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft drill sweep --json")
    .action(async (options: { jobs: string; break?: string; json?: true }) => {
      const { drillSweep } = await import("../backtest/sweep/drill.ts");
      const { report } = await import("../result.ts");
      const value = await drillSweep(root, {
        jobs: Number(options.jobs),
        plant: options.break ?? null,
        progress: (line) => process.stderr.write(`${line}\n`),
      });
      report(value, options.json ?? false);
    });
}

/** `hft drill …`: failures on purpose, judged. */
export function addDrill(program: Command, root: string): void {
  const drill = program
    .command("drill")
    .description("make things fail on purpose and judge what follows");
  drill
    .command("list")
    .description("the drills there are")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample: ./hft drill list")
    .action((options: { json?: true }) => {
      const text = options.json
        ? JSON.stringify(DRILLS.map(([name, what]) => ({ name, what })))
        : DRILLS.map(([name, what]) => `${name}  ${what}`).join("\n");
      process.stdout.write(`${text}\n`);
    });
  addPairDrills(drill, root);
  addSweepDrill(drill, root);
  drill
    .command("rate-limit")
    .description(
      "press the execution-router and a second process of one account far beyond the venue's limits; the venue's log judges",
    )
    .option("--seconds <n>", "how long they are pressed; more than a minute says something", "80")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: greedy, no-budget, lost-cancel")
    .addHelpText("after", "\nExample: ./hft drill rate-limit --json")
    .action(async (options: { seconds: string; json?: true; break?: string }) => {
      const { drillRateLimit } = await import("../drill/rate-limit.ts");
      const { whole } = await import("../numbers.ts");
      const { report } = await import("../result.ts");
      const value = await drillRateLimit(root, {
        seconds: whole("--seconds", options.seconds, 10),
        plant: options.break ?? null,
        progress: (text) => process.stderr.write(`${text}\n`),
      });
      report(value, options.json ?? false);
    });
  drill
    .command("recon")
    .description(
      "six kinds of break between us and Binance spot, USD-M and Alpaca on running clusters, with each venue's real weights; each is found, frozen, cleared up and signed off",
    )
    .option("--breaks <n>", "breaks of each kind", "100")
    .option("--kinds <names...>", "these kinds alone")
    .option("--venues <names...>", "these venues alone: spot, usdm, alpaca")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: blind, no-freeze, slow, greedy")
    .addHelpText("after", "\nExample: ./hft drill recon --json")
    .action(async (options: ReconFlags) => {
      const { drillRecon } = await import("../drill/recon.ts");
      const { whole } = await import("../numbers.ts");
      const { report } = await import("../result.ts");
      const value = await drillRecon(root, {
        breaks: whole("--breaks", options.breaks, 1),
        ...(options.kinds === undefined ? {} : { kinds: options.kinds }),
        ...(options.venues === undefined ? {} : { venues: options.venues }),
        plant: options.break ?? null,
        progress: (text) => process.stderr.write(`${text}\n`),
      });
      report(value, options.json ?? false);
    });
  drill
    .command("venue-faults")
    .description(
      "the execution-router at Binance spot, USD-M and a FIX venue that lose, repeat, delay and get wrong, and at ones that never answer; the venue's log judges",
    )
    .option("--seeds <n>", "episodes, by turns of each venue", "200")
    .option("--from <n>", "the first seed", "1")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: dearer, release")
    .addHelpText("after", "\nExample: ./hft drill venue-faults --seeds 200 --json")
    .action(async (options: { seeds: string; from: string; json?: true; break?: string }) => {
      const { drillVenueFaults } = await import("../drill/venue-faults.ts");
      const { whole } = await import("../numbers.ts");
      const { report } = await import("../result.ts");
      const value = await drillVenueFaults({
        seeds: whole("--seeds", options.seeds, 1),
        from: whole("--from", options.from, 0),
        plant: options.break ?? null,
        progress: (text) => process.stderr.write(`${text}\n`),
      });
      report(value, options.json ?? false);
    });
  drill
    .command("kill-switch")
    .description(
      "kill by each of the three paths with the two others broken, while a strategy presses orders; the venue's log judges",
    )
    .option("--trials <n>", "kills of each path", "30")
    .option("--resting <n>", "resting orders of the one great mass cancel of each path", "10000")
    .option("--paths <names...>", "these paths alone: gateway, router, monitor")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: wrong-file, wrong-key")
    .addHelpText("after", "\nExample: ./hft drill kill-switch --json")
    .action(
      async (options: {
        trials: string;
        resting: string;
        paths?: string[];
        json?: true;
        break?: string;
      }) => {
        const { drillKillSwitch } = await import("../drill/kill-switch.ts");
        const { parsePaths } = await import("../drill/options.ts");
        const { report } = await import("../result.ts");
        const paths = parsePaths(options.paths);
        const value = await drillKillSwitch(root, "drill kill-switch", {
          trials: Number(options.trials),
          resting: Number(options.resting),
          plant: options.break ?? null,
          ...(paths === null ? {} : { paths }),
          progress: (line) => process.stderr.write(`${line}\n`),
        });
        report(value, options.json ?? false);
      },
    );
  drill
    .command("feeds")
    .description(
      "throw every switch at every venue while market-data runs; its VALID books are held against the truth",
    )
    .option("--minutes <n>", "at least so long; every switch is thrown once whatever it takes", "5")
    .option("--seed <n>", "seed of the generated markets", "1")
    .option("--venues <names...>", "these venues alone")
    .option("--switches <names...>", "these switches alone")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: hide-gap, retry-fatal")
    .addHelpText("after", "\nExample: ./hft drill feeds --minutes 5 --json")
    .action(
      async (options: {
        minutes: string;
        seed: string;
        venues?: string[];
        switches?: string[];
        json?: true;
        break?: string;
      }) => {
        const { drillFeeds } = await import("../drill/feeds.ts");
        const { parseSwitches, parseVenues } = await import("../drill/options.ts");
        const { report } = await import("../result.ts");
        const venues = parseVenues(options.venues);
        const switches = parseSwitches(options.switches);
        const value = await drillFeeds(root, "drill feeds", {
          minutes: Number(options.minutes),
          seed: Number(options.seed),
          plant: options.break ?? null,
          ...(venues === null ? {} : { venues }),
          ...(switches === null ? {} : { switches }),
          progress: (line) => process.stderr.write(`${line}\n`),
        });
        report(value, options.json ?? false);
      },
    );
  drill
    .command("wal-crash")
    .description(
      "kill, EIO, ENOSPC, short writes and torn blocks at every operation of the WAL; each restart judged",
    )
    .option("--seeds <n>", "scripts of records and flushes to fail", "3")
    .option("--step <n>", "flip every n-th bit", "1")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: sync-lies, altered-block")
    .addHelpText("after", "\nExample: ./hft drill wal-crash --json")
    .action(async (options: { seeds: string; step: string; json?: true; break?: string }) => {
      const { prove } = await import("./measured.ts");
      const { report } = await import("../result.ts");
      const { seeds, step, break: plant } = options;
      const value = await prove(root, "drill wal-crash", { seeds, step, break: plant });
      report(value, options.json ?? false);
    });
  drill
    .command("audit-tamper")
    .description("change an audit trail in every way; the verifier must name the first bad record")
    .option("--records <n>", "records in the trail", "100000")
    .option("--cases <n>", "cases of each kind", "260")
    .option("--seed <n>", "seed of the places", "1")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: untouched, misnamed")
    .addHelpText("after", "\nExample: ./hft drill audit-tamper --json")
    .action(
      async (options: {
        records: string;
        cases: string;
        seed: string;
        json?: true;
        break?: string;
      }) => {
        const { mkdirSync } = await import("node:fs");
        const { join } = await import("node:path");
        const { prove } = await import("./measured.ts");
        const { report } = await import("../result.ts");
        const dir = join(root, "var");
        mkdirSync(dir, { recursive: true });
        const { records, cases, seed, break: plant } = options;
        const flags = { records, cases, seed, dir, break: plant };
        report(await prove(root, "drill audit-tamper", flags), options.json ?? false);
      },
    );
  drill
    .command("disk-pressure")
    .description("fill the recorder's disk while the cluster trades; orders and fills must survive")
    .option("--seed <n>", "seed of the run", "1")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "plant a fault: no-policy, lost-order")
    .addHelpText("after", "\nExample: ./hft drill disk-pressure --json")
    .action(async (options: { seed: string; json?: true; break?: string }) => {
      const { drillDiskPressure } = await import("../drill/disk-pressure.ts");
      const { whole } = await import("../numbers.ts");
      const { report } = await import("../result.ts");
      const value = await drillDiskPressure(root, {
        seed: whole("--seed", options.seed, 0),
        plant: options.break ?? null,
        progress: (text) => process.stderr.write(`${text}\n`),
      });
      report(value, options.json ?? false);
    });
  drill
    .command("poison")
    .description(
      "poisoned strategies beside one that trades: who is stopped, who is hurt, who gets out",
    )
    .option("--pairs <n>", "pairs of rounds of each case, with the deed and without", "11")
    .option("--window <ms>", "how long a round is measured", "1800")
    .option("--cases <list>", "only these, as loop:process,throw:worker")
    .option("--json", "print the result object as the last line")
    .option(
      "--break <name>",
      "plant a fault: no-watchdog, no-sandbox, hogs (all cores taken), gateway-stopped",
    )
    .addHelpText("after", "\nExample: ./hft drill poison --json")
    .action(
      async (options: {
        pairs: string;
        window: string;
        cases?: string;
        json?: true;
        break?: string;
      }) => {
        const { drillPoison } = await import("../drill/poison.ts");
        const { whole } = await import("../numbers.ts");
        const { report } = await import("../result.ts");
        const value = await drillPoison(root, {
          pairs: whole("--pairs", options.pairs, 1),
          windowMs: whole("--window", options.window, 100),
          ...(options.cases === undefined ? {} : { cases: options.cases.split(",") }),
          plant: options.break ?? null,
          progress: (text) => process.stderr.write(`${text}\n`),
        });
        report(value, options.json ?? false);
      },
    );
  drill
    .command("power-cut")
    .description(
      "cut a loop image from under WAL, audit trail, loaders and stores; nothing acknowledged is lost, no row is there twice",
    )
    .option("--rounds <n>", "power cuts", "20")
    .option("--seed <n>", "seed of the moments", "1")
    .option("--json", "print the result object as the last line")
    .option(
      "--break <name>",
      "plant a fault: boast (more is said to be safe than is), tokens-alone (loaders never ask the tables what is in), fast-recorder (it does not sync)",
    )
    .addHelpText("after", "\nExample: ./hft drill power-cut --rounds 20 --json")
    .action(async (options: { rounds: string; seed: string; json?: true; break?: string }) => {
      const { drillPowerCut } = await import("../drill/power-cut/drill.ts");
      const { whole } = await import("../numbers.ts");
      const { report } = await import("../result.ts");
      const value = await drillPowerCut(root, {
        rounds: whole("--rounds", options.rounds, 1),
        seed: whole("--seed", options.seed, 0),
        plant: options.break ?? null,
        progress: (text) => process.stderr.write(`${text}\n`),
      });
      report(value, options.json ?? false);
    });
  drill
    .command("loader")
    .description(
      "kill, pause and double wal-loaders, lose their answers, restart their databases; each record is in once",
    )
    .option("--cycles <n>", "cycles, each with one fault", "500")
    .option("--backlog <n>", "records of the backlog that one loader drains", "100000")
    .option("--data <folder>", "the reference data with the recorded day (default: TIDEGATE_DATA)")
    .option("--seed <n>", "seed of the order and the moments of the faults", "1")
    .option("--json", "print the result object as the last line")
    .option("--break <name>", "loaders with a planted defect: d5, d6, hash-after-insert")
    .addHelpText("after", "\nExample: ./hft drill loader --cycles 500 --json")
    .action(
      async (options: {
        cycles: string;
        backlog: string;
        data?: string;
        seed: string;
        json?: true;
        break?: string;
      }) => {
        const { drillLoader } = await import("../drill/loader/drill.ts");
        const { whole } = await import("../numbers.ts");
        const { report } = await import("../result.ts");
        const value = await drillLoader(root, {
          cycles: whole("--cycles", options.cycles, 1),
          backlog: whole("--backlog", options.backlog, 1_000),
          data: options.data ?? process.env["TIDEGATE_DATA"],
          seed: whole("--seed", options.seed, 0),
          plant: options.break ?? null,
          progress: (text) => process.stderr.write(`${text}\n`),
        });
        report(value, options.json ?? false);
      },
    );
}
