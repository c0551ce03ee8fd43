/**
 * What every fault of the cluster is: a message for people, a typed `fault` for tests and callers.
 * A family is a subclass over a union of faults; one function per fault words it.
 */
export abstract class ClusterError<F extends { readonly code: string }> extends Error {
  readonly fault: F;
  constructor(message: string, fault: F, options?: ErrorOptions) {
    super(`[${fault.code}] ${message}`, options);
    this.name = new.target.name;
    this.fault = fault;
  }
}

export type UnitsFault =
  | { readonly code: "PX_MALFORMED"; readonly text: string; readonly scale: number }
  | { readonly code: "PX_OFF_TICK"; readonly text: string; readonly unit: bigint }
  | { readonly code: "QTY_MALFORMED"; readonly text: string; readonly scale: number }
  | { readonly code: "QTY_OFF_LOT"; readonly text: string; readonly unit: bigint }
  | { readonly code: "MONEY_MALFORMED"; readonly text: string }
  | { readonly code: "SCALE_MALFORMED"; readonly scale: number; readonly unit: bigint }
  | { readonly code: "INTEGER_UNSAFE"; readonly value: bigint };

/** A number of the outside world that cannot be a price, a size or an amount here. */
export class UnitsError extends ClusterError<UnitsFault> {}

export function pxMalformed(text: string, scale: number): UnitsError {
  return new UnitsError(
    `Cannot read px ${JSON.stringify(text)}: want a decimal with at most ${scale} places`,
    { code: "PX_MALFORMED", text, scale },
  );
}

export function pxOffTick(text: string, unit: bigint, scale: number): UnitsError {
  return new UnitsError(
    `Cannot read px ${JSON.stringify(text)}: want a multiple of ${decimalText(unit, scale)}`,
    { code: "PX_OFF_TICK", text, unit },
  );
}

export function qtyMalformed(text: string, scale: number): UnitsError {
  return new UnitsError(
    `Cannot read qty ${JSON.stringify(text)}: want a decimal of at least 0 with at most ${scale} places`,
    { code: "QTY_MALFORMED", text, scale },
  );
}

export function qtyOffLot(text: string, unit: bigint, scale: number): UnitsError {
  return new UnitsError(
    `Cannot read qty ${JSON.stringify(text)}: want a multiple of ${decimalText(unit, scale)}`,
    { code: "QTY_OFF_LOT", text, unit },
  );
}

export function moneyMalformed(text: string): UnitsError {
  return new UnitsError(
    `Cannot read amount ${JSON.stringify(text)}: want a decimal with at most 8 places`,
    { code: "MONEY_MALFORMED", text },
  );
}

export function scaleMalformed(scale: number, unit: bigint): UnitsError {
  return new UnitsError(
    `Cannot use scale ${scale} with unit ${unit}: want 0 to 18 places and a unit of at least 1`,
    { code: "SCALE_MALFORMED", scale, unit },
  );
}

export function integerUnsafe(value: bigint): UnitsError {
  return new UnitsError(`Cannot hold ${value} as a number: want at most 2^53-1 in magnitude`, {
    code: "INTEGER_UNSAFE",
    value,
  });
}

export type ContractFault =
  | { readonly code: "FIELD_INVALID"; readonly field: string; readonly value: string }
  | { readonly code: "ENVELOPE_REFUSED"; readonly refusal: string }
  | { readonly code: "TOPIC_MALFORMED"; readonly text: string };

/** A message this process was about to send, or a name it was about to use, is not one of the contract's. */
export class ContractError extends ClusterError<ContractFault> {}

export function fieldInvalid(field: string, value: unknown, want: string): ContractError {
  const text = String(value);
  return new ContractError(`Cannot encode ${field} = ${text}: want ${want}`, {
    code: "FIELD_INVALID",
    field,
    value: text,
  });
}

export function envelopeRefused(refusal: string): ContractError {
  return new ContractError(`Cannot send this envelope: the validator refuses it as ${refusal}`, {
    code: "ENVELOPE_REFUSED",
    refusal,
  });
}

export function topicMalformed(text: string): ContractError {
  return new ContractError(
    `Cannot use topic ${JSON.stringify(text)}: want md.<venue>.<instrument>.<kind>. with ids of at least 1`,
    { code: "TOPIC_MALFORMED", text },
  );
}

/** `units` of 10^-scale as plain decimal text. */
export function decimalText(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  const sign = units < 0n ? "-" : "";
  const whole = digits.slice(0, digits.length - scale);
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - scale)}`;
}
