import type { Engine, HotServiceSpec, ServiceContext } from "@tidegate/service-kit";
import { type GatewayConfig, loopConfig, Settings } from "./config.ts";
import { type Call, onControl, PRINCIPAL_HEADER } from "./control.ts";
import { RedisLease } from "./lease.ts";
import { controlToken } from "./token.ts";

/** The part of the kit's context that the routes need. */
type Context = Pick<ServiceContext<GatewayConfig>, "config" | "http" | "log">;

/** Adds POST /control/<operation>, GET /state and GET /positions. */
export function addRoutes({ config, http, log }: Context, engine: Pick<Engine, "call">): void {
  const token = controlToken(config.controlTokenFile);
  const call: Call = (request) => engine.call(request);
  http.post<{ Params: { operation: string } }>("/control/:operation", async (request, reply) => {
    const { operation } = request.params;
    const named = request.headers[PRINCIPAL_HEADER];
    const principal = typeof named === "string" ? named : undefined;
    const { authorization } = request.headers;
    const asked = { operation, authorization, principal, body: request.body };
    const answer = await onControl(asked, token, call);
    if (answer.status !== 200) {
      log.warn({ operation, principal, status: answer.status }, "control request refused");
    }
    return reply.code(answer.status).send(answer.body);
  });
  http.get("/state", () => engine.call({ op: "state" }));
  http.get("/positions", () => engine.call({ op: "positions" }));
}

/** States of a loop whose commands the router takes; halted and killed are states of a gateway that works. */
const READY = new Set<unknown>(["NORMAL", "DEGRADE", "HALT", "KILLED"]);

/** A standby that follows its leader is ready for what it is there for. */
const follows = (stats: Readonly<Record<string, unknown>>): boolean =>
  (stats["pair"] as { attached?: boolean } | null)?.attached === true;

/** The gateway as the kit runs it: a hot loop with control routes beside it, and the lease of a pair where Redis keeps it. */
export function createGateway(): HotServiceSpec<typeof Settings> {
  let lease: RedisLease | undefined;
  return {
    name: "gateway",
    kind: "gateway",
    schema: Settings,
    engineConfig: ({ config }) => loopConfig(config),
    ready: (stats) => READY.has(stats["state"]) || follows(stats),
    attach(context, engine) {
      addRoutes(context, engine);
      const { leaseRedisUrl } = context.config;
      if (leaseRedisUrl !== undefined) {
        lease = new RedisLease(leaseRedisUrl, (request) => engine.call(request), context.log);
      }
      return async () => lease?.close();
    },
    onEvent: (event) => lease?.onEvent(event),
  };
}

export const gateway = createGateway();
