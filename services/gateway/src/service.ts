import type { HotLoop, HotSpec, ServiceContext } from "@tidegate/service-kit";
import { type GatewayConfig, loopConfig, Settings } from "./config.ts";
import { type Call, onControl, PRINCIPAL_HEADER } from "./control.ts";
import { controlToken } from "./token.ts";

/** The part of the kit's context that the routes need. */
type Context = Pick<ServiceContext<GatewayConfig>, "config" | "http" | "log">;

/** Adds POST /control/<operation>, GET /state and GET /positions. */
export function addRoutes({ config, http, log }: Context, loop: Pick<HotLoop, "call">): void {
  const token = controlToken(config.controlTokenFile);
  const call: Call = (request) => loop.call(request);
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
  http.get("/state", () => loop.call({ op: "state" }));
  http.get("/positions", () => loop.call({ op: "positions" }));
}

/** The gateway as the kit runs it: a hot loop with control routes beside it. */
export const gateway: HotSpec<typeof Settings> = {
  name: "gateway",
  kind: "gateway",
  schema: Settings,
  loopConfig,
  // Ready while the router takes our commands; halted and killed are states of a gateway that works.
  readyStates: ["NORMAL", "DEGRADE", "HALT", "KILLED"],
  shell(context, loop) {
    addRoutes(context, loop);
    return {};
  },
};
