// Writes packages/contracts/golden/: a few envelopes of each payload with their bytes. Run it when a message has gained a
// field; the tests hold each vector against the TypeScript codec and the Rust codec, both ways.
import { writeFileSync } from "node:fs";
import { encodeEnvelope, PAYLOAD_KINDS } from "@tidegate/contracts";
import fc from "fast-check";
import { envelopeOf } from "../packages/contracts/src/testing/arbitrary.ts";

const VECTORS_OF_KIND = 4;
const SEED = 20_261_121;

for (const kind of PAYLOAD_KINDS) {
  const drawn = fc.sample(envelopeOf(kind), { numRuns: VECTORS_OF_KIND, seed: SEED });
  const rows = drawn.map((envelope) => ({
    hex: Buffer.from(encodeEnvelope(envelope)).toString("hex"),
    envelope,
  }));
  // A bigint stands as {"n": "123"}.
  const plain = (_: string, value: unknown): unknown =>
    typeof value === "bigint" ? { n: String(value) } : value;
  const file = new URL(`../packages/contracts/golden/${kind}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(rows, plain, 1)}\n`);
}
