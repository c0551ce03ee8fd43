/** A throw-away certificate authority and a server certificate for loopback, made at each start: X.509 v3, ECDSA P-256. */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export interface Certificates {
  /** What a client has to trust, PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const tlv = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts);
const set = (...parts: readonly Buffer[]): Buffer => tlv(0x31, ...parts);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, "hex"));
const octets = (...parts: readonly Buffer[]): Buffer => tlv(0x04, ...parts);
const bits = (body: Buffer, unused = 0): Buffer => tlv(0x03, Buffer.from([unused]), body);
const yes = tlv(0x01, Buffer.from([0xff]));

const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));
const name = (text: string): Buffer =>
  sequence(set(sequence(oid("550403"), tlv(0x0c, Buffer.from(text)))));
const extension = (id: string, critical: boolean, body: Buffer): Buffer =>
  sequence(oid(id), ...(critical ? [yes] : []), octets(body));

/** UTCTime as far as 2049, GeneralizedTime after it. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return Number(text.slice(0, 4)) < 2050
    ? tlv(0x17, Buffer.from(text.slice(2)))
    : tlv(0x18, Buffer.from(text));
}

const DAY_MS = 86_400_000;

interface Body {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly extensions: readonly Buffer[];
}

function issue(body: Body, signer: KeyObject, nowMs: number): string {
  const serial = randomBytes(8);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01;
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ECDSA_SHA256,
    name(body.issuer),
    sequence(time(nowMs - DAY_MS), time(nowMs + 365 * DAY_MS)),
    name(body.subject),
    body.key.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...body.extensions)),
  );
  const der = sequence(tbs, ECDSA_SHA256, bits(sign("sha256", tbs, signer)));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

const BASIC_CONSTRAINTS = "551d13";
const KEY_USAGE = "551d0f";
const EXTENDED_KEY_USAGE = "551d25";
const ALT_NAMES = "551d11";
const SERVER_AUTH = "2b06010505070301";

/** Certificates for `localhost`, 127.0.0.1 and ::1. */
export function makeCertificates(nowMs: number): Certificates {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = "Tidegate venue-sim CA";
  const ca = issue(
    {
      subject: issuer,
      issuer,
      key: authority.publicKey,
      extensions: [
        extension(BASIC_CONSTRAINTS, true, sequence(yes)),
        extension(KEY_USAGE, true, bits(Buffer.from([0x06]), 1)),
      ],
    },
    authority.privateKey,
    nowMs,
  );
  const cert = issue(
    {
      subject: "localhost",
      issuer,
      key: server.publicKey,
      extensions: [
        extension(BASIC_CONSTRAINTS, true, sequence()),
        extension(KEY_USAGE, true, bits(Buffer.from([0x80]), 7)),
        extension(EXTENDED_KEY_USAGE, false, sequence(oid(SERVER_AUTH))),
        extension(
          ALT_NAMES,
          false,
          sequence(
            tlv(0x82, Buffer.from("localhost")),
            tlv(0x87, Buffer.from([127, 0, 0, 1])),
            tlv(0x87, Buffer.from([...Array<number>(15).fill(0), 1])),
          ),
        ),
      ],
    },
    authority.privateKey,
    nowMs,
  );
  const key = server.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { ca, cert, key };
}
