import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { envelopeCheck, envelopeRecode } from "@tidegate/rust-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEnvelope, snakeCase } from "./decode.ts";
import { encodeEnvelope } from "./encode.ts";
import { ContractError } from "./errors.ts";
import { tidegate } from "./gen/messages.js";
import {
  type Envelope,
  HEAD_FIELDS,
  PAYLOAD_FIELDS,
  PAYLOAD_KINDS,
  type PayloadKind,
} from "./messages.ts";
import { anyEnvelope, envelopeOf } from "./testing/arbitrary.ts";

function decoded(bytes: Uint8Array): Envelope {
  const result = decodeEnvelope(bytes);
  if (!result.ok) throw new Error(`refused: ${result.refusal.code} ${result.refusal.field}`);
  return result.envelope;
}

function refusalOf(bytes: Uint8Array): string {
  const result = decodeEnvelope(bytes);
  return result.ok ? "accepted" : `${result.refusal.code} ${result.refusal.field}`;
}

const trade: Envelope = {
  schemaVersion: 1,
  source: "MARKET_DATA",
  traceHi: 0n,
  traceLo: 0n,
  spanId: 0n,
  tsEventNs: 1_763_700_000_123_456_789n as never,
  tsRecvNs: 1_763_700_000_123_456_790n as never,
  logSeq: 0,
  payload: {
    kind: "trade",
    value: {
      instrumentId: 1,
      venueId: 1,
      tradeId: 42,
      pxTicks: 6_180_020 as never,
      qtyLots: 4_627 as never,
      aggressor: "SELL",
      tsVenueNs: 1_763_700_000_123_000_000n as never,
      tsRecvNs: 1_763_700_000_123_456_789n as never,
      tickMonoNs: 123_456_789_012n as never,
      instrumentTableVersion: 1,
      excluded: 2,
    },
  },
};

type Change = Readonly<Record<string, unknown>>;
function tradeWith(change: Change): Envelope {
  return {
    ...trade,
    payload: { kind: "trade", value: { ...trade.payload.value, ...change } as never },
  };
}

/** The bytes of an envelope no checked encoder would write: for the refusals. */
function unchecked(wire: Change): Uint8Array {
  const properties = { schemaVersion: 1, source: 1, ...wire };
  return tidegate.envelope.v1.Envelope.encode(properties as never).finish();
}

describe("[B003] the field table and the proto are one", () => {
  const generated = tidegate.envelope.v1.Envelope as unknown as {
    readonly prototype: Readonly<Record<string, unknown>>;
  };

  it("every payload of the envelope has its table", () => {
    const heads = Object.keys(HEAD_FIELDS);
    const own = Object.keys(generated.prototype).filter((name) => name !== "payload");
    expect(own.toSorted()).toEqual([...heads, ...PAYLOAD_KINDS].toSorted());
  });

  it.each(PAYLOAD_KINDS)("%s has every field of its message and no other", (kind) => {
    const name = kind.replace(/^[a-z]/, (letter) => letter.toUpperCase());
    const message = Object.values(tidegate)
      .map((each) => (each as { v1: Record<string, unknown> }).v1[name])
      .find((each) => each !== undefined) as { readonly prototype: object };
    expect(Object.keys(message.prototype).toSorted()).toEqual(
      Object.keys(PAYLOAD_FIELDS[kind]).toSorted(),
    );
  });
});

describe("[A47 B003] TypeScript and Rust write the same bytes", () => {
  it.each(PAYLOAD_KINDS)(
    "%s reads back as written, and Rust writes it again byte by byte",
    (kind) => {
      fc.assert(
        fc.property(envelopeOf(kind), (envelope) => {
          const bytes = encodeEnvelope(envelope);
          expect(decoded(bytes)).toEqual(envelope);
          expect(envelopeRecode(bytes)?.equals(bytes)).toBe(true);
        }),
        { numRuns: 60 },
      );
    },
  );

  const folder = new URL("../golden/", import.meta.url);
  const files = readdirSync(fileURLToPath(folder)).filter((name) => name.endsWith(".json"));
  it.each(files)("golden %s", (file) => {
    const golden = JSON.parse(
      readFileSync(new URL(file, folder), "utf8"),
      revive,
    ) as readonly Golden[];
    expect(golden.length).toBeGreaterThan(0);
    for (const { envelope, hex } of golden) {
      const bytes = Buffer.from(hex, "hex");
      expect(decoded(bytes)).toEqual(envelope);
      expect(Buffer.from(encodeEnvelope(envelope)).toString("hex")).toBe(hex);
      expect(envelopeRecode(bytes)?.toString("hex")).toBe(hex);
    }
  });

  it("golden vectors cover every payload", () => {
    const kinds = new Set<PayloadKind>();
    for (const file of files) {
      const golden = JSON.parse(
        readFileSync(new URL(file, folder), "utf8"),
        revive,
      ) as readonly Golden[];
      for (const { envelope } of golden) kinds.add(envelope.payload.kind);
    }
    expect([...kinds].toSorted()).toEqual([...PAYLOAD_KINDS].toSorted());
  });
});

