import type { Engine, HotServiceSpec, ServiceContext } from "@tidegate/service-kit";
import {
  Audit,
  addControl,
  livePrincipals,
  type Route,
  route,
  serveUnix,
  TokenJudge,
} from "@tidegate/service-kit/control";
import { z } from "zod";
import { type GatewayConfig, loopConfig, Settings } from "./config.ts";
import { controlRoutes } from "./control.ts";
import { RedisLease } from "./lease.ts";

/** The name that tokens for this service carry. */
export const AUDIENCE = "gateway";

/** The part of the kit's context that the routes need. */
type Context = Pick<ServiceContext<GatewayConfig>, "config" | "http" | "log">;

/** Every route of the control API, the audit trail's own among them. */
export function allRoutes(
  engine: Pick<Engine, "call">,
  audit: Pick<Audit, "rows">,
): readonly Route[] {
  const trail = route({
    method: "GET",
    path: "/audit",
    summary: "Records of the audit trail after a number, and its head",
    roles: ["risk", "admin"],
    input: z.strictObject({ after: z.coerce.number().int().min(0).default(0) }),
    act: async ({ input }) => ({ status: 200, body: { ok: true, ...audit.rows(input.after) } }),
  });
  const core = (request: Readonly<Record<string, unknown>>, timeoutMs?: number) =>
    engine.call(request, null, timeoutMs);
  return [...controlRoutes(core), trail];
}

/** Adds the control API to the loopback port and to its unix socket. */
export async function addRoutes(
  { config, http, log }: Context,
  engine: Pick<Engine, "call">,
): Promise<() => void> {
  const judge = new TokenJudge(AUDIENCE, livePrincipals(config.principalsFile), Date.now());
  const audit = new Audit(config.auditFile);
  addControl(http, { routes: allRoutes(engine, audit), judge, audit, log });
  await serveUnix(http, config.controlSocket);
  return () => audit.close();
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
    async attach(context, engine) {
      const endRoutes = await addRoutes(context, engine);
      const { leaseRedisUrl } = context.config;
      if (leaseRedisUrl !== undefined) {
        lease = new RedisLease(leaseRedisUrl, (request) => engine.call(request), context.log);
      }
      return async () => {
        await lease?.close();
        endRoutes();
      };
    },
    onEvent: (event) => lease?.onEvent(event),
  };
}

export const gateway = createGateway();
