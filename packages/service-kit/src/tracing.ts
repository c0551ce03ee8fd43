import { SPAN_ATTRIBUTES_MAX, SPANS_QUEUED_MAX } from "./limits.ts";
import type { Logger } from "./log.ts";
import type { SpanStamp } from "./span.ts";

export type { SpanStamp };

/** Where spans go. Without an exporter it counts and drops. */
export interface Tracer {
  /** Takes one span; never waits, never throws. */
  record(span: SpanStamp): void;
  stats(): TracerStats;
  /** Sends what waits. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export interface TracerStats {
  readonly recorded: number;
  /** Spans with a malformed id or time. */
  readonly refused: number;
  /** Spans past the queue's bound, or that the collector did not take. */
  readonly dropped: number;
  readonly exporting: boolean;
}

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;

/** Whether a stamp can be a span: ids of the right shape, not all zero, and an end that is not before its start. */
export function spanIsWellFormed(span: SpanStamp): boolean {
  const { traceId, spanId, parentSpanId } = span;
  return (
    TRACE_ID.test(traceId) &&
    SPAN_ID.test(spanId) &&
    (parentSpanId === undefined || SPAN_ID.test(parentSpanId)) &&
    span.startNs >= 0n &&
    span.endNs >= span.startNs
  );
}

/** A tracer that exports nothing: what a process without a collector has. */
export function quietTracer(): Tracer {
  let recorded = 0;
  let refused = 0;
  return {
    record(span) {
      if (spanIsWellFormed(span)) recorded += 1;
      else refused += 1;
    },
    stats: () => ({ recorded, refused, dropped: 0, exporting: false }),
    flush: async () => {},
    stop: async () => {},
  };
}

/**
 * The tracer of a process: OTLP over HTTP where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, else the quiet one. The SDK is
 * imported after the start, off its critical path; spans recorded meanwhile wait in the bounded queue.
 */
export function createTracer(
  service: string,
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Tracer {
  const endpoint = env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (endpoint === undefined || endpoint === "") return quietTracer();
  let recorded = 0;
  let refused = 0;
  let dropped = 0;
  const waiting: SpanStamp[] = [];
  const exporter = import("./otlp.ts").then((module) =>
    module.otlpExporter(service, `${endpoint.replace(/\/$/, "")}/v1/traces`, (lost, why) => {
      dropped += lost;
      log.warn({ lost, why }, "spans were not taken by the collector");
    }),
  );
  exporter.catch((error: unknown) =>
    log.error({ err: error }, "tracing cannot start; spans are counted and dropped"),
  );
  let pump: Promise<void> | null = null;
  const send = async (): Promise<void> => {
    const out = await exporter;
    while (waiting.length > 0) await out.send(waiting.splice(0, waiting.length));
  };
  const flush = async (): Promise<void> => {
    pump ??= send()
      .catch(() => {
        dropped += waiting.splice(0, waiting.length).length;
      })
      .finally(() => {
        pump = null;
      });
    await pump;
  };
  const timer = setInterval(() => void flush(), 500);
  timer.unref();
  return {
    record(span) {
      if (!spanIsWellFormed(span)) refused += 1;
      else if (waiting.length >= SPANS_QUEUED_MAX) dropped += 1;
      else {
        recorded += 1;
        waiting.push(span);
      }
    },
    stats: () => ({ recorded, refused, dropped, exporting: true }),
    flush,
    async stop() {
      clearInterval(timer);
      await flush();
      await exporter.then((out) => out.stop()).catch(() => {});
    },
  };
}

/**
 * A span as loops and lanes word it in JSON, `{name, traceId, spanId, parentSpanId, startNs, endNs, attributes}` with
 * times as decimal text of ns since the Unix epoch; null when it is not one.
 */
export function spanOfJson(json: Readonly<Record<string, unknown>>): SpanStamp | null {
  const { name, traceId, spanId, parentSpanId, error } = json;
  const startNs = wholeNs(json["startNs"]);
  const endNs = wholeNs(json["endNs"]);
  if (typeof name !== "string" || typeof traceId !== "string" || typeof spanId !== "string") {
    return null;
  }
  if (startNs === null || endNs === null) return null;
  const attributes: Record<string, string | number | boolean> = {};
  const given = json["attributes"];
  if (typeof given === "object" && given !== null) {
    for (const [key, value] of Object.entries(given).slice(0, SPAN_ATTRIBUTES_MAX)) {
      const plain = typeof value === "number" || typeof value === "boolean";
      attributes[key] = plain ? value : String(value);
    }
  }
  const hasParent = typeof parentSpanId === "string" && /[^0]/.test(parentSpanId);
  return {
    name,
    traceId,
    spanId,
    startNs,
    endNs,
    attributes,
    ...(hasParent ? { parentSpanId } : {}),
    ...(typeof error === "string" ? { error } : {}),
  };
}

function wholeNs(value: unknown): bigint | null {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  return typeof value === "string" && /^\d{1,20}$/.test(value) ? BigInt(value) : null;
}
