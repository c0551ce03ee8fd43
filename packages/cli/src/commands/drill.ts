import type { Command } from "commander";

const DRILLS = [
  ["kill-switch", "each hand on the kill with the two others broken, orders pressed all the while"],
  ["feeds", "market data of every venue, every switch of its simulator, books against the truth"],
];

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
}
