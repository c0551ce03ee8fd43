/** One span as it was stamped on the hot path; ids and times are given, never made here. */
export interface SpanStamp {
  readonly name: string;
  /** W3C trace id, 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  readonly parentSpanId?: string;
  /** ns since the Unix epoch. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly error?: string;
}
