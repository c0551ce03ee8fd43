/** Tokens of the control API: a JWT signed with Ed25519 (RFC 7519, RFC 8037), short-lived, for one service, used once. */

import { createPrivateKey, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { ServiceFault } from "../faults.ts";
import { TOKEN_CHARS_MAX, TOKEN_LIFE_MS_MAX, USED_TOKENS_MAX } from "./limits.ts";
import type { Principal } from "./principals.ts";

const HEADER = Buffer.from('{"alg":"EdDSA","typ":"JWT"}').toString("base64url");

const Claims = z.strictObject({
  sub: z.string().min(1).max(64),
  aud: z.string().min(1).max(64),
  /** Seconds since the Unix epoch, with milliseconds (RFC 7519 section 2, NumericDate). */
  iat: z.number().nonnegative(),
  exp: z.number().nonnegative(),
  jti: z.string().regex(/^[\w-]{16,64}$/),
});

/** Who signs: a name and its private key. */
export interface Signer {
  readonly name: string;
  readonly key: KeyObject;
}

/**
 * The private key of a principal.
 *
 * Errors  `ServiceFault`: others can read the file, or it holds no Ed25519 key; never with its content
 */
export function readSigner(name: string, keyPath: string): Signer {
  let key: KeyObject;
  try {
    const mode = statSync(keyPath).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      throw new ServiceFault(
        `${keyPath} has mode ${mode.toString(8)}: others can read the key; make a new one and take the old out of the principals`,
      );
    }
    key = createPrivateKey(readFileSync(keyPath));
  } catch (error) {
    if (error instanceof ServiceFault) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "it holds no key";
    throw new ServiceFault(
      `cannot read the key ${keyPath}: ${code}; make one with: hft gateway keygen ${name}`,
    );
  }
  if (key.asymmetricKeyType !== "ed25519")
    throw new ServiceFault(`${keyPath} holds a key of another kind, want Ed25519`);
  return { name, key };
}

/** A fresh token of `signer` for one request to `audience`. */
export function mint(
  signer: Signer,
  audience: string,
  nowMs: number,
  { lifeMs = 60_000, jti = randomBytes(16).toString("base64url") } = {},
): string {
  const claims = {
    sub: signer.name,
    aud: audience,
    iat: nowMs / 1_000,
    exp: (nowMs + lifeMs) / 1_000,
    jti,
  };
  const payload = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${payload}.${sign(null, Buffer.from(payload), signer.key).toString("base64url")}`;
}

export type Judged =
  | { readonly ok: true; readonly principal: Principal; readonly jti: string }
  | { readonly ok: false; readonly status: 401 | 503; readonly why: string };

const no = (why: string): Judged => ({ ok: false, status: 401, why });

/** Judges tokens of one service. Each is good once, and none that was made before this process: its used ones are not known. */
export class TokenJudge {
  readonly #audience: string;
  readonly #principals: () => ReadonlyMap<string, Principal>;
  readonly #startedMs: number;
  /** Used tokens with the time they expire at. */
  readonly #used = new Map<string, number>();

  constructor(
    audience: string,
    principals: () => ReadonlyMap<string, Principal>,
    startedMs: number,
  ) {
    this.#audience = audience;
    this.#principals = principals;
    this.#startedMs = startedMs;
  }

  /** Judges an Authorization header and, where it is good, uses it up. */
  judge(header: string | undefined, nowMs: number): Judged {
    if (header === undefined) return no("want Authorization: Bearer and a token");
    if (header.length > TOKEN_CHARS_MAX)
      return no(`the token is longer than ${TOKEN_CHARS_MAX} characters`);
    const [, token] = /^Bearer ([\w.-]+)$/i.exec(header) ?? [];
    const [head, body, signature, more] = token?.split(".") ?? [];
    if (head !== HEADER || body === undefined || signature === undefined || more !== undefined)
      return no("want a token of this service: a JWT with EdDSA");
    let read: ReturnType<typeof Claims.safeParse>;
    try {
      read = Claims.safeParse(JSON.parse(Buffer.from(body, "base64url").toString("utf8")));
    } catch {
      return no("the token's claims are no JSON");
    }
    if (!read.success)
      return no(
        `the token's claims: ${String(read.error.issues[0]?.path[0] ?? "")} is missing or malformed`,
      );
    const { sub, aud, iat, exp, jti } = read.data;
    const principal = this.#principals().get(sub);
    // One answer for an unknown name and for a wrong signature: a stranger learns no names.
    const bytes = Buffer.from(signature, "base64url");
    const good =
      principal !== undefined &&
      bytes.length === 64 &&
      verify(null, Buffer.from(`${head}.${body}`), principal.key, bytes);
    if (!good) return no("the token is not signed by a principal of this service");
    if (aud !== this.#audience)
      return no(`the token is for ${JSON.stringify(aud)}, not for ${this.#audience}`);
    const [iatMs, expMs] = [iat * 1_000, exp * 1_000];
    if (expMs - iatMs > TOKEN_LIFE_MS_MAX)
      return no(`the token lives longer than ${TOKEN_LIFE_MS_MAX / 1_000} s`);
    if (nowMs >= expMs) return no("the token has expired; make a new one");
    if (iatMs > nowMs + 0.5) return no("the token is from the future; check the clock");
    if (iatMs < this.#startedMs) return no("the token is older than this process; make a new one");
    if (this.#used.has(jti)) return no("the token was used before; make a new one");
    if (this.#used.size >= USED_TOKENS_MAX) this.#forget(nowMs);
    if (this.#used.size >= USED_TOKENS_MAX)
      return { ok: false, status: 503, why: "too many tokens in use; wait a minute" };
    this.#used.set(jti, expMs);
    return { ok: true, principal, jti };
  }

  #forget(nowMs: number): void {
    for (const [jti, expMs] of this.#used) if (expMs <= nowMs) this.#used.delete(jti);
  }
}
