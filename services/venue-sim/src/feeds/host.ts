/** One venue's sockets: HTTP and websockets over TCP, TLS or a unix socket, with the session faults every venue can have. */

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { BodyTooLarge, readText } from "../body.ts";
import type { SwitchArgs } from "../switchboard.ts";
import type { Certificates } from "./certificate.ts";
import { MESSAGE_BYTES_MAX, PEERS_MAX } from "./limits.ts";
import { type Peer, WsPeer } from "./peer.ts";

/** What the venue answers to one plain request; null leaves the response to the skin (an event stream). */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The venue behind the sockets. */
export interface Skin {
  /** A refusal as an HTTP status, or what to do with the peer once it is up. */
  upgrade(request: IncomingMessage, url: URL): { refuse: string } | ((peer: WsPeer) => void);
  /** Null when the skin has taken the response. */
  request(
    request: IncomingMessage,
    url: URL,
    body: string,
    response: ServerResponse,
  ): Answer | null | Promise<Answer | null>;
  /** Ten milliseconds have passed, or a few more. */
  tick(): void;
  /** Everyone connected. */
  readonly peers: ReadonlySet<Peer>;
}

/** The switches every venue's sockets have. */
export interface SocketSwitches {
  take(name: "slow_accept"): SwitchArgs | null;
  ms(name: "slow_accept", args: SwitchArgs): number;
  note(name: "tls"): void;
}

export interface HostOptions {
  readonly skin: Skin;
  readonly board: SocketSwitches;
  readonly certificates: Certificates | null;
  readonly onError: (error: unknown) => void;
}

export class Host {
  readonly #options: HostOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX });
  readonly #waits = new Set<NodeJS.Timeout>();
  /** Connections whose turn to be accepted has not come: no server closes them, and each keeps its server from closing. */
  readonly #slow = new Set<Duplex>();
  #port = 0;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens on loopback; 0 = a free port. */
  async listen(port: number): Promise<number> {
    const server = this.#server();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  /** Listens on a unix socket, for this user alone. */
  async listenUnix(path: string): Promise<void> {
    const server = this.#server(true);
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
    } finally {
      process.umask(mask);
    }
  }

  async close(): Promise<void> {
    for (const wait of this.#waits) clearTimeout(wait);
    for (const socket of this.#slow) socket.destroy();
    for (const peer of [...this.#options.skin.peers]) peer.terminate();
    await Promise.all(
      this.#servers.map((server) => {
        server.closeAllConnections();
        return new Promise<void>((resolve) => server.close(() => resolve()));
      }),
    );
  }

  #server(plain = false): Server {
    const { certificates, board } = this.#options;
    const listener: RequestListener = (request, response) =>
      void this.#onRequest(request, response);
    const server: Server =
      certificates === null || plain
        ? createServer(listener)
        : createTlsServer({ cert: certificates.cert, key: certificates.key }, listener).on(
            "secureConnection",
            () => board.note("tls"),
          );
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    this.#servers.push(server);
    return server;
  }

  /** The armed delay of the next connection, ms. */
  #delayMs(): number {
    const slow = this.#options.board.take("slow_accept");
    return slow === null ? 0 : this.#options.board.ms("slow_accept", slow);
  }

  #later(ms: number, act: () => void): void {
    if (ms === 0) {
      act();
      return;
    }
    const wait = setTimeout(() => {
      this.#waits.delete(wait);
      act();
    }, ms);
    this.#waits.add(wait);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    this.#slow.add(socket);
    this.#later(this.#delayMs(), () => {
      this.#slow.delete(socket);
      if (socket.destroyed) return;
      const refuse = (status: string) =>
        socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      const { skin } = this.#options;
      if (skin.peers.size >= PEERS_MAX) return void refuse("503 Service Unavailable");
      const attach = skin.upgrade(request, new URL(request.url ?? "/", "http://venue"));
      if (typeof attach !== "function") return void refuse(attach.refuse);
      this.#sockets.handleUpgrade(request, socket, head, (ws) => attach(new WsPeer(ws)));
    });
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await readText(request, MESSAGE_BYTES_MAX);
      const url = new URL(request.url ?? "/", "http://venue");
      const answer = await this.#options.skin.request(request, url, body, response);
      if (answer === null) return;
      const headers = { "content-type": "application/json;charset=UTF-8", ...answer.headers };
      response.writeHead(answer.status, headers).end(answer.body);
    } catch (error) {
      if (error instanceof BodyTooLarge) {
        response.writeHead(413).end('{"code":413,"message":"body too large"}');
        return;
      }
      if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return;
      this.#options.onError(error);
      response.destroy();
    }
  }

  /** Delays an event stream's head as an upgrade would be. */
  delayed(act: () => void): void {
    this.#later(this.#delayMs(), act);
  }
}
