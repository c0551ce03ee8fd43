import { native } from "./native.ts";

/** How a session is kept; a Logon must bring, or brings, user name and password. */
export interface FixSessionConfig {
  readonly role: "acceptor" | "initiator";
  /** SenderCompID and TargetCompID of what this end sends. */
  readonly sender: string;
  readonly target: string;
  readonly heartbeatSeconds: number;
  readonly username: string;
  readonly password: string;
  /** Message types the application takes; others get a BusinessMessageReject. */
  readonly takes: readonly string[];
}

export type FixField = readonly [tag: number, value: string];

/** What a session hears, in its order. */
export type FixHeard =
  | {
      readonly kind: "message";
      readonly type: string;
      readonly seq: number;
      readonly fields: readonly FixField[];
    }
  | { readonly kind: "loggedOn"; readonly reset: boolean }
  | { readonly kind: "loggedOut"; readonly text: string }
  | {
      readonly kind: "rejected";
      readonly seq: number;
      readonly reason: number | null;
      readonly tag: number | null;
      readonly text: string;
    }
  | { readonly kind: "resent"; readonly sent: number; readonly withheld: number }
  | { readonly kind: "other"; readonly text: string };

/**
 * One FIX 4.4 session over our own engine, its numbers and messages in memory, over as many connections as there are. It knows
 * no socket: bytes in and out, clocks in ms. `receive` and `tick` give a JSON array of `FixHeard`.
 */
export interface FixSession {
  connect(wallMs: number, monoMs: number): void;
  disconnected(wallMs: number, monoMs: number): void;
  receive(bytes: Buffer, wallMs: number, monoMs: number): string;
  tick(wallMs: number, monoMs: number): string;
  /** `fields` is JSON, `[[tag, value], …]`. Gives the message's number; throws where there is no open session. */
  send(msgType: string, fields: string, wallMs: number, monoMs: number): number;
  /** Everything received has had its effect; the bytes to write. */
  flush(): Buffer;
  logout(text: string, wallMs: number, monoMs: number): void;
  /** Both numbers are 1 again; for when there is no connection. */
  beginAnew(wallMs: number, monoMs: number): void;
  /** Why the connection must end now, or null. */
  readonly closing: string | null;
  readonly open: boolean;
  readonly nextOut: number;
}

const fixSession = native<new (config: string) => FixSession>("FixSession");

/** Opens a session. Throws on a configuration that cannot be, naming the field. */
export function newFixSession(config: FixSessionConfig): FixSession {
  return new (fixSession())(JSON.stringify(config));
}
