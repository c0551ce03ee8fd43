import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtPeer, type Measured, measured } from "./commands/measured.ts";
import { type Check, check, type Result, result } from "./result.ts";
import { run } from "./run.ts";

/** Events counted and their integers added up, as each side of the bench does. */
export interface Tally {
  readonly events: number;
  readonly sum: number;
}

type Row = readonly [string, string];
interface Message {
  readonly e: string;
  readonly p: string;
  readonly q: string;
  readonly b: string | readonly Row[];
  readonly a: string | readonly Row[];
  readonly B: string;
  readonly A: string;
}

/** Ticks of 0.1 and lots of 0.001, added: what the other sides add. */
const both = (px: string, qty: string): number =>
  Math.round(Number(px) * 10) + Math.round(Number(qty) * 1000);

/** What `JSON.parse` makes of the messages, so that a round that is timed is known to read all that the others read. */
export function tally(texts: readonly string[]): Tally {
  let [events, sum] = [0, 0];
  for (const text of texts) {
    const message = JSON.parse(text) as Message;
    if (message.e === "trade") {
      events += 1;
      sum += both(message.p, message.q);
    } else if (message.e === "bookTicker") {
      events += 1;
      sum += both(message.b as string, message.B) + both(message.a as string, message.A);
    } else {
      for (const [px, qty] of [...(message.b as Row[]), ...(message.a as Row[])]) {
        events += 1;
        sum += both(px, qty);
      }
    }
  }
  return { events, sum };
}

/** Messages a second of `JSON.parse` alone, from text that already is a string: its best case. */
export function parseRound(texts: readonly string[]): number {
  let kept: unknown;
  const began = performance.now();
  for (const text of texts) kept = JSON.parse(text);
  const seconds = (performance.now() - began) / 1000;
  if (kept === undefined) throw new Error("bench normalise: no message was parsed");
  return texts.length / seconds;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Rounds of one side, by the name of its figure, put one after the other. */
function collect(rounds: readonly Measured["figures"][], name: string): number[] {
  return rounds.flatMap((figures) => {
    const value = figures[name];
    if (!Array.isArray(value)) throw new Error(`bench normalise: the peer printed no ${name}`);
    return value as number[];
  });
}

/** Venues that have figures alone: how many times a mere look at each byte the live reader takes, and its messages a second. */
const FIGURES_OF = ["alpaca_json", "alpaca_msgpack", "shioaji"] as const;

function venueFigures(rounds: readonly Measured["figures"][]): Record<string, unknown> {
  return Object.fromEntries(
    FIGURES_OF.flatMap((venue) => {
      const [own, scan] = [
        collect(rounds, `${venue}_msg_per_s`),
        collect(rounds, `${venue}_scan_msg_per_s`),
      ];
      return [
        [`${venue}_msg_per_s`, own],
        [`${venue}_scan_msg_per_s`, scan],
        [`${venue}_vs_scan`, median(scan) / median(own)],
      ];
    }),
  );
}

/** The ratios of all rounds: each side's median against ours. */
export function judge(rounds: readonly Measured["figures"][], node: readonly number[]): Result {
  const own = collect(rounds, "own_msg_per_s");
  const sonic = collect(rounds, "sonic_typed_msg_per_s");
  const barter = collect(rounds, "barter_data_msg_per_s");
  const vs = (name: string, other: readonly number[], bound: number): Check =>
    check(name, median(own) / median(other), ">=", bound, "x");
  return result(
    "bench normalise",
    [
      vs("vs_sonic_typed", sonic, 2),
      vs("vs_node_json_parse", node, 5),
      vs("vs_barter_data", barter, 4),
    ],
    {
      ...rounds.at(-1),
      own_msg_per_s: own,
      sonic_typed_msg_per_s: sonic,
      barter_data_msg_per_s: barter,
      node_json_parse_msg_per_s: node,
      ...venueFigures(rounds),
    },
  );
}

/**
 * The normaliser beside sonic-rs and barter-data in the peer's process and beside `JSON.parse` in this one: a round of each
 * in turn, over the same messages, which the peer hands over as lines.
 */
export async function benchNormalise(root: string, data: string, rounds: number): Promise<Result> {
  const binary = await builtPeer(root, "peer-normalise");
  const peer = async (...more: string[]): Promise<Result> =>
    measured(
      "bench normalise",
      await run(binary, ["--data", data, "--rounds", "1", ...more], { cwd: root }),
    );
  const folder = await mkdtemp(join(tmpdir(), "tidegate-bench-"));
  try {
    const dump = join(folder, "messages");
    const warm = (await peer("--dump", dump)).figures;
    const texts = (await readFile(dump, "latin1")).trimEnd().split("\n");
    const { events, sum } = tally(texts);
    if (
      texts.length !== warm["messages"] ||
      events !== warm["events"] ||
      sum !== warm["checksum"]
    ) {
      throw new Error(
        `bench normalise: JSON.parse gave ${texts.length} messages, ${events} events of sum ${sum}; the peer ${warm["messages"]}, ${warm["events"]} of ${warm["checksum"]}`,
      );
    }
    parseRound(texts);
    const [own, node]: [Measured["figures"][], number[]] = [[], []];
    for (let at = 0; at < rounds; at += 1) {
      own.push((await peer()).figures);
      node.push(parseRound(texts));
    }
    return judge(own, node);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
