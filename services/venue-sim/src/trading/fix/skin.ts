/** The venue's socket and its one session. */

import { createServer, type Server, type Socket } from "node:net";
import { type FixHeard, type FixSession, newFixSession } from "@tidegate/rust-core";
import type { OrderBoard } from "../switches.ts";
import { type Desk, incoming, TAKEN } from "./desk.ts";
import { MessageWindow, REPORTS_WAITING_MAX, UNREAD_BYTES_MAX } from "./limits.ts";
import type { Outgoing } from "./messages.ts";

/** Who may log on. */
export interface Permitted {
  /** The client's SenderCompID. */
  readonly compId: string;
  readonly username: string;
  readonly password: string;
}

export const VENUE_COMP_ID = "VENUE";
const SOH = "\u0001";

export interface SkinOptions {
  readonly desk: Desk;
  readonly board: OrderBoard;
  readonly client: Permitted;
  readonly nowMs: () => number;
  readonly onError: (error: unknown) => void;
}

export class FixSkin {
  readonly #options: SkinOptions;
  readonly #session: FixSession;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #window = new MessageWindow();
  /** Reports that nobody is there to hear, or that are held back. */
  readonly #waiting: Outgoing[] = [];
  #heldUntilMs = 0;
  #current: Socket | null = null;
  #open = true;
  /** Reports that were dropped because too many waited. */
  dropped = 0;

  constructor(options: SkinOptions) {
    this.#options = options;
    const { compId, username, password } = options.client;
    this.#session = newFixSession({
      ...{ role: "acceptor", sender: VENUE_COMP_ID, target: compId, heartbeatSeconds: 30 },
      ...{ username, password, takes: TAKEN },
    });
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on("error", options.onError);
  }

  /** Listens on loopback; gives the port. */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#closed(socket));
    // One connection a session, and none while the session is closed.
    if (!this.#open || this.#current !== null) {
      socket.destroy();
      return;
    }
    const deaf = this.#options.board.take("auth_timeout") !== null;
    if (deaf) {
      socket.resume();
      return;
    }
    this.#current = socket;
    this.#session.connect(this.#options.nowMs(), performance.now());
    socket.on("data", (bytes: Buffer) => this.#guarded(() => this.#receive(socket, bytes)));
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #closed(socket: Socket): void {
    this.#sockets.delete(socket);
    if (this.#current !== socket) return;
    this.#current = null;
    this.#session.disconnected(this.#options.nowMs(), performance.now());
    this.#session.flush();
  }

  #receive(socket: Socket, bytes: Buffer): void {
    if (this.#current !== socket) return;
    const { board, nowMs } = this.#options;
    let taken = bytes;
    if (bytes.includes(`${SOH}35=D${SOH}`)) {
      if (board.take("request_lost") !== null) {
        this.disconnect();
        return;
      }
      if (board.take("session_reject") !== null) taken = spoiled(bytes);
    }
    this.#take(JSON.parse(this.#session.receive(taken, nowMs(), performance.now())) as FixHeard[]);
    this.publish();
  }

  #take(heard: readonly FixHeard[]): void {
    const { board, desk, nowMs } = this.#options;
    for (const each of heard) {
      if (each.kind !== "message") continue;
      const counted = each.type === "D" || each.type === "F" || each.type === "G";
      const tooMany = counted && !this.#window.take(nowMs());
      if (tooMany || (counted && board.take("message_limit") !== null)) {
        // What was read already is not served any more.
        this.#session.logout("message limit exceeded", nowMs(), performance.now());
        return;
      }
      desk.onMessage(incoming(each), nowMs());
    }
  }

  /** Says what the desk has to say. */
  publish(): void {
    const { desk, board, nowMs } = this.#options;
    for (const each of desk.take()) {
      const held = each.type === "8" ? board.take("late_events") : null;
      if (held !== null) this.#heldUntilMs = nowMs() + board.ms("late_events", held);
      this.#waiting.push(each);
      if (this.#waiting.length <= REPORTS_WAITING_MAX) continue;
      this.#waiting.shift();
      this.dropped += 1;
    }
    while (this.#session.open && nowMs() >= this.#heldUntilMs) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#say(next);
    }
    this.#flush();
  }

  /** Sends one message, as an armed switch has it: not at all, unreadably, or twice. */
  #say(message: Outgoing): void {
    const { board } = this.#options;
    const event =
      message.type === "8" && !message.fields.some(([tag, v]) => tag === 150 && v === "I");
    if (event && board.isArmed("gap")) {
      board.take("gap");
      this.#flush();
      this.#send(message);
      this.#session.flush();
    } else if (event && board.take("garbled") !== null) {
      this.#flush();
      this.#send(message);
      this.#write(broken(this.#session.flush()));
    } else {
      this.#send(message);
      if (event && board.take("duplicate") !== null) this.#send(message);
    }
  }

  #send({ type, fields }: Outgoing): void {
    const { nowMs } = this.#options;
    this.#session.send(type, JSON.stringify(fields), nowMs(), performance.now());
  }

  #flush(): void {
    const bytes = this.#session.flush();
    if (bytes.length > 0) this.#write(bytes);
    if (this.#session.closing !== null) this.#current?.end();
  }

  #write(bytes: Buffer): void {
    if (this.#current === null) return;
    this.#current.write(bytes);
    if (this.#current.writableLength > UNREAD_BYTES_MAX) this.disconnect();
  }

  /** Ten milliseconds have passed, or a few more. */
  tick(): void {
    const { desk, nowMs } = this.#options;
    desk.tick(nowMs());
    this.#take(JSON.parse(this.#session.tick(nowMs(), performance.now())) as FixHeard[]);
    this.publish();
  }

  /** Every connection ends without a word. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The session of the day ends: a Logout, and nobody is let in. */
  closeSession(): void {
    this.publish();
    this.#open = false;
    this.#session.logout("end of the session", this.#options.nowMs(), performance.now());
    this.#flush();
  }

  /** The next begins, with both numbers at 1. */
  openSession(): void {
    const current = this.#current;
    if (current !== null) {
      current.destroy();
      this.#closed(current);
    }
    this.#session.beginAnew(this.#options.nowMs(), performance.now());
    this.#session.flush();
    // What nobody was there to hear had a number of the session that is over.
    this.#waiting.length = 0;
    this.#open = true;
  }

  async close(): Promise<void> {
    this.disconnect();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A frame's bytes with their checksum as it must be. */
function summed(frame: string): string {
  const body = frame.slice(0, frame.lastIndexOf(`${SOH}10=`) + 1);
  let sum = 0;
  for (const byte of Buffer.from(body, "latin1")) sum = (sum + byte) % 256;
  return `${body}10=${String(sum).padStart(3, "0")}${SOH}`;
}

/** The first order of what came in with a side the standard does not list. */
function spoiled(bytes: Buffer): Buffer {
  const frames = bytes.toString("latin1").split(/(?=8=FIX)/);
  const at = frames.findIndex((frame) => frame.includes(`${SOH}35=D${SOH}`));
  const order = frames[at];
  if (order === undefined) return bytes;
  frames[at] = summed(order.replace(new RegExp(`${SOH}54=.`), `${SOH}54=Z`));
  return Buffer.from(frames.join(""), "latin1");
}

/** One message with a wrong checksum. */
function broken(bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  const at = text.lastIndexOf(`${SOH}10=`) + 4;
  const digit = text[at] === "0" ? "1" : "0";
  return Buffer.from(`${text.slice(0, at)}${digit}${text.slice(at + 1)}`, "latin1");
}