interface Golden {
  readonly envelope: Envelope;
  readonly hex: string;
}

/** A bigint stands in JSON as {"n": "123"}. */
function revive(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("n" in value)) return value;
  return BigInt(String(value.n));
}

describe("[A06 B003] what is no envelope is refused by name", () => {
  const bytes = encodeEnvelope(trade);

  it("truncated anywhere", () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(refusalOf(bytes.subarray(0, length))).not.toBe("accepted");
    }
  });

  it("oversize", () => {
    expect(refusalOf(new Uint8Array(65_537))).toBe("TOO_LONG envelope");
    expect(refusalOf(Buffer.concat([bytes, new Uint8Array(70_000)]))).toBe("TOO_LONG envelope");
  });

  it("empty", () => {
    expect(refusalOf(new Uint8Array(0))).toBe("EMPTY envelope");
  });

  it.each([
    ["SCHEMA_VERSION envelope.schema_version", { schemaVersion: 2 }],
    ["ENUM_UNSPECIFIED envelope.source", { source: 0 }],
    ["ENUM_UNKNOWN envelope.source", { source: 99 }],
    ["NO_PAYLOAD envelope.payload", {}],
    ["ID_ZERO trade.instrument_id", { trade: {} }],
    ["MISSING intent.intent_id", { intent: { kind: 1 } }],
    ["ENUM_UNSPECIFIED stream_mark.kind", { streamMark: { stream: "s", epoch: 1 } }],
  ])("%s", (refusal, wire) => {
    expect(refusalOf(unchecked(wire))).toBe(refusal);
  });

  it("two payloads, one twice, an unknown field", () => {
    const second = unchecked({ snapshotRequest: { topic: "t" } });
    expect(refusalOf(Buffer.concat([bytes, second]))).toBe("DUPLICATE_FIELD envelope");
    expect(refusalOf(Buffer.concat([bytes, Buffer.from([0xa0, 0x06, 0x01])]))).toBe(
      "UNKNOWN_FIELD envelope",
    );
  });

  it("a count no number holds is refused where a bigint would not be", () => {
    const unsafe = unchecked({
      snapshotRequest: { topic: "t", afterSeq: { low: 0, high: 0x0020_0000, unsigned: true } },
    });
    expect(envelopeCheck(unsafe)).toBeNull();
    expect(refusalOf(unsafe)).toBe("INTEGER_UNSAFE snapshot_request.after_seq");
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), (seq) => {
        const low = Number(BigInt.asIntN(32, seq));
        const high = Number(BigInt.asIntN(32, seq >> 32n));
        const afterSeq = { low, high, unsigned: true };
        const result = decodeEnvelope(unchecked({ snapshotRequest: { topic: "t", afterSeq } }));
        expect(result.ok).toBe(seq <= BigInt(Number.MAX_SAFE_INTEGER));
        if (!result.ok || result.envelope.payload.kind !== "snapshotRequest") return;
        expect(BigInt(result.envelope.payload.value.afterSeq)).toBe(seq);
      }),
    );
  });

  it("every single bit flipped: refused, or another valid envelope both codecs agree on", () => {
    let accepted = 0;
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      accepted += agree(flipped) ? 1 : 0;
    }
    expect(accepted).toBeGreaterThan(0); // a price one tick higher is as valid; the frame's checksum is what tells
  });

  it("random bytes and random damage never throw and never disagree with the validator", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (random) => void agree(random)));
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
    fc.assert(
      fc.property(anyEnvelope, damage, (envelope, changes) => {
        const damaged = Buffer.from(encodeEnvelope(envelope));
        for (const [at, value] of changes) damaged[at % damaged.length] = value;
        agree(damaged);
      }),
      { numRuns: 300 },
    );
  });

  function agree(input: Uint8Array): boolean {
    const fault = envelopeCheck(input);
    const result = decodeEnvelope(input);
    if (result.ok) {
      expect(fault).toBeNull();
      // What was accepted has one meaning: it is written back as something that reads the same.
      expect(decoded(encodeEnvelope(result.envelope))).toEqual(result.envelope);
    } else if (fault === null) {
      expect(result.refusal.code).toBe("INTEGER_UNSAFE");
    }
    return result.ok;
  }
});

