import { native } from "./native.ts";

/** The hot loops there are. */
export type EngineKind = "market-data" | "gateway" | "execution-router" | "recorder";

const start = native<(kind: string, config: string) => number>("engineStart");
const call =
  native<(id: number, request: string, body: Buffer | null, timeoutMs: number) => Promise<string>>(
    "engineCall",
  );
const events = native<(id: number, timeoutMs: number) => Promise<string>>("engineEvents");
const stats = native<(id: number) => string>("engineStats");
const stop = native<(id: number) => Promise<void>>("engineStop");

/** Starts a hot loop on its own thread and gives its id. Throws what the loop says is wrong: what, where, the remedy. */
export function engineStart(kind: EngineKind, configJson: string): number {
  return start()(kind, configJson);
}

/** One control request, JSON in and out, answered between two batches of the loop. */
export function engineCall(
  id: number,
  requestJson: string,
  body: Uint8Array | null,
  timeoutMs: number,
): Promise<string> {
  const bytes = body === null ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return call()(id, requestJson, bytes, timeoutMs);
}

/** The events since the last call as a JSON array, waiting up to `timeoutMs` for the first. */
export function engineEvents(id: number, timeoutMs: number): Promise<string> {
  return events()(id, timeoutMs);
}

/** The loop's last statistics as JSON, with `alive`, `fault` and `events_dropped`. */
export function engineStats(id: number): string {
  return stats()(id);
}

/** Drains and joins the loop; rejects with the fault it ended with. */
export function engineStop(id: number): Promise<void> {
  return stop()(id);
}
