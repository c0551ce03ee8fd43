import Long from "long";
import { fieldInvalid } from "./errors.ts";
import type { DurationNs, EpochNs, IntentId, Money, MonoNs, PxTicks, QtyLots } from "./units.ts";

/**
 * One kind of field: how it stands on the wire (what the generated module reads and writes) and in the domain.
 * `read` throws `Unreadable` for what the domain cannot hold; `write` throws a ContractError.
 */
export interface Field<T> {
  readonly read: (wire: unknown, path: string) => T;
  readonly write: (value: T, path: string) => unknown;
  /** What a test draws values from. */
  readonly kind: FieldKind;
}

export type FieldKind =
  | { readonly type: "u32" | "flag" | "intentId" | "intentIdOrNull" }
  | { readonly type: "int"; readonly signed: boolean }
  | { readonly type: "ints"; readonly signed: boolean }
  | { readonly type: "wide"; readonly signed: boolean }
  | { readonly type: "text"; readonly bytesMax: number }
  | { readonly type: "name"; readonly names: readonly string[]; readonly optional: boolean };

/** A wire value that is well formed but that the domain refuses to hold. */
export class Unreadable extends Error {
  readonly code: "INTEGER_UNSAFE" | "ENUM_UNKNOWN" | "FIELD_MISSING";
  readonly path: string;
  constructor(code: Unreadable["code"], path: string) {
    super(`${path}: ${code}`);
    this.code = code;
    this.path = path;
  }
}

const U32_MAX = 0xffff_ffff;

function toBigInt(wire: unknown): bigint {
  const { low, high, unsigned } = wire as Long;
  if (high === 0) return BigInt(low >>> 0);
  return (BigInt(unsigned ? high >>> 0 : high) << 32n) | BigInt(low >>> 0);
}

function fromBigInt(value: bigint, signed: boolean, path: string): Long {
  const fits = signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
  if (typeof value !== "bigint" || fits !== value) {
    throw fieldInvalid(path, value, `a bigint of 64 bits, ${signed ? "signed" : "unsigned"}`);
  }
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  return new Long(low, high, !signed);
}

function toSafe(wire: unknown, path: string): number {
  const { low, high, unsigned } = wire as Long;
  // Both terms are exact, and a sum beyond 2^53-1 rounds to a double beyond it: nothing unsafe comes out safe.
  const value = (unsigned ? high >>> 0 : high) * 2 ** 32 + (low >>> 0);
  if (!Number.isSafeInteger(value)) throw new Unreadable("INTEGER_UNSAFE", path);
  return value;
}

function fromSafe(value: number, signed: boolean, path: string): Long {
  if (!Number.isSafeInteger(value) || (!signed && value < 0)) {
    throw fieldInvalid(path, value, `a safe integer${signed ? "" : " of at least 0"}`);
  }
  return Long.fromNumber(value, !signed);
}

function int<T extends number>(signed: boolean): Field<T> {
  return {
    read: (wire, path) => toSafe(wire, path) as T,
    write: (value, path) => fromSafe(value, signed, path),
    kind: { type: "int", signed },
  };
}

function ints(signed: boolean): Field<readonly number[]> {
  return {
    read: (wire, path) => (wire as readonly unknown[]).map((each) => toSafe(each, path)),
    write: (value, path) => value.map((each) => fromSafe(each, signed, path)),
    kind: { type: "ints", signed },
  };
}

function wide<T extends bigint>(signed: boolean): Field<T> {
  return {
    read: (wire) => toBigInt(wire) as T,
    write: (value, path) => fromBigInt(value, signed, path),
    kind: { type: "wide", signed },
  };
}

export const u32: Field<number> = {
  read: (wire) => wire as number,
  write: (value, path) => {
    if (Number.isInteger(value) && value >= 0 && value <= U32_MAX) return value;
    throw fieldInvalid(path, value, "an integer of 32 bits, unsigned");
  },
  kind: { type: "u32" },
};
export const px: Field<PxTicks> = int(true);
export const qty: Field<QtyLots> = int(false);
export const position: Field<QtyLots> = int(true);
/** A sequence, an id of a venue, a count: what stays below 2^53 in any life of this system. */
export const count: Field<number> = int(false);
export const signedInts: Field<readonly number[]> = ints(true);
export const unsignedInts: Field<readonly number[]> = ints(false);
export const epochNs: Field<EpochNs> = wide(true);
export const monoNs: Field<MonoNs> = wide(false);
export const durationNs: Field<DurationNs> = wide(false);
export const money: Field<Money> = wide(true);
/** 64 random bits. */
export const bits64: Field<bigint> = wide(false);

