/**
 * The input-order log of a strategy's worker: all that its pump was given, in its order, written before the strategy sees it. With
 * the strategy's file it is all that decided what it sent.
 *
 * Form  `TGSIN001`, length of the header (u32), header as JSON; then records, little-endian: kind (u8), a small number (u8), a count
 *       (u16), a time (f64), and `count` rows of doubles, each a length (u16) and that many. A killed worker may end within one.
 */

import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import {
  EVENT_DOUBLES,
  EVENTS_MAX,
  INTENT_DOUBLES,
  type StrategyLaneConfig,
} from "@tidegate/rust-core/strategy-layout";
import { type InstrumentInfo, PARAMS_CHARS_MAX } from "@tidegate/strategy-sdk";

const MAGIC = "TGSIN001";
const HEADER_BYTES_MAX = 16 * 2 ** 20;
/** Bytes of one log; at the bound it ends, and the session can be replayed up to there. */
export const INPUT_LOG_BYTES_MAX = 4 * 2 ** 30;
const HEAD_BYTES = 12;

/**
 * TURN: a wait and its events. ANSWER: the lane's answer to an intent, and the intent. OVERRUN: a step of the handlers' clock beyond their
 * budget. PARAMS: new parameters, JSON, a UTF-16 unit a double.
 */
export const Kind = { TURN: 1, ANSWER: 2, OVERRUN: 3, STOP: 4, PARAMS: 5 } as const;

/** What a worker was started with. */
export interface InputHeader {
  readonly file: string;
  readonly params: unknown;
  readonly instruments: readonly InstrumentInfo[];
  readonly lane: StrategyLaneConfig;
  readonly seed: number;
  readonly maxIntentsPerEvent: number;
  readonly eventBudgetMs: number;
  readonly staleEventMs: number;
  readonly featureSetHash: number | null;
  readonly restored: string | null;
}

/** Where the pump tells what it is given. */
export interface InputLog {
  /** One wait's events, before any of them is handled. */
  turn(nowNs: number, count: number, events: Float64Array): void;
  /** What became of an intent. */
  answer(code: number, intent: Float64Array): void;
  /** New parameters, as JSON, before they hold. */
  params(json: string): void;
  /** The strategy is told to stop. */
  stop(): void;
}

/** Written as it goes: each record is with the system before what it leads to leaves. */
export class InputWriter implements InputLog {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(
    HEAD_BYTES +
      Math.max(
        EVENTS_MAX * (2 + EVENT_DOUBLES * 8),
        2 + INTENT_DOUBLES * 8,
        2 + PARAMS_CHARS_MAX * 8,
      ),
  );
  #bytes = 0;
  #calls = 0;
  #last = 0;
  readonly #budgetMs: number;
  readonly #bytesMax: number;
  /** Why nothing more is written, "" while it is. */
  ended = "";

  constructor(path: string, header: InputHeader, bytesMax: number = INPUT_LOG_BYTES_MAX) {
    mkdirSync(dirname(path), { recursive: true });
    // A log of this session that is there already would be another's.
    this.#fd = openSync(path, "wx", 0o600);
    this.#budgetMs = header.eventBudgetMs;
    this.#bytesMax = bytesMax;
    const json = Buffer.from(JSON.stringify(header));
    const head = Buffer.alloc(12);
    head.write(MAGIC, 0, "latin1");
    head.writeUInt32LE(json.length, 8);
    writeSync(this.#fd, Buffer.concat([head, json]));
  }

  #write(bytes: number): void {
    if (this.ended !== "") return;
    if (this.#bytes + bytes > this.#bytesMax) {
      this.ended = `it has ${this.#bytesMax} bytes`;
      return;
    }
    try {
      let at = 0;
      while (at < bytes) at += writeSync(this.#fd, this.#buffer, at, bytes - at);
      this.#bytes += bytes;
    } catch (error) {
      this.ended = (error as Error).message;
    }
  }

  #head(kind: number, code: number, count: number, time: number): void {
    this.#buffer.writeUInt8(kind, 0);
    this.#buffer.writeUInt8(code, 1);
    this.#buffer.writeUInt16LE(count, 2);
    this.#buffer.writeDoubleLE(time, 4);
  }

