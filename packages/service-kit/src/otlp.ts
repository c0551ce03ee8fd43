import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import type { SpanStamp } from "./tracing.ts";

/** Sends stamps as OTLP spans. */
export interface SpanSender {
  send(spans: readonly SpanStamp[]): Promise<void>;
  stop(): Promise<void>;
}

type ReadableSpan = Parameters<OTLPTraceExporter["export"]>[0][number];

const NS = 1_000_000_000n;

/** Spans that were stamped elsewhere, with the ids they were given there, through the SDK's own exporter. */
export function otlpExporter(service: string, url: string, onLost: (count: number, why: string) => void): SpanSender {
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: 5_000 });
  const resource = resourceFromAttributes({ "service.name": `tidegate-${service}` });
  return {
    async send(spans) {
      const batch = spans.map((span) => readable(span, resource));
      await new Promise<void>((done) =>
        exporter.export(batch, (outcome) => {
          if (outcome.code !== 0) onLost(batch.length, outcome.error?.message ?? "refused");
          done();
        }),
      );
    },
    stop: () => exporter.shutdown(),
  };
}

function readable(span: SpanStamp, resource: Resource): ReadableSpan {
  const time = (ns: bigint): [number, number] => [Number(ns / NS), Number(ns % NS)];
  const contextOf = (spanId: string) => ({ traceId: span.traceId, spanId, traceFlags: TraceFlags.SAMPLED });
  const context = contextOf(span.spanId);
  return {
    name: span.name,
    kind: SpanKind.INTERNAL,
    spanContext: () => context,
    ...(span.parentSpanId === undefined ? {} : { parentSpanContext: contextOf(span.parentSpanId) }),
    startTime: time(span.startNs),
    endTime: time(span.endNs),
    duration: time(span.endNs - span.startNs),
    status: span.error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.error },
    attributes: { ...span.attributes },
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: "tidegate", version: "0.1.0" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