export const flag: Field<boolean> = {
  read: (wire) => wire as boolean,
  write: (value) => value,
  kind: { type: "flag" },
};

/** UTF-8 text; the validator holds the bound in bytes. */
export function text(bytesMax: number): Field<string> {
  return {
    read: (wire) => wire as string,
    write: (value, path) => {
      // A lone surrogate has no UTF-8 form: it would arrive as another text than was sent.
      if (typeof value !== "string" || !value.isWellFormed()) {
        throw fieldInvalid(path, value, "well-formed text");
      }
      if (Buffer.byteLength(value) > bytesMax) {
        throw fieldInvalid(path, value, `at most ${bytesMax} bytes`);
      }
      return value;
    },
    kind: { type: "text", bytesMax },
  };
}

interface WireIntentId {
  readonly hi: Long;
  readonly lo: Long;
}

function readIntentId(wire: unknown): IntentId {
  const { hi, lo } = wire as WireIntentId;
  return ((toBigInt(hi) << 64n) | toBigInt(lo)) as IntentId;
}

function writeIntentId(value: IntentId, path: string): WireIntentId {
  if (typeof value !== "bigint" || value < 1n || value !== BigInt.asUintN(128, value)) {
    throw fieldInvalid(path, value, "an id of 128 bits that is not 0");
  }
  return {
    hi: fromBigInt(value >> 64n, false, path),
    lo: fromBigInt(BigInt.asUintN(64, value), false, path),
  };
}

export const intentIdField: Field<IntentId> = {
  read: (wire, path) => {
    if (wire === null || wire === undefined) throw new Unreadable("FIELD_MISSING", path);
    return readIntentId(wire);
  },
  write: writeIntentId,
  kind: { type: "intentId" },
};

export const intentIdOrNull: Field<IntentId | null> = {
  read: (wire) => (wire === null || wire === undefined ? null : readIntentId(wire)),
  write: (value, path) => (value === null ? null : writeIntentId(value, path)),
  kind: { type: "intentIdOrNull" },
};

/** The names of a generated enum without their common prefix and without UNSPECIFIED. */
export type EnumName<E extends object, Prefix extends string> = keyof E extends infer K
  ? K extends `${Prefix}${infer Name}`
    ? Exclude<Name, "UNSPECIFIED">
    : never
  : never;

/** Both ways between a generated enum's numbers and its short names. */
export interface Names<N extends string> {
  readonly names: readonly N[];
  readonly toName: ReadonlyMap<number, N>;
  readonly toNumber: ReadonlyMap<string, number>;
}

export function namesOf<E extends object, P extends string>(
  values: E,
  prefix: P,
): Names<EnumName<E, P>> {
  type N = EnumName<E, P>;
  const toName = new Map<number, N>();
  const toNumber = new Map<string, number>();
  for (const [key, value] of Object.entries(values) as [string, unknown][]) {
    if (typeof value !== "number" || value === 0) continue;
    const name = key.slice(prefix.length) as N;
    toName.set(value, name);
    toNumber.set(name, value);
  }
  return { names: [...toName.values()], toName, toNumber };
}

/** An enum that must be specified. */
export function name<N extends string>(table: Names<N>): Field<N> {
  return {
    read: (wire, path) => {
      const found = table.toName.get(wire as number);
      if (found === undefined) throw new Unreadable("ENUM_UNKNOWN", path);
      return found;
    },
    write: (value, path) => {
      const found = table.toNumber.get(value);
      if (found === undefined) throw fieldInvalid(path, value, `one of ${table.names.join(", ")}`);
      return found;
    },
    kind: { type: "name", names: table.names, optional: false },
  };
}

/** An enum that may be left unspecified: null. */
export function nameOrNull<N extends string>(table: Names<N>): Field<N | null> {
  const specified = name(table);
  return {
    read: (wire, path) => (wire === 0 ? null : specified.read(wire, path)),
    write: (value, path) => (value === null ? 0 : specified.write(value, path)),
    kind: { type: "name", names: table.names, optional: true },
  };
}
