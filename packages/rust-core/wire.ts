import { native } from "./native.ts";

/** What a frame is for, by the number on the wire. */
export const FrameType = {
  DATA: 1,
  HEARTBEAT: 2,
  HELLO: 3,
  ACK: 4,
  RESEND: 5,
  BYE: 6,
} as const;

/** A frame's fields, or why the bytes are none. Everything but `fault` is 0 or empty then. */
export interface FrameRead {
  readonly fault: string | null;
  readonly kind: number;
  readonly linkId: number;
  readonly epoch: number;
  readonly seq: number;
  /** CLOCK_MONOTONIC of the writer's host. */
  readonly monoNs: bigint;
  readonly payload: Buffer;
}

const check = native<(bytes: Uint8Array) => string | null>("envelopeCheck");
const recode = native<(bytes: Uint8Array) => Buffer | null>("envelopeRecode");
const decode = native<(bytes: Uint8Array) => FrameRead>("frameDecode");
const frameFault = native<(bytes: Uint8Array) => string | null>("frameCheck");
const encode =
  native<
    (
      kind: number,
      linkId: number,
      epoch: number,
      seq: bigint,
      monoNs: bigint,
      payload: Uint8Array,
    ) => Buffer
  >("frameEncode");
const idOf = native<(name: string) => number>("linkId");
const orderId =
  native<(hi: bigint, lo: bigint, leg: number, generation: number) => string>("clientOrderId");

/** One reason code: number and name of the proto, what it means, and what to do about it. */
export interface ReasonText {
  readonly number: number;
  readonly name: string;
  readonly meaning: string;
  readonly remedy: string;
}

const reasonTexts = native<() => ReasonText[]>("reasonTable");

/** Why bytes are no valid envelope, as "CODE field" (`ENUM_UNKNOWN intent.side`); null when they are one. */
export function envelopeCheck(bytes: Uint8Array): string | null {
  return check()(bytes);
}

/** The bytes the Rust codec writes for a valid envelope; null when it is none. */
export function envelopeRecode(bytes: Uint8Array): Buffer | null {
  return recode()(bytes);
}

/** Reads one frame. Never throws: what a peer sends is an outcome. */
export function frameDecode(bytes: Uint8Array): FrameRead {
  return decode()(bytes);
}

/** Why bytes are no frame; null when they are one. */
export function frameCheck(bytes: Uint8Array): string | null {
  return frameFault()(bytes);
}

/** Writes one frame; throws with the name of the fault that every reader would find. */
export function frameEncode(frame: {
  readonly kind: number;
  readonly linkId: number;
  readonly epoch: number;
  readonly seq: number;
  readonly monoNs: bigint;
  readonly payload: Uint8Array;
}): Buffer {
  const { kind, linkId, epoch, seq, monoNs, payload } = frame;
  return encode()(kind, linkId, epoch, BigInt(seq), monoNs, payload);
}

/** CRC32C (Castagnoli) of a text's UTF-8. */
export function crc32c(text: string): number {
  return idOf()(text);
}

/** The id a frame carries for a topic or a link's name: its crc32c. */
export const linkId = crc32c;

/** The client order id of (intent, leg, generation): 25 letters `[0-9a-v]`. */
export function clientOrderId(intentId: bigint, leg: number, generation: number): string {
  return orderId()(intentId >> 64n, BigInt.asUintN(64, intentId), leg, generation);
}

/** Every reason by rising number, in the words of the Rust core. */
export function reasonTable(): readonly ReasonText[] {
  return reasonTexts()();
}
