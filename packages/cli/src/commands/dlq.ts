import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { Letter } from "../dlq/letters.ts";
import { UsageError } from "../sim/options.ts";

const LIST_MAX = 50;

interface Common {
  readonly runDir: string;
  readonly as?: string;
  readonly json?: true;
}

/** A letter as a line: number, time, reason, order, and what was done about it. */
export function letterLine(letter: Letter): string {
  const { n, tsNs, reason, kind, id, command, act } = letter;
  const at = new Date(Number(tsNs / 1_000_000n)).toISOString();
  const terms = `${command.side ?? "-"} ${command.qtyLots} @ ${command.pxTicks}`;
  const done = act === null ? "" : `  ${act.act} by ${act.by}`;
  return `${String(n).padStart(6)}  ${at}  ${reason.padEnd(18)}  ${kind} ${id}  ${terms}${done}`;
}

/** A letter without the types JSON does not have. */
export function letterJson(letter: Letter): Record<string, unknown> {
  const plain = JSON.stringify(letter, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return JSON.parse(plain) as Record<string, unknown>;
}

async function letterOf(options: Common, text: string): Promise<Letter> {
  const { readLetters } = await import("../dlq/letters.ts");
  const found = readLetters(resolve(options.runDir)).find(({ n }) => String(n) === text);
  if (found === undefined)
    throw new UsageError(`${text}: no such letter in ${options.runDir}/dlq; see hft dlq list`);
  return found;
}

const say = (options: Common, body: unknown, text: string): void => {
  process.stdout.write(`${options.json ? JSON.stringify(body) : text}\n`);
};

function addCommon(command: Command): Command {
  return command
    .option("--run-dir <folder>", "the run directory of the cluster", ".")
    .option("--json", "print the answer as JSON");
}

/** `hft dlq …`: orders that came to nothing, and what is done about them. */
export function addDlq(program: Command): void {
  const dlq = program.command("dlq").description("orders that could not be sent, and why");
  addCommon(dlq.command("list").description("the letters nobody has done anything about"))
    .option("--all", "those that were dropped or replayed too")
    .option("--reason <code>", "of this reason alone")
    .addHelpText("after", "\nExample: ./hft dlq list --run-dir var/run/last")
    .action(async (options: Common & { all?: true; reason?: string }) => {
      const { readLetters } = await import("../dlq/letters.ts");
      const fits = ({ act, reason }: Letter) =>
        (options.all === true || act === null) &&
        (options.reason === undefined || reason === options.reason);
      const letters = readLetters(resolve(options.runDir)).filter(fits);
      const lines = letters.slice(-LIST_MAX).map(letterLine);
      if (letters.length > LIST_MAX) lines.unshift(`… ${letters.length - LIST_MAX} older ones`);
      say(options, letters.map(letterJson), lines.length === 0 ? "no letters" : lines.join("\n"));
    });
  addCommon(dlq.command("show").description("one letter, with its whole command"))
    .argument("<n>", "its number")
    .addHelpText("after", "\nExample: ./hft dlq show 12 --run-dir var/run/last")
    .action(async (n: string, options: Common) => {
      const body = letterJson(await letterOf(options, n));
      say(options, body, JSON.stringify(body, null, 2));
    });
  addCommon(dlq.command("drop").description("nothing is to be done about a letter"))
    .argument("<n>", "its number")
    .requiredOption("--why <text>", "why")
    .option("--as <principal>", "who says so")
    .addHelpText("after", '\nExample: ./hft dlq drop 12 --why "the chance is gone" --as ann')
    .action(async (n: string, options: Common & { why: string }) => {
      const { decide } = await import("../dlq/letters.ts");
      const { principalOf } = await import("./risk.ts");
      const { id, n: number } = await letterOf(options, n);
      const by = principalOf(options);
      const wanted = {
        act: "dropped",
        n: number,
        id,
        by,
        tsMs: Date.now(),
        why: options.why,
      } as const;
      const act = decide(resolve(options.runDir), wanted);
      if (act.act !== "dropped")
        throw new UsageError(
          `letter ${n} was ${act.act} by ${act.by}: it is no longer to be dropped`,
        );
      say(options, act, `letter ${n} is dropped by ${act.by}`);
    });
  addCommon(
    dlq
      .command("replay")
      .description(
        "the order of a letter once more, through the gateway, as a strategy of its own",
      ),
  )
    .argument("<n>", "its number")
    .requiredOption("--strategy <id>", "whose limits it counts against; not that of a running one")
    .requiredOption("--why <text>", "why")
    .option("--as <principal>", "who sends it")
    .option("--instruments <file>", "the instrument table", "config/instruments.json")
    .addHelpText(
      "after",
      '\nExample: ./hft dlq replay 12 --strategy 900 --why "the venue was away" --as ann',
    )
    .action(
      async (
        n: string,
        options: Common & { strategy: string; why: string; instruments: string },
      ) => {
        const { readFileSync } = await import("node:fs");
        const { replay } = await import("../dlq/replay.ts");
        const { whole } = await import("../numbers.ts");
        const { principalOf } = await import("./risk.ts");
        const runDir = resolve(options.runDir);
        const table = JSON.parse(readFileSync(options.instruments, "utf8")) as { version: number };
        const { act, reply } = await replay(await letterOf(options, n), {
          runDir,
          intentUrl: `ipc://${join(runDir, "s/intent.sock")}`,
          strategy: whole("--strategy", options.strategy, 1),
          tableVersion: table.version,
          by: principalOf(options),
          why: options.why,
          nowMs: Date.now,
        });
        const { decision, reason, clientOrderId, repeated } = reply;
        const body = {
          n: Number(n),
          intent: act.intent,
          decision,
          reason,
          clientOrderId,
          repeated,
        };
        const again = repeated ? ", the answer of the first time" : "";
        say(options, body, `letter ${n}: ${decision} ${reason} ${clientOrderId}${again}`);
        process.exitCode = decision === "ACCEPTED" ? 0 : 1;
      },
    );
}
