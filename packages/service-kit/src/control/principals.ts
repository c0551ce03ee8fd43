/** Who may act: names, roles and public keys. The private halves are with the people. */

import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { ServiceFault } from "../faults.ts";
import { PRINCIPALS_BYTES_MAX, PRINCIPALS_MAX } from "./limits.ts";

export const ROLES = ["viewer", "operator", "risk", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** A principal's name: printable, without a space, as the journal takes it. */
export const PrincipalName = z
  .string()
  .regex(/^[A-Za-z0-9][\x21-\x7e]{0,63}$/, "want 1 to 64 printable characters without a space");

const Row = z.strictObject({
  name: PrincipalName,
  role: z.enum(ROLES),
  /** The 32 bytes of the Ed25519 key, base64url (RFC 8032, as `x` of RFC 8037). */
  publicKey: z.string().regex(/^[\w-]{43}$/, "want 32 bytes as base64url"),
});
const File = z.strictObject({
  version: z.literal(1),
  principals: z.array(Row).max(PRINCIPALS_MAX),
});
type File = z.output<typeof File>;

export interface Principal {
  readonly name: string;
  readonly role: Role;
  readonly key: KeyObject;
}

const keyOf = (x: string): KeyObject =>
  createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });

/**
 * Reads the file of principals.
 *
 * Errors  `ServiceFault`: not there, writable by others, not of this form, a name or a key twice; each with its remedy
 */
export function readPrincipals(path: string): ReadonlyMap<string, Principal> {
  const file = readFile(path);
  const principals = new Map<string, Principal>();
  const keys = new Map<string, string>();
  for (const { name, role, publicKey } of file.principals) {
    if (principals.has(name)) throw new ServiceFault(`${path}: ${name} stands twice; remove one`);
    const other = keys.get(publicKey);
    if (other !== undefined) {
      // Two names with one key are one person: the rule of two would be none.
      throw new ServiceFault(
        `${path}: ${other} and ${name} have the same key; give each person one of their own`,
      );
    }
    keys.set(publicKey, name);
    principals.set(name, { name, role, key: keyOf(publicKey) });
  }
  return principals;
}

function readFile(path: string): File {
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o022) !== 0) {
      throw new ServiceFault(
        `${path} has mode ${(mode & 0o777).toString(8)}: others can write it and make themselves anybody; chmod go-w it and look at who is in it`,
      );
    }
    if (size > PRINCIPALS_BYTES_MAX) {
      throw new ServiceFault(`${path} has ${size} bytes, want at most ${PRINCIPALS_BYTES_MAX}`);
    }
    const read = File.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    throw new ServiceFault(`${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  } catch (error) {
    if (error instanceof ServiceFault) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it is not there" : message;
    throw new ServiceFault(
      `cannot read the principals ${path}: ${why}; make one with: hft gateway keygen NAME --role operator`,
      { cause: error },
    );
  }
}

/** The principals of a file that may change while it is used: a key taken out of it is refused from the next request on. */
export function livePrincipals(path: string): () => ReadonlyMap<string, Principal> {
  let seen = "";
  let principals: ReadonlyMap<string, Principal> = new Map();
  const look = (): ReadonlyMap<string, Principal> => {
    const { mtimeNs, size, ino, mode } = statSync(path, { bigint: true });
    const now = `${mtimeNs} ${size} ${ino} ${mode}`;
    if (now !== seen) {
      principals = readPrincipals(path);
      seen = now;
    }
    return principals;
  };
  // The first read says at the start what is wrong; a later one that fails lets nobody in.
  readPrincipals(path);
  return () => {
    try {
      return look();
    } catch {
      seen = "";
      return new Map();
    }
  };
}

/**
 * Makes an Ed25519 key pair: the private half as PEM in `keyPath`, mode 0600; gives the public half as base64url.
 *
 * Errors  `ServiceFault` when the file is there already
 */
export function makeKey(keyPath: string): string {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  mkdirSync(dirname(keyPath), { recursive: true });
  try {
    writeFileSync(keyPath, privateKey.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
      flag: "wx",
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new ServiceFault(`${keyPath} is there already; name another file, or remove it first`);
  }
  return publicKey.export({ format: "jwk" }).x ?? "";
}

/** Adds a principal to a file, made where there is none. */
export function addPrincipal(path: string, name: string, role: Role, publicKey: string): void {
  const file: File = existsSync(path) ? readFile(path) : { version: 1, principals: [] };
  const wanted = File.safeParse({
    version: 1,
    principals: [...file.principals, { name, role, publicKey }],
  });
  if (!wanted.success)
    throw new ServiceFault(`${path}: ${wanted.error.issues[0]?.message ?? "cannot be changed"}`);
  if (file.principals.some((each) => each.name === name))
    throw new ServiceFault(`${path}: ${name} is there already; remove it first`);
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(wanted.data, null, 2)}\n`, { mode: 0o644 });
  chmodSync(fresh, 0o644);
  renameSync(fresh, path);
}
