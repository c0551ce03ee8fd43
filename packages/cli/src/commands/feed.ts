import { existsSync, readFileSync } from "node:fs";
import type { Command } from "commander";
import { UsageError } from "../sim/options.ts";

/** What the command reads of the process's health page; another process answers without it. */
async function healthOf(url: string, answer: unknown) {
  const { z } = await import("zod");
  const level = z.array(z.string()).nullable();
  const count = z.number().int().nonnegative();
  const Health = z.looseObject({
    state: z.string(),
    ready: z.boolean(),
    stats: z.looseObject({
      refused: count,
      instruments: z.array(
        z.looseObject({
          symbol: z.string(),
          state: z.string(),
          bid: level,
          ask: level,
          events: count,
          gaps: count,
          resyncs: count,
          venueLagMs: z.number().nullable(),
        }),
      ),
      sessions: z.array(
        z.looseObject({ url: z.string(), state: z.string(), opens: count, lastFault: z.string() }),
      ),
    }),
  });
  const read = Health.safeParse(answer);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(
    `${url}: what answers is not market-data (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}); give the httpPort of its state file`,
  );
}

/** The port in the state file of the newest run below the folder given, or of a service run by hand. */
function portOf(stateDir: string): number {
  const file = `${stateDir}/market-data.json`;
  if (!existsSync(file)) {
    throw new UsageError(
      `${file}: no market-data runs here; start it, or give --port or --state-dir`,
    );
  }
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { httpPort: number }).httpPort;
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}; give --port`);
  }
}

/** `hft feed …`: the running market-data process. */
export function addFeed(program: Command): void {
  program
    .command("feed")
    .description("the running market-data process")
    .command("status")
    .description("each book's state and each session's; exit 1 when one is not VALID")
    .option("--port <port>", "its HTTP port (default: from its state file)")
    .option("--state-dir <folder>", "where its state file lies", "state")
    .option("--json", "print its health object")
    .addHelpText("after", "\nExample: ./hft feed status --port 9101")
    .action(async (options: { port?: string; stateDir: string; json?: true }) => {
      const port = options.port === undefined ? portOf(options.stateDir) : Number(options.port);
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw new UsageError(`--port ${options.port}: want a port between 1 and 65535`);
      }
      const url = `http://127.0.0.1:${port}/health`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(
        (error: Error) => {
          throw new Error(`${url}: nothing answers (${error.message}); is market-data running?`);
        },
      );
      const health = await healthOf(url, await answer.json().catch(() => null));
      const { instruments: feeds, sessions, refused } = health.stats;
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(health)}\n`);
      } else {
        for (const feed of feeds) {
          process.stdout.write(
            `${feed.symbol.padEnd(14)} ${feed.state.padEnd(8)} ${(feed.bid ?? ["–"]).join(" x ").padEnd(22)} ${(feed.ask ?? ["–"]).join(" x ").padEnd(22)} events ${feed.events} gaps ${feed.gaps} resyncs ${feed.resyncs} lag ${feed.venueLagMs ?? "–"} ms\n`,
          );
        }
        for (const each of sessions) {
          process.stdout.write(
            `${each.state.padEnd(14)} ${each.url.split("?")[0]} opened ${each.opens} times${each.lastFault === "" ? "" : `, last fault: ${each.lastFault}`}\n`,
          );
        }
        process.stdout.write(`${health.state}, ${refused} messages refused\n`);
      }
      process.exitCode = feeds.length > 0 && feeds.every(({ state }) => state === "VALID") ? 0 : 1;
    });
}