  /** A row without the zeros at its end. */
  #row(at: number, from: Float64Array, base: number, doubles: number): number {
    let length = doubles;
    while (length > 0 && from[base + length - 1] === 0) length -= 1;
    this.#buffer.writeUInt16LE(length, at);
    for (let index = 0; index < length; index += 1)
      this.#buffer.writeDoubleLE(from[base + index] ?? 0, at + 2 + index * 8);
    return at + 2 + length * 8;
  }

  turn(nowNs: number, count: number, events: Float64Array): void {
    this.#head(Kind.TURN, 0, count, nowNs);
    let at = HEAD_BYTES;
    for (let index = 0; index < count; index += 1)
      at = this.#row(at, events, index * EVENT_DOUBLES, EVENT_DOUBLES);
    this.#write(at);
  }

  answer(code: number, intent: Float64Array): void {
    this.#head(Kind.ANSWER, code, 1, 0);
    this.#write(this.#row(HEAD_BYTES, intent, 0, INTENT_DOUBLES));
  }

  params(json: string): void {
    const text = Float64Array.from({ length: json.length }, (_, at) => json.charCodeAt(at));
    this.#head(Kind.PARAMS, 0, 1, 0);
    this.#write(this.#row(HEAD_BYTES, text, 0, text.length));
  }

  stop(): void {
    this.#head(Kind.STOP, 0, 0, 0);
    this.#write(HEAD_BYTES);
  }

  /**
   * The clock of the time budget. Each step of it beyond the budget is written down by the number of the reading: within a handler it
   * is an overrun, between two it decides nothing.
   */
  timed(elapsedMs: () => number): () => number {
    return () => {
      const now = elapsedMs();
      this.#calls += 1;
      if (this.#calls > 1 && now - this.#last > this.#budgetMs) {
        this.#head(Kind.OVERRUN, 0, 1, now - this.#last);
        this.#buffer.writeUInt16LE(1, HEAD_BYTES);
        this.#buffer.writeDoubleLE(this.#calls, HEAD_BYTES + 2);
        this.#write(HEAD_BYTES + 10);
      }
      this.#last = now;
      return now;
    };
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export interface InputRecord {
  readonly kind: number;
  /** ANSWER: the lane's code. */
  readonly code: number;
  /** TURN: the time it was handled at, ns since the session's start. OVERRUN: how long, ms. */
  readonly time: number;
  readonly rows: readonly Float64Array[];
}

/**
 * Reads a log whole.
 *
 * Shape   its header, its whole records in order, and how many bytes of one were torn
 * Errors  it is none
 */
export function readInputs(path: string): {
  readonly header: InputHeader;
  readonly records: readonly InputRecord[];
  readonly torn: number;
} {
  const bytes = readFileSync(path);
  const refuse = (what: string): never => {
    throw new Error(`${path} is no input log of a strategy: ${what}`);
  };
  if (bytes.length < 12 || bytes.toString("latin1", 0, 8) !== MAGIC) return refuse("no header");
  const length = bytes.readUInt32LE(8);
  if (length > HEADER_BYTES_MAX || bytes.length < 12 + length) return refuse("half a header");
  const header = JSON.parse(bytes.toString("utf8", 12, 12 + length)) as InputHeader;
  const records: InputRecord[] = [];
  let at = 12 + length;
  for (;;) {
    const record = readRecord(bytes, at);
    if (record === null) return { header, records, torn: bytes.length - at };
    if (!(record.kind >= Kind.TURN && record.kind <= Kind.PARAMS))
      return refuse(`byte ${at} begins no record`);
    records.push(record);
    at = record.next;
  }
}

function readRecord(bytes: Buffer, from: number): (InputRecord & { next: number }) | null {
  if (bytes.length < from + HEAD_BYTES) return null;
  const [kind, code] = [bytes.readUInt8(from), bytes.readUInt8(from + 1)];
  const count = bytes.readUInt16LE(from + 2);
  const time = bytes.readDoubleLE(from + 4);
  const rows: Float64Array[] = [];
  let at = from + HEAD_BYTES;
  for (let index = 0; index < count; index += 1) {
    if (bytes.length < at + 2) return null;
    const doubles = bytes.readUInt16LE(at);
    at += 2;
    if (bytes.length < at + doubles * 8) return null;
    const row = new Float64Array(doubles);
    for (let place = 0; place < doubles; place += 1)
      row[place] = bytes.readDoubleLE(at + place * 8);
    rows.push(row);
    at += doubles * 8;
  }
  return { kind, code, time, rows, next: at };
}

/** The JSON of a PARAMS record. */
export function paramsOf(record: InputRecord): unknown {
  return JSON.parse(String.fromCharCode(...(record.rows[0] ?? [])));
}
