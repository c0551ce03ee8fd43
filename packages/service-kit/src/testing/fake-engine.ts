import type { EngineDoor } from "../hot.ts";

export type CallHandler = (request: Record<string, unknown>, body: Uint8Array | null) => object;

/** An engine that a test turns by hand: it says which events come, what the statistics are and how the loop ends. */
export class FakeEngine implements EngineDoor {
  readonly started: { readonly kind: string; readonly config: unknown }[] = [];
  readonly calls: Record<string, unknown>[] = [];
  current: Record<string, unknown> = { alive: true, fault: null, state: "RUNNING" };
  onCall: CallHandler = (request) => ({ echo: request });
  stopped = false;
  #queue: object[] = [];
  #wake: (() => void) | null = null;

  /** Events the loop emits now. */
  emit(...events: object[]): void {
    this.#queue.push(...events);
    this.#wake?.();
  }

  /** The loop ends: with a fault, or without a word. */
  end(fault: string | null): void {
    this.current = { ...this.current, alive: false, fault };
    this.#wake?.();
  }

  start(kind: string, config: string): number {
    this.started.push({ kind, config: JSON.parse(config) as unknown });
    return 1;
  }

  async call(_id: number, request: string, body: Uint8Array | null): Promise<string> {
    const parsed = JSON.parse(request) as Record<string, unknown>;
    this.calls.push(parsed);
    return JSON.stringify(this.onCall(parsed, body));
  }

  async events(): Promise<string> {
    if (this.#queue.length === 0 && !this.stopped && this.current["alive"] === true) {
      await new Promise<void>((done) => {
        this.#wake = done;
      });
      this.#wake = null;
    }
    return JSON.stringify(this.#queue.splice(0, this.#queue.length));
  }

  stats(): string {
    return JSON.stringify(this.current);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.current = { ...this.current, alive: false };
    this.#wake?.();
  }
}
