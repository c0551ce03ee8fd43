import type { Command } from "commander";

const DRILLS = [
  ["feeds", "market data of every venue, every switch of its simulator, books against the truth"],
  ["gateway-kill", "SIGKILL to the leading gateway under load: outage, duplicates, losses"],
  ["gateway-hang", "SIGSTOP to the leading gateway under load, and what it does when it wakes"],
  ["router-kill", "SIGKILL to the execution-router under load"],
  ["split-brain", "the lease's Redis dies and a replica that never saw the lease is promoted"],
];

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
}
