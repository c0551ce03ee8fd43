import { geteuid } from "node:process";
import { Context, Router } from "zeromq";
import { allowListMalformed, curveKeyMalformed } from "./errors.ts";
import { KEYS_MAX, UIDS_MAX } from "./limits.ts";

/**
 * Who may be at the other end of a socket. Every end has a ZeroMQ context of its own with its own ZAP handler, so that no
 * policy is shared by accident; libzmq asks it in each handshake, before the first message is believed.
 */
export type Policy =
  /** ipc: the user id of the process at the other end, as the kernel tells it (SO_PEERCRED). */
  | { readonly mechanism: "ipc"; readonly uids: readonly number[] }
  /** tcp: the client's CURVE key, Z85. Without this list CURVE would let in any key that knows the server's. */
  | { readonly mechanism: "curve"; readonly publicKeys: readonly string[] };

export interface CredentialCounters {
  readonly allowed: number;
  readonly refused: number;
}

const DOMAIN = "tidegate";
const OK = "200";
const DENIED = "400";

/** This user, and nobody else. */
export function ownUid(): Policy {
  return { mechanism: "ipc", uids: [geteuid?.() ?? -1] };
}

/** 40 letters of Z85 are the 32 bytes of a CURVE key. */
export function checkKey(key: string, which: string): string {
  if (!/^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/.test(key)) throw curveKeyMalformed(which);
  return key;
}

export class Gatekeeper implements Disposable {
  /** The context every socket of this end is made in. */
  readonly context: Context;
  readonly domain: string = DOMAIN;
  readonly #handler: Router;
  readonly #policy: Policy;
  #allowed = 0;
  #refused = 0;

  private constructor(context: Context, handler: Router, policy: Policy) {
    this.context = context;
    this.#handler = handler;
    this.#policy = policy;
  }

  static async open(policy: Policy): Promise<Gatekeeper> {
    if (policy.mechanism === "ipc") {
      const size = policy.uids.length;
      if (size < 1 || size > UIDS_MAX) throw allowListMalformed("user ids", size, UIDS_MAX);
    } else {
      const size = policy.publicKeys.length;
      if (size < 1 || size > KEYS_MAX) throw allowListMalformed("client keys", size, KEYS_MAX);
      for (const key of policy.publicKeys) checkKey(key, "client's public key");
    }
    const context = new Context();
    const handler = new Router({ context, linger: 0, sendTimeout: 0 });
    await handler.bind("inproc://zeromq.zap.01");
    const gatekeeper = new Gatekeeper(context, handler, policy);
    void gatekeeper.#answer();
    return gatekeeper;
  }

  get counters(): CredentialCounters {
    return { allowed: this.#allowed, refused: this.#refused };
  }

  [Symbol.dispose](): void {
    this.#handler.close();
  }

  async #answer(): Promise<void> {
    try {
      while (!this.#handler.closed) await this.#answerOne(await this.#handler.receive());
    } catch (error) {
      if (!this.#handler.closed) throw error;
    }
  }

  async #answerOne(request: readonly Buffer[]): Promise<void> {
    const [route, , version, id, domain, address, , mechanism, credential] = request;
    if (route === undefined || id === undefined) return;
    const known = version?.toString() === "1.0" && domain?.toString() === DOMAIN;
    const ok = known && this.#allows(String(mechanism), String(address), credential);
    if (ok) this.#allowed += 1;
    else this.#refused += 1;
    const [code, text] = ok ? [OK, "OK"] : [DENIED, "not in the allow-list"];
    await this.#handler.send([route, "", "1.0", id, code, text, "", ""]);
  }

  #allows(mechanism: string, address: string, credential: Buffer | undefined): boolean {
    const policy = this.#policy;
    if (policy.mechanism === "ipc") {
      const uid = peerUid(address);
      return mechanism === "NULL" && uid !== null && policy.uids.includes(uid);
    }
    if (mechanism !== "CURVE" || credential?.length !== 32) return false;
    return policy.publicKeys.includes(z85(credential));
  }
}

/** libzmq writes ":<uid>:<gid>:<pid>" behind the address of a unix socket; null when it names nobody. */
export function peerUid(address: string): number | null {
  const uid = /:(\d+):(\d+):(\d+)$/.exec(address)?.[1];
  return uid === undefined ? null : Number(uid);
}

const Z85_LETTERS =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/** Bytes, four at a time, as ZeroMQ writes keys (RFC 32). */
export function z85(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
    const word = view.getUint32(at);
    for (let power = 85 ** 4; power >= 1; power /= 85) {
      text += Z85_LETTERS.charAt(Math.floor(word / power) % 85);
    }
  }
  return text;
}
