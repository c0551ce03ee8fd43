/** Asks a control API: over the run directory's unix socket, with a fresh token of the caller's own key. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { mint, readSigner, type Signer } from "@tidegate/service-kit/control";

/** Longest wait for an answer. */
export const ANSWER_MS_MAX = 10_000;
/** Longest answer that is read. */
const ANSWER_BYTES_MAX = 64 << 20;

export interface ControlAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Where a service listens, by the names tokens use. */
const SOCKETS = { gateway: "s/control.sock", monitor: "s/monitor.sock" } as const;
export type Service = keyof typeof SOCKETS;

/** How to reach it. */
type Where = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The service is not there, or does not answer. */
export class NotReached extends Error {}

export class ControlClient {
  readonly #service: Service;
  readonly #where: () => Where;
  readonly #signer: Signer;

  constructor(service: Service, where: () => Where, signer: Signer) {
    this.#service = service;
    this.#where = where;
    this.#signer = signer;
  }

  /**
   * Of a run directory: its socket, and the key `state/<principal>.key` unless another is named.
   *
   * Errors  `ServiceFault` when the key cannot be read
   */
  static of(runDir: string, service: Service, principal: string, keyPath?: string): ControlClient {
    const socketPath = join(runDir, SOCKETS[service]);
    // A path of a unix socket has 108 bytes at most; from elsewhere the loopback port is the way.
    const where = (): Where =>
      Buffer.byteLength(socketPath) < 108 ? { socketPath } : loopback(runDir, service);
    const key = keyPath ?? join(runDir, "state", `${principal}.key`);
    return new ControlClient(service, where, readSigner(principal, key));
  }

  /** Of a socket that is not a run directory's own: a gateway of a pair has its name in it. */
  static at(
    socketPath: string,
    service: Service,
    principal: string,
    keyPath: string,
  ): ControlClient {
    return new ControlClient(service, () => ({ socketPath }), readSigner(principal, keyPath));
  }

  get(path: string): Promise<ControlAnswer> {
    return this.#ask("GET", path, null, null);
  }

  /** One key a wish: what is sent again under it has no second effect. */
  post(path: string, body: object, key: string = randomUUID()): Promise<ControlAnswer> {
    return this.#ask("POST", path, JSON.stringify(body), key);
  }

  #ask(
    method: "GET" | "POST",
    path: string,
    body: string | null,
    key: string | null,
  ): Promise<ControlAnswer> {
    return new Promise((done, refuse) => {
      const failed = (error: Error): void => {
        const code = (error as NodeJS.ErrnoException).code ?? error.message;
        refuse(
          new NotReached(
            `the ${this.#service} cannot be reached (${code}); name the run directory it runs in with --run-dir, or start it`,
          ),
        );
      };
      let where: Where;
      try {
        where = this.#where();
      } catch (error) {
        failed(error as Error);
        return;
      }
      const headers = {
        authorization: `Bearer ${mint(this.#signer, this.#service, Date.now())}`,
        ...(body === null ? {} : { "content-type": "application/json" }),
        ...(body === null ? {} : { "content-length": String(Buffer.byteLength(body)) }),
        ...(key === null ? {} : { "idempotency-key": key }),
      };
      const sent = request({ ...where, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error("the answer is too long"));
          else chunks.push(chunk);
        });
        response.once("error", failed);
        response.once("end", () => {
          try {
            const text = Buffer.concat(chunks).toString("utf8");
            const read = JSON.parse(text) as Readonly<Record<string, unknown>>;
            done({ status: response.statusCode ?? 0, body: read });
          } catch (error) {
            failed(error as Error);
          }
        });
      });
      sent.setTimeout(ANSWER_MS_MAX, () => sent.destroy(new Error("no answer in time")));
      sent.once("error", failed);
      sent.end(body ?? undefined);
    });
  }
}

function loopback(runDir: string, service: Service): Where {
  const text = readFileSync(join(runDir, "state", `${service}.json`), "utf8");
  const { httpPort } = JSON.parse(text) as { httpPort: number };
  return { host: "127.0.0.1", port: httpPort };
}
