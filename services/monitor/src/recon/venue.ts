/** What a reconciliation needs of a venue: its questions, its answers as looks, and what its private stream says. */

import type { RestAnswer } from "@tidegate/venues";
import type { Ask, Cost } from "./cadence.ts";
import type { Execution, Look } from "./types.ts";

/** Between which two moments of our clock an answer was made, ms. */
export interface Times {
  readonly askedMs: number;
  readonly answeredMs: number;
}

/** One venue's account, as far as one instrument goes. `from` is the oldest of our newest executions; null = we have none. */
export interface VenueSide extends Cost {
  /** Executions before the newest that each list covers again. */
  readonly back: number;
  /** Errors  no answer in time, `BudgetSpent` */
  question(what: Ask, from: Execution | null): Promise<RestAnswer>;
  /** Errors  an answer that cannot be read, or may be cut short: it says nothing */
  read(what: Ask, body: Uint8Array, from: Execution | null, times: Times): Look;
  /** One text of the private stream; empty where it is about anything else. Errors as `read` */
  hear(body: Uint8Array, atMs: number): readonly Look[];
}

/** How a private stream is begun. */
export interface Handshake {
  /** Where it is; asked anew each time. */
  readonly url: () => Promise<string>;
  /** Said when the socket is open; null = nothing, and the stream has begun. */
  readonly hello: (() => string) | null;
  /** What an answer before the beginning means: the stream has begun, something more is to be said, or it was refused. */
  readonly answered: (text: string) => "up" | "refused" | { readonly say: string };
  /** Whether a text says that no other will come: it is begun anew. */
  readonly ends?: (text: string) => boolean;
  /** What has to be said again, and how often, so that the stream goes on. */
  readonly keep?: { readonly everyMs: number; readonly act: () => Promise<void> };
}
