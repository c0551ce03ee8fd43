export {
  type BaseConfig,
  BaseSettings,
  envName,
  explain,
  kebab,
  type Loaded,
  loadConfig,
  type Sourced,
} from "./config.ts";
export { ConfigError, EXIT, isFault, ServiceFault } from "./faults.ts";
export {
  type Detach,
  type Engine,
  type EngineDoor,
  type EngineEvent,
  type EngineStats,
  type HotKind,
  type HotServiceSpec,
  hotService,
  runHotService,
} from "./hot.ts";
export type { FastifyInstance } from "./http.ts";
export * from "./limits.ts";
export { createLog, type Logger, type LogSink, stdoutSink } from "./log.ts";
export { KIT_METRICS, type MetricDef, Metrics } from "./metrics.ts";
export { Secret, scrub, secretSetting } from "./secret.ts";
export {
  type Health,
  type Launched,
  launch,
  type ProcessIo,
  type Running,
  runService,
  type Service,
  type ServiceContext,
  type ServiceSpec,
} from "./service.ts";
export { type ProcessState, removeState, writeState } from "./state-file.ts";
export {
  createTracer,
  quietTracer,
  type SpanStamp,
  spanIsWellFormed,
  spanOfJson,
  type Tracer,
  type TracerStats,
} from "./tracing.ts";
