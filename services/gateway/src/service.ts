import type { Engine, HotServiceSpec, ServiceContext } from "@tidegate/service-kit";
import { engineConfig, type GatewayConfig, Settings } from "./config.ts";
import { type Call, onControl, PRINCIPAL_HEADER } from "./control.ts";
import { controlToken } from "./token.ts";

/** The part of the kit's HTTP end that the routes need. */
type Context = Pick<ServiceContext<GatewayConfig>, "config" | "http" | "log">;

/** Adds POST /control/<operation>, GET /state and GET /positions. */
export function addRoutes(context: Context, engine: Pick<Engine, "call">): void {
  const token = controlToken(context.config.controlTokenFile);
  const call: Call = (request) => engine.call(request);
  context.http.post<{ Params: { operation: string } }>(
    "/control/:operation",
    async (request, reply) => {
      const principal = request.headers[PRINCIPAL_HEADER];
      const answer = await onControl(
        {
          operation: request.params.operation,
          authorization: request.headers.authorization,
          principal: typeof principal === "string" ? principal : undefined,
          body: request.body,
        },
        token,
        call,
      );
      const { operation } = request.params;
      const line = { operation, principal, status: answer.status };
      if (answer.status !== 200) context.log.warn(line, "control request refused");
      return reply.code(answer.status).send(answer.body);
    },
  );
  context.http.get("/state", () => engine.call({ op: "state" }));
  context.http.get("/positions", () => engine.call({ op: "positions" }));
}

/** The gateway as the kit runs it: a hot loop with control routes beside it. */
export const spec: HotServiceSpec<typeof Settings> = {
  name: "gateway",
  kind: "gateway",
  schema: Settings,
  engineConfig: (context) => engineConfig(context.config),
  // Ready to decide: the router takes our commands. Prices may still be missing; orders are refused by name then.
  ready: (stats) => stats["leads"] === true,
  attach(context, engine) {
    addRoutes(context, engine);
    return undefined;
  },
};
