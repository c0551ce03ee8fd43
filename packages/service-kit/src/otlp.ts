import {
  context,
  logs,
  ROOT_CONTEXT,
  type SpanContext,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import type { SpanStamp } from "./span.ts";

type SpanProcessor = NonNullable<NodeSDKConfiguration["spanProcessors"]>[number];
type EndedSpan = Parameters<SpanProcessor["onEnd"]>[0];

/** Spans of one request to the collector. */
const BATCH_MAX = 512;
const TIMEOUT_MS = 2_000;
const NS_PER_S = 1_000_000_000n;
/** `SamplingDecision.RECORD_AND_SAMPLED`: whoever stamped a span has already decided to keep it. */
const RECORD_AND_SAMPLED = 2;

const hrTime = (ns: bigint): [number, number] => [Number(ns / NS_PER_S), Number(ns % NS_PER_S)];

/** Where `otlpExporter` sends. */
export interface OtlpExporter {
  /** Resolves when each span was taken by the collector or told as lost; never rejects. */
  send(stamps: readonly SpanStamp[]): Promise<void>;
  /** Ends the SDK and takes it out of the process's globals. */
  stop(): Promise<void>;
}

/**
 * The SDK of this process, sending stamps to an OTLP/HTTP collector with the very ids and times they carry.
 *
 * The SDK's own batching drops past its queue without a word, so spans are gathered by a processor of ours and each
 * batch's fate is known: `lost` hears of every span the collector did not take. Metrics, logs, propagation, resource
 * detection and instrumentations stay off; the SDK adds no handler to the process.
 */
export function otlpExporter(
  service: string,
  url: string,
  lost: (spans: number, why: string) => void,
): OtlpExporter {
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: TIMEOUT_MS });
  let ended: EndedSpan[] = [];
  let next: Pick<SpanStamp, "traceId" | "spanId"> = { traceId: "", spanId: "" };
  const sdk = new NodeSDK({
    resourceDetectors: [
      {
        detect: () => ({
          attributes: { "service.name": service, "service.namespace": "tidegate" },
        }),
      },
    ],
    idGenerator: { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId },
    sampler: {
      shouldSample: () => ({ decision: RECORD_AND_SAMPLED }),
      toString: () => "sampled where it was stamped",
    },
    spanProcessors: [
      {
        onStart: () => {},
        onEnd: (span) => void ended.push(span),
        forceFlush: async () => {},
        shutdown: () => exporter.shutdown(),
      },
    ],
    textMapPropagator: null,
    // Left out, each of these would be set up from the environment.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  const tracer = trace.getTracer("tidegate");

  const replay = (stamp: SpanStamp): void => {
    next = stamp;
    const { traceId, parentSpanId, startNs, attributes = {}, error } = stamp;
    const parent: SpanContext | undefined =
      parentSpanId === undefined
        ? undefined
        : { traceId, spanId: parentSpanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    const span = tracer.startSpan(
      stamp.name,
      { startTime: hrTime(startNs), attributes },
      parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent),
    );
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    span.end(hrTime(stamp.endNs));
  };

  const sendBatch = async (stamps: readonly SpanStamp[]): Promise<void> => {
    ended = [];
    stamps.forEach(replay);
    const batch = ended;
    // OTEL_SDK_DISABLED, or another SDK that holds the process's globals: the spans went nowhere.
    if (batch.length < stamps.length) lost(stamps.length - batch.length, "the SDK is off");
    if (batch.length === 0) return;
    await new Promise<void>((done) => {
      exporter.export(batch, ({ code, error }) => {
        if (code !== 0) lost(batch.length, error?.message ?? "refused");
        done();
      });
    });
  };

  return {
    async send(stamps) {
      for (let at = 0; at < stamps.length; at += BATCH_MAX) {
        await sendBatch(stamps.slice(at, at + BATCH_MAX));
      }
    },
    async stop() {
      await sdk.shutdown();
      for (const api of [trace, logs, context]) api.disable();
    },
  };
}