describe("what no reader would take never leaves", () => {
  it.each([
    ["FIELD_INVALID", { pxTicks: 1.5 }],
    ["FIELD_INVALID", { pxTicks: 2 ** 53 }],
    ["FIELD_INVALID", { pxTicks: Number.NaN }],
    ["FIELD_INVALID", { qtyLots: -1 }],
    ["FIELD_INVALID", { instrumentId: 2 ** 32 }],
    ["FIELD_INVALID", { tsVenueNs: 1n << 63n }],
    ["FIELD_INVALID", { tickMonoNs: -1n }],
    ["FIELD_INVALID", { aggressor: "UNSPECIFIED" }],
    ["ENVELOPE_REFUSED", { instrumentId: 0 }],
    ["ENVELOPE_REFUSED", { qtyLots: 0 }],
    ["ENVELOPE_REFUSED", { tsVenueNs: -1n }],
  ])("%s %o", (code, change) => {
    const fault = (() => {
      try {
        return encodeEnvelope(tradeWith(change));
      } catch (error) {
        return error instanceof ContractError ? error.fault.code : error;
      }
    })();
    expect(fault).toBe(code);
  });

  it("text with a lone surrogate, which UTF-8 cannot carry", () => {
    const status = {
      ...trade,
      payload: { kind: "snapshotRequest", value: { topic: "\ud800", afterSeq: 0 } },
    } as Envelope;
    expect(() => encodeEnvelope(status)).toThrow("[FIELD_INVALID]");
  });
});

it("the last safe integers arrive, the first unsafe ones do not, on both sides of 0", () => {
  const refusalAt = (px: bigint): string => {
    const long = { low: Number(BigInt.asIntN(32, px)), high: Number(px >> 32n), unsigned: false };
    const fields = { instrumentId: 1, venueId: 1, state: 2, bidPxTicks: long };
    const bytes = unchecked({ bookTop: fields });
    const result = decodeEnvelope(bytes);
    if (!result.ok) return result.refusal.code;
    const { payload } = result.envelope;
    return payload.kind === "bookTop" ? String(payload.value.bidPxTicks) : payload.kind;
  };
  const last = 2n ** 53n - 1n;
  expect(refusalAt(last)).toBe(String(last));
  expect(refusalAt(-last)).toBe(String(-last));
  for (const beyond of [last + 1n, last + 2n, last + 3n, 2n ** 62n]) {
    expect(refusalAt(beyond)).toBe("OUT_OF_RANGE");
    expect(refusalAt(-beyond)).toBe("OUT_OF_RANGE");
  }
});

it("64-bit stamps keep every digit", () => {
  expect(decoded(encodeEnvelope(trade)).tsEventNs).toBe(1_763_700_000_123_456_789n);
});

it("works where code generation from strings is forbidden", () => {
  const codec = new URL("./index.ts", import.meta.url).href;
  const script = `const { encodeEnvelope, decodeEnvelope } = await import(${JSON.stringify(codec)});
    const bytes = Buffer.from(process.argv[1], "hex");
    const { envelope } = decodeEnvelope(bytes);
    process.stdout.write(Buffer.from(encodeEnvelope(envelope)).toString("hex"));
    try { new Function("return 1")(); process.exitCode = 3; } catch {}`;
  const hex = Buffer.from(encodeEnvelope(trade)).toString("hex");
  const output = execFileSync(
    process.execPath,
    ["--disallow-code-generation-from-strings", "--input-type=module", "--eval", script, hex],
    { encoding: "utf8" },
  );
  expect(output).toBe(hex);
});

it("snakeCase() spells names as the proto does", () => {
  expect(snakeCase("bidPxDeltaTicks")).toBe("bid_px_delta_ticks");
  expect(snakeCase("feeE8")).toBe("fee_e8");
});
