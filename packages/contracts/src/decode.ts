import { envelopeCheck } from "@tidegate/rust-core";
import { type Field, Unreadable } from "./fields.ts";
import { tidegate } from "./gen/messages.js";
import {
  type Envelope,
  HEAD_FIELDS,
  PAYLOAD_FIELDS,
  PAYLOAD_KINDS,
  type Payload,
} from "./messages.ts";

/** Why bytes are no envelope: the validator's code and the field that broke it, as `ENUM_UNKNOWN` and `intent.side`. */
export interface Refusal {
  readonly code: string;
  readonly field: string;
}

/** A refusal is an outcome: peers may send anything. */
export type Decoded =
  | { readonly ok: true; readonly envelope: Envelope }
  | { readonly ok: false; readonly refusal: Refusal };

type WireFields = Readonly<Record<string, unknown>>;
const Wire = tidegate.envelope.v1.Envelope;

/**
 * Reads one envelope and proves it, once, at the edge.
 *
 * Shape   `bytes` is the payload of one DATA frame, at most 64 KiB
 * Errors  none thrown: what is no envelope is a named refusal
 * Source  the rules are those of the Rust validator, asked over the addon. Two answers are added here: INTEGER_UNSAFE for
 *         a count beyond ±(2^53-1), and UNDECODABLE should the two decoders ever disagree about the bytes.
 */
export function decodeEnvelope(bytes: Uint8Array): Decoded {
  const fault = envelopeCheck(bytes);
  if (fault !== null) {
    const [code = "UNDECODABLE", field = "envelope"] = fault.split(" ");
    return refused(code, field);
  }
  try {
    return { ok: true, envelope: toDomain(Wire.decode(bytes) as unknown as WireFields) };
  } catch (error) {
    if (error instanceof Unreadable) return refused(error.code, error.path);
    return refused("UNDECODABLE", "envelope");
  }
}

function refused(code: string, field: string): Decoded {
  return { ok: false, refusal: { code, field } };
}

function toDomain(wire: WireFields): Envelope {
  const envelope = readFields(HEAD_FIELDS, wire, "envelope");
  envelope["payload"] = readPayload(wire);
  return envelope as unknown as Envelope;
}

function readPayload(wire: WireFields): Payload {
  for (const kind of PAYLOAD_KINDS) {
    const message = wire[kind];
    if (message === null || message === undefined) continue;
    const value = readFields(PAYLOAD_FIELDS[kind], message as WireFields, snakeCase(kind));
    return { kind, value } as unknown as Payload;
  }
  throw new Unreadable("FIELD_MISSING", "envelope.payload");
}

function readFields(
  fields: Readonly<Record<string, Field<never>>>,
  wire: WireFields,
  path: string,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const name in fields) {
    const field = fields[name];
    if (field !== undefined) out[name] = field.read(wire[name], `${path}.${snakeCase(name)}`);
  }
  return out;
}

const snake = new Map<string, string>();

/** `bidPxTicks` as the proto and the Rust validator spell it: `bid_px_ticks`. Only names of the tables come here. */
export function snakeCase(name: string): string {
  let text = snake.get(name);
  if (text === undefined) {
    text = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snake.set(name, text);
  }
  return text;
}
