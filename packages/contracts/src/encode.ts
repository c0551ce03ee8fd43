import { envelopeCheck } from "@tidegate/rust-core";
import { snakeCase } from "./decode.ts";
import { envelopeRefused } from "./errors.ts";
import type { Field } from "./fields.ts";
import { tidegate } from "./gen/messages.js";
import { type Envelope, HEAD_FIELDS, PAYLOAD_FIELDS } from "./messages.ts";

const Wire = tidegate.envelope.v1.Envelope;

/** The only version there is. */
export const SCHEMA_VERSION = 1;

/**
 * The bytes of an envelope: the same bytes the Rust codec writes for it, so that one golden vector serves both.
 *
 * Errors  ContractError FIELD_INVALID for a value its field cannot carry, ENVELOPE_REFUSED for an envelope every reader
 *         would refuse: what does not pass the validator never leaves
 */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { kind, value } = envelope.payload;
  const wire = writeFields(HEAD_FIELDS, envelope, "envelope");
  wire[kind] = writeFields(PAYLOAD_FIELDS[kind], value, snakeCase(kind));
  const bytes = Wire.encode(wire as tidegate.envelope.v1.Envelope.$Properties).finish();
  const fault = envelopeCheck(bytes);
  if (fault !== null) throw envelopeRefused(fault);
  return bytes;
}

function writeFields(
  fields: Readonly<Record<string, Field<never>>>,
  domain: object,
  path: string,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const values = domain as Readonly<Record<string, never>>;
  for (const name in fields) {
    const field = fields[name];
    if (field === undefined) continue;
    out[name] = field.write(values[name] as never, `${path}.${snakeCase(name)}`);
  }
  return out;
}
