/**
 * Frames between the runner and a strategy's process: two pipes, one frame in flight each way.
 *
 * A frame is four doubles (kind, bytes that follow, two words of the kind) and its bytes. The runner's side is the one
 * that is trusted: it asks, waits, and holds every frame against its bound; the other may send anything.
 */

import { readSync, writeSync } from "node:fs";
import { EVENT_DOUBLES, EVENTS_MAX, INTENT_DOUBLES } from "@tidegate/rust-core/strategy-layout";

/** To the process. LOAD, RUN and, between batches, PARAMS carry JSON; BATCH events, `a` the time, `b` of BatchFlag; ANSWER `a` of Submit. */
export const To = { LOAD: 1, RUN: 2, BATCH: 3, ANSWER: 4, PARAMS: 5 } as const;
/** From the process. HELLO, STATS and the answer to PARAMS carry JSON; INTENT one intent; DONE ends a batch, `a` is 1 when nothing is open. */
export const From = { HELLO: 11, INTENT: 12, STATS: 13, DONE: 14, PARAMS: 15 } as const;
export const BatchFlag = { NONE: 0, REPORT: 1, STOP: 2 } as const;

const HEAD_DOUBLES = 4;
const HEAD_BYTES = HEAD_DOUBLES * 8;
/** JSON of one frame. */
export const JSON_BYTES_MAX = 1 << 20;
const BATCH_BYTES_MAX = EVENTS_MAX * EVENT_DOUBLES * 8;
export const INTENT_BYTES = INTENT_DOUBLES * 8;
export const FRAME_BYTES_MAX = Math.max(JSON_BYTES_MAX, BATCH_BYTES_MAX);

/** The other end is gone, or sent what is no frame. */
export class PipeFault extends Error {}

export interface Frame {
  kind: number;
  a: number;
  b: number;
  bytes: number;
}

/** One end of the two pipes; every call waits. */
export class Pipe {
  readonly #in: number;
  readonly #out: number;
  readonly #inHead = new Float64Array(HEAD_DOUBLES);
  readonly #outHead = new Float64Array(HEAD_DOUBLES);
  /** What came with the last frame: its first `bytes`. */
  readonly body = new Uint8Array(FRAME_BYTES_MAX);
  readonly doubles = new Float64Array(this.body.buffer);
  readonly #frame: Frame = { kind: 0, a: 0, b: 0, bytes: 0 };

  constructor(fdIn: number, fdOut: number) {
    this.#in = fdIn;
    this.#out = fdOut;
  }

  send(kind: number, a = 0, b = 0, body?: Uint8Array): void {
    const head = this.#outHead;
    head[0] = kind;
    head[1] = body?.byteLength ?? 0;
    head[2] = a;
    head[3] = b;
    this.#write(new Uint8Array(head.buffer));
    if (body !== undefined) this.#write(body);
  }

  sendJson(kind: number, value: unknown): void {
    const body = Buffer.from(JSON.stringify(value), "utf8");
    if (body.length > JSON_BYTES_MAX)
      throw new PipeFault(`a frame of ${body.length} bytes, at most ${JSON_BYTES_MAX}`);
    this.send(kind, 0, 0, body);
  }

  /** The next frame; a reused object. */
  receive(): Frame {
    this.#read(new Uint8Array(this.#inHead.buffer), HEAD_BYTES);
    const [kind = 0, bytes = 0, a = 0, b = 0] = this.#inHead;
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > FRAME_BYTES_MAX)
      throw new PipeFault(`a frame says it is ${bytes} bytes long, at most ${FRAME_BYTES_MAX}`);
    this.#read(this.body, bytes);
    const frame = this.#frame;
    frame.kind = kind;
    frame.a = a;
    frame.b = b;
    frame.bytes = bytes;
    return frame;
  }

  /** The JSON of the last frame. */
  json(frame: Frame): unknown {
    if (frame.bytes > JSON_BYTES_MAX)
      throw new PipeFault(`${frame.bytes} bytes of JSON, at most ${JSON_BYTES_MAX}`);
    return JSON.parse(Buffer.from(this.body.subarray(0, frame.bytes)).toString("utf8"));
  }

  #read(into: Uint8Array, bytes: number): void {
    for (let at = 0; at < bytes; ) {
      const got = readSync(this.#in, into, at, bytes - at, null);
      if (got === 0) throw new PipeFault("the other end of the pipe is closed");
      at += got;
    }
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; )
      at += writeSync(this.#out, bytes, at, bytes.byteLength - at);
  }
}
