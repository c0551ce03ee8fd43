/** One connected client, whatever carries it. */

import type { ServerResponse } from "node:http";
import { WebSocket } from "ws";
import { FROZEN_MS_MAX } from "./limits.ts";

export interface Peer {
  /** True once the other end is as good as gone: nothing is read, nothing sent, and no FIN. */
  readonly frozen: boolean;
  /** Bytes the client has not taken yet. */
  readonly unsent: number;
  readonly open: boolean;
  send(data: string | Buffer): void;
  /** Leaves the socket open and dead. */
  freeze(): void;
  /** Ends in order. */
  close(code: number, reason: string): void;
  /** Ends at once. */
  terminate(): void;
}

export class WsPeer implements Peer {
  readonly ws: WebSocket;
  frozen = false;
  #thaw: NodeJS.Timeout | null = null;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on("error", () => ws.terminate());
    ws.on("close", () => {
      if (this.#thaw !== null) clearTimeout(this.#thaw);
    });
  }

  get unsent(): number {
    return this.ws.bufferedAmount;
  }

  get open(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  send(data: string | Buffer): void {
    if (!this.frozen && this.open) this.ws.send(data);
  }

  ping(data: string): void {
    if (!this.frozen && this.open) this.ws.ping(data);
  }

  freeze(): void {
    if (this.frozen) return;
    this.frozen = true;
    this.ws.pause();
    this.#thaw = setTimeout(() => this.ws.terminate(), FROZEN_MS_MAX);
  }

  close(code: number, reason: string): void {
    if (!this.frozen) this.ws.close(code, reason);
  }

  terminate(): void {
    this.ws.terminate();
  }
}

/** A client of an event stream. */
export class SsePeer implements Peer {
  readonly response: ServerResponse;
  frozen = false;
  #thaw: NodeJS.Timeout | null = null;

  constructor(response: ServerResponse) {
    this.response = response;
    response.on("close", () => {
      if (this.#thaw !== null) clearTimeout(this.#thaw);
    });
  }

  get unsent(): number {
    return this.response.writableLength;
  }

  get open(): boolean {
    return !this.response.writableEnded && !this.response.destroyed;
  }

  send(data: string | Buffer): void {
    if (!this.frozen && this.open) this.response.write(data);
  }

  freeze(): void {
    if (this.frozen) return;
    this.frozen = true;
    this.#thaw = setTimeout(() => this.response.destroy(), FROZEN_MS_MAX);
  }

  close(): void {
    if (!this.frozen) this.response.end();
  }

  terminate(): void {
    this.response.destroy();
  }
}
