import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Settings } from "./config.ts";
import { addRoutes, gateway } from "./service.ts";

interface Sent {
  status: number;
  body: unknown;
}
type Handler = (request: object, reply: object) => Promise<unknown>;

function served() {
  const routes = new Map<string, Handler>();
  const http = {
    post: (path: string, handler: Handler) => routes.set(`POST ${path}`, handler),
    get: (path: string, handler: Handler) => routes.set(`GET ${path}`, handler),
  };
  const controlTokenFile = join(mkdtempSync(join(tmpdir(), "gateway-")), "control.token");
  const config = Settings.parse({ instrumentsFile: "i", limitsFile: "l", controlTokenFile });
  const requests: object[] = [];
  const call = async (request: object) => {
    requests.push(request);
    return { ok: true, seen: request };
  };
  addRoutes({ http, config, log: { warn: () => {} } } as never, { call });
  const post = async (operation: string, headers: object, body?: object): Promise<Sent> => {
    const sent: Sent = { status: 200, body: undefined };
    const reply = {
      code(status: number) {
        sent.status = status;
        return reply;
      },
      send(answer: unknown) {
        sent.body = answer;
      },
    };
    const handler = routes.get("POST /control/:operation");
    await handler?.({ params: { operation }, headers, body }, reply);
    return sent;
  };
  const get = (path: string) => routes.get(`GET ${path}`)?.({}, {});
  return { post, get, requests, token: readFileSync(controlTokenFile, "utf8").trim() };
}

describe("gateway routes", () => {
  it("kill goes to the core with its principal and reason", async () => {
    const { post, requests, token } = served();
    const headers = { authorization: `Bearer ${token}`, "x-tidegate-principal": "ann" };
    expect((await post("kill", headers, { reason: "drill" })).status).toBe(200);
    expect(requests).toEqual([{ op: "kill", principal: "ann", reason: "drill" }]);
  });

  it("a stranger changes nothing", async () => {
    const { post, requests } = served();
    expect((await post("halt", { "x-tidegate-principal": "ann" })).status).toBe(401);
    expect(requests).toEqual([]);
  });

  it("a principal given twice is none", async () => {
    const { post, token } = served();
    const headers = { authorization: `Bearer ${token}`, "x-tidegate-principal": ["ann", "bob"] };
    expect((await post("halt", headers)).status).toBe(400);
  });

  it("a control without a body has an empty reason", async () => {
    const { post, requests, token } = served();
    await post("drain", { authorization: `Bearer ${token}`, "x-tidegate-principal": "cli" });
    expect(requests).toEqual([{ op: "drain", principal: "cli", reason: "" }]);
  });

  it("state and positions are the core's own", async () => {
    const { get } = served();
    expect(await get("/state")).toEqual({ ok: true, seen: { op: "state" } });
    expect(await get("/positions")).toEqual({ ok: true, seen: { op: "positions" } });
  });

  it("is ready in each state of a gateway that leads, and in no other", () => {
    const ready = (state: unknown) => gateway.ready?.({ state });
    expect(["NORMAL", "DEGRADE", "HALT", "KILLED"].map(ready)).toEqual([true, true, true, true]);
    expect(["NO_ROUTER", "NOT_LEADER", undefined].map(ready)).toEqual([false, false, false]);
  });
});
