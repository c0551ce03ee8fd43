export { type HttpEnd, listenHttp } from "../http.ts";
export { type CallHandler, FakeEngine } from "./fake-engine.ts";
export { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "./otlp-receiver.ts";
