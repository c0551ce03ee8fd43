import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { SpanStamp } from "./span.ts";

type ReadableSpan = Parameters<OTLPTraceExporter["export"]>[0][number];

/** Spans of one request to the collector. */
const BATCH_MAX = 512;
const TIMEOUT_MS = 2_000;
const NS_PER_S = 1_000_000_000n;

const hrTime = (ns: bigint): [number, number] => [Number(ns / NS_PER_S), Number(ns % NS_PER_S)];

/** Sends stamps to an OTLP/HTTP collector with the very ids and times they carry. */
export function otlpExporter(
  service: string,
  url: string,
  lost: (spans: number, why: string) => void,
) {
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: TIMEOUT_MS });
  const resource = resourceFromAttributes({
    "service.name": service,
    "service.namespace": "tidegate",
  });
  const span = (stamp: SpanStamp): ReadableSpan => {
    const context = (spanId: string) => ({
      traceId: stamp.traceId,
      spanId,
      traceFlags: TraceFlags.SAMPLED,
    });
    const own = context(stamp.spanId);
    const { parentSpanId, error } = stamp;
    return {
      name: stamp.name,
      kind: SpanKind.INTERNAL,
      spanContext: () => own,
      ...(parentSpanId === undefined ? {} : { parentSpanContext: context(parentSpanId) }),
      startTime: hrTime(stamp.startNs),
      endTime: hrTime(stamp.endNs),
      duration: hrTime(stamp.endNs - stamp.startNs),
      status:
        error === undefined
          ? { code: SpanStatusCode.UNSET }
          : { code: SpanStatusCode.ERROR, message: error },
      attributes: { ...stamp.attributes },
      links: [],
      events: [],
      ended: true,
      resource,
      instrumentationScope: { name: "tidegate" },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  };
  return {
    async send(stamps: readonly SpanStamp[]): Promise<void> {
      for (let at = 0; at < stamps.length; at += BATCH_MAX) {
        const batch = stamps.slice(at, at + BATCH_MAX);
        await new Promise<void>((done) => {
          exporter.export(batch.map(span), ({ code, error }) => {
            if (code !== 0) lost(batch.length, error?.message ?? "refused");
            done();
          });
        });
      }
    },
    stop: () => exporter.shutdown(),
  };
}
