import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  AddonError,
  clientOrderId,
  FrameType,
  frameCheck,
  frameDecode,
  frameEncode,
  linkId,
  openLinkCore,
  openPublisherCore,
  openSubscriberCore,
} from "./index.ts";
import { load, native } from "./native.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-addon-"));
afterAll(() => rmSync(folder, { recursive: true }));

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AddonError) return error.code;
    throw error;
  }
  return "none";
}

describe("the addon", () => {
  it("that is absent is named with the remedy", () => {
    const path = join(folder, "none.node");
    expect(codeOf(() => load(path))).toBe("ADDON_MISSING");
    expect(() => load(path)).toThrow("run ./hft build");
  });

  it("that is no addon is named with the remedy", () => {
    const path = join(folder, "text.node");
    writeFileSync(path, "not a shared object");
    expect(codeOf(() => load(path))).toBe("ADDON_UNLOADABLE");
    expect(() => load(path)).toThrow("run ./hft build");
  });

  it("that lacks a function is named as outdated", () => {
    expect(codeOf(() => native("noSuchFunction")())).toBe("ADDON_OUTDATED");
  });
});

const frame = {
  kind: FrameType.DATA,
  linkId: linkId("md.1.1.top."),
  epoch: 7,
  seq: 42,
  monoNs: (1n << 64n) - 1n,
  payload: Buffer.from("payload"),
};

describe("frames", () => {
  it("read back as written", () => {
    const header = fc.record({
      linkId: fc.integer({ min: 0, max: 0xffff_ffff }),
      epoch: fc.integer({ min: 1, max: 0xffff_ffff }),
      seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      monoNs: fc.bigInt(0n, (1n << 64n) - 1n),
    });
    const payload = fc.uint8Array({ minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(header, payload, (fields, bytes) => {
        const written = { kind: FrameType.DATA, ...fields, payload: Buffer.from(bytes) };
        expect(frameDecode(frameEncode(written))).toEqual({ fault: null, ...written });
      }),
    );
  });

  it("stand on the wire as laid out: 36 bytes little-endian, then the payload", () => {
    const bytes = frameEncode(frame);
    expect(bytes.length).toBe(36 + 7);
    expect(bytes.readUInt16LE(0)).toBe(0x5447);
    expect([bytes[2], bytes[3], bytes.readUInt32LE(4)]).toEqual([1, 1, 7]);
    expect([bytes.readUInt32LE(8), bytes.readUInt32LE(12)]).toEqual([frame.linkId, 7]);
    expect([bytes.readBigUInt64LE(16), bytes.readBigUInt64LE(24)]).toEqual([42n, frame.monoNs]);
  });

  it("with any bit flipped or any byte cut are refused by name", () => {
    const bytes = frameEncode(frame);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(frameCheck(flipped)).toMatch(/^[A-Z_]+$/);
    }
    for (let length = 0; length < bytes.length; length += 1) {
      expect(frameCheck(bytes.subarray(0, length))).toMatch(/^(TOO_SHORT|LENGTH_MISMATCH)$/);
    }
    expect(frameCheck(bytes)).toBeNull();
  });

  it.each([
    ["TOO_LONG", { payload: Buffer.alloc(65_537) }],
    ["BAD_PAYLOAD", { payload: Buffer.alloc(0) }],
    ["BAD_TYPE", { kind: 9 }],
    ["RESERVED_EPOCH_ZERO", { epoch: 0 }],
    ["RESERVED_SEQ_ZERO", { seq: 0 }],
  ])("that cannot be are not written: %s", (fault, change) => {
    expect(() => frameEncode({ ...frame, ...change })).toThrow(fault);
  });

  it("random bytes never throw [B074]", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(frameDecode(bytes).fault).not.toBeNull();
      }),
    );
  });
});

it("a client order id is a pure function of intent, leg and generation", () => {
  const intent = (1n << 96n) | (2n << 64n) | 3n;
  const id = clientOrderId(intent, 0, 0);
  expect(id).toMatch(/^[0-9a-v]{25}$/);
  expect(clientOrderId(intent, 0, 0)).toBe(id);
  const others = [
    clientOrderId(intent + 1n, 0, 0),
    clientOrderId(intent, 1, 0),
    clientOrderId(intent, 0, 1),
  ];
  expect(new Set([id, ...others]).size).toBe(4);
});

describe("[B074] the pure cores take anything a peer sends", () => {
  it("without a throw, a delivery or a change of state", () => {
    const link = openLinkCore({ name: "intent/strategy:1", epoch: 1, window: 8, resume: null });
    const stream = openSubscriberCore("md.1.1.top.");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(link.onFrame(1n, bytes)).toBeNull();
        expect(stream.onFrame(1n, bytes).data ?? null).toBeNull();
      }),
    );
    expect(link.state()).toBe("CONNECTING");
    expect(stream.state()).toBe("WAITING");
  });

  it("a time that is no unsigned 64-bit number is refused by name", () => {
    const core = openPublisherCore("md.1.1.top.", 1);
    expect(() => core.heartbeat(-1n)).toThrow("nowNs: want a bigint of 64 bits, unsigned");
    expect(() => core.heartbeat(1n << 64n)).toThrow("nowNs");
    expect(core.heartbeat((1n << 64n) - 1n)).not.toBeNull();
  });
});

it("two link cores give each payload once and in order over a lane that loses a third of the frames", () => {
  const name = "intent/strategy:1";
  const left = openLinkCore({ name, epoch: 1, window: 64, resume: null });
  const right = openLinkCore({ name, epoch: 1, window: 64, resume: null });
  const got: number[] = [];
  let sent = 0;
  let random = 20_261_121;
  // A fixed sequence with no period that could fall together with the heartbeats'.
  const lost = (): boolean => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return (random >>> 16) % 3 === 0;
  };
  for (let turn = 0; turn < 4_000; turn += 1) {
    const now = BigInt(turn) * 20_000_000n;
    if (sent < 200 && typeof left.send(now, Buffer.from([sent])) === "number") sent += 1;
    for (const each of left.poll(now, 64)) {
      const data = lost() ? null : right.onFrame(now, each);
      if (data === null) continue;
      got.push(data.payload[0] ?? -1);
      right.ack(data.seq);
    }
    for (const each of right.poll(now, 64)) if (!lost()) left.onFrame(now, each);
  }
  expect(sent).toBe(200);
  expect(got).toEqual(Array.from({ length: 200 }, (_, n) => n));
  expect(JSON.parse(left.stats())).toMatchObject({ acked: 200, inFlight: 0, state: "SYNCED" });
});
