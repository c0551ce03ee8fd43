/** Codes no client may answer with another attempt, each met by a market-data process of its own. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WebSocket } from "ws";
import { type Control, Process } from "./processes.ts";
import { instrumentsOf, tableFile } from "./table.ts";

/** How long a refused process is watched for another attempt, ms: several of its reconnect delays. */
const WATCHED_MS = 6_000;
const REFUSED_WITHIN_MS = 30_000;

interface Case {
  readonly code: number;
  readonly key: string;
  readonly secret: string;
  readonly feed: "iex" | "sip";
  /** Another client of the account is connected. */
  readonly held?: boolean;
}

const CASES: readonly Case[] = [
  { code: 402, key: "nobody", secret: "wrong", feed: "iex" },
  { code: 406, key: "sim-second", secret: "sim-secret", feed: "iex", held: true },
  { code: 408, key: "sim-none", secret: "sim-secret", feed: "iex" },
  { code: 409, key: "sim-third", secret: "sim-secret", feed: "sip" },
];

export interface FatalOutcome {
  readonly code: number;
  readonly refused: number;
  readonly retried: number;
}

/** A plain client that holds the account's one connection. */
export async function hold(
  port: number,
  ca: string,
  key: string,
  secret: string,
  path = "/v2/iex",
): Promise<WebSocket> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, { ca });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("open", () => socket.send(JSON.stringify({ action: "auth", key, secret })));
    socket.on("message", (data: Buffer) => {
      if (data.toString().includes("authenticated")) resolve();
      if (data.toString().includes("error")) reject(new Error(data.toString()));
    });
  });
  return socket;
}

export interface FatalOptions {
  readonly root: string;
  readonly dir: string;
  readonly control: Control;
  readonly port: number;
  readonly caFile: string;
  /** The planted fault: the refused process is started a second time, as a careless supervisor would. */
  readonly retry: boolean;
}

async function one(options: FatalOptions, each: Case): Promise<FatalOutcome> {
  const { root, control, port, caFile, retry } = options;
  const { code, key, secret, feed } = each;
  const dir = join(options.dir, `fatal-${code}`);
  mkdirSync(join(dir, "s"), { recursive: true, mode: 0o700 });
  const venues = ["ALPACA"] as const;
  writeFileSync(join(dir, "instruments.json"), tableFile(instrumentsOf(venues), venues));
  writeFileSync(join(dir, "key.json"), JSON.stringify({ key, secret }), { mode: 0o600 });
  const holder =
    each.held === true ? await hold(port, readFileSync(caFile, "utf8"), key, secret) : null;
  const args = [
    ...["--alpaca-stream-url", `wss://127.0.0.1:${port}`],
    ...["--alpaca-feed", feed, "--alpaca-key-file", join(dir, "key.json")],
    ...["--ca-file", caFile, "--instruments-file", join(dir, "instruments.json")],
    ...["--reconnect-ms-min", "200"],
  ];
  const logins = async () => (await control.stats()).venues["ALPACA"]?.logins?.[key];
  try {
    for (let start = 0; start < (retry ? 2 : 1); start += 1) {
      await using process = new Process(root, "market-data", dir, args);
      const end = performance.now() + REFUSED_WITHIN_MS;
      const before = start;
      for (;;) {
        const refused = (await logins())?.refused[code] ?? 0;
        if (refused > before) break;
        if (performance.now() > end || !process.running) {
          throw new Error(`no refusal ${code} was seen: ${process.text.slice(-600)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await new Promise((resolve) => setTimeout(resolve, retry ? 0 : WATCHED_MS));
    }
    const seen = await logins();
    return { code, refused: seen?.refused[code] ?? 0, retried: seen?.afterFatal ?? 0 };
  } finally {
    holder?.terminate();
  }
}

/** Meets every fatal code, two at a time. */
export async function fatalCodes(options: FatalOptions): Promise<FatalOutcome[]> {
  const outcomes: FatalOutcome[] = [];
  for (let at = 0; at < CASES.length; at += 2) {
    const pair = CASES.slice(at, at + 2);
    outcomes.push(...(await Promise.all(pair.map((each) => one(options, each)))));
  }
  return outcomes;
}
