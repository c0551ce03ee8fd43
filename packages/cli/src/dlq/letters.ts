/**
 * The order DLQ as its files have it: the router's letters, and what people did about each.
 *
 * `dlq/letters.ndjson` is the router's alone. What somebody did about a letter is one file, `dlq/acts/<id>.json`, made once and
 * never changed: whoever makes it first has decided, whatever else runs at the same time.
 */

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Command, decodeEnvelope } from "@tidegate/contracts";
import { crc32c } from "@tidegate/rust-core";

export interface Letter {
  readonly n: number;
  /** When it came to nothing, ns since the Unix epoch. */
  readonly tsNs: bigint;
  readonly reason: string;
  /** The venue's words, where it had any. */
  readonly text: string;
  readonly id: string;
  readonly kind: string;
  readonly command: Command;
  readonly act: Act | null;
}

/** What was done about a letter. */
export interface Act {
  readonly act: "dropped" | "replayed";
  readonly n: number;
  readonly id: string;
  readonly by: string;
  readonly tsMs: number;
  readonly why: string;
  /** The one intent of a replay, 32 hexadecimal digits. */
  readonly intent?: string;
}

/** The files are not what they should be: what, where. */
export class DlqFault extends Error {}

const ID = /^[0-9a-v]{25}$/;

/** Reads every letter, oldest first. A last line that is not finished is none yet. */
export function readLetters(runDir: string): Letter[] {
  const path = join(runDir, "dlq/letters.ndjson");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line, at) => {
    const where = `${path}: line ${at + 1}`;
    const body = line.slice(9);
    if (line[8] !== " " || Number.parseInt(line.slice(0, 8), 16) !== crc32c(body))
      throw new DlqFault(`${where}: damaged; the router sets it aside at its next start`);
    const raw = JSON.parse(body) as Record<string, string | number>;
    if (raw["v"] !== 1) throw new DlqFault(`${where}: version ${raw["v"]}, want 1`);
    const decoded = decodeEnvelope(Buffer.from(String(raw["command"]), "hex"));
    // A refused command may be malformed itself: then its bytes say all there is.
    const command =
      decoded.ok && decoded.envelope.payload.kind === "command"
        ? decoded.envelope.payload.value
        : null;
    if (command === null) throw new DlqFault(`${where}: holds no whole command`);
    const id = String(raw["id"]);
    return {
      n: Number(raw["n"]),
      tsNs: BigInt(String(raw["tsNs"])),
      reason: String(raw["reason"]),
      text: String(raw["text"]),
      id,
      kind: String(raw["kind"]),
      command,
      act: readAct(runDir, id),
    };
  });
}

function actPath(runDir: string, id: string): string {
  if (!ID.test(id))
    throw new DlqFault(`${id}: is no client order id; nothing can be done about it`);
  return join(runDir, "dlq/acts", `${id}.json`);
}

/** What was done about an order's letter; null while nothing was. */
export function readAct(runDir: string, id: string): Act | null {
  if (!ID.test(id)) return null;
  const path = actPath(runDir, id);
  if (!existsSync(path)) return null;
  const text = readFileSync(path, "utf8");
  // Made, and its maker died before it was written: nothing was sent, and nobody may decide again without looking.
  if (text === "") throw new DlqFault(`${path}: empty; its maker died. Remove it, then act again`);
  return JSON.parse(text) as Act;
}

/** Decides about a letter, once and for all: gives the act that stands, which may be another's. */
export function decide(runDir: string, act: Act): Act {
  const path = actPath(runDir, act.id);
  mkdirSync(join(runDir, "dlq/acts"), { recursive: true, mode: 0o700 });
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return readAct(runDir, act.id) ?? act;
  }
  try {
    writeSync(fd, JSON.stringify(act));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const folder = openSync(join(runDir, "dlq/acts"), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
  return act;
}
