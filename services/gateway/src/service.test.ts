import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Fastify from "fastify";
import { describe, expect, it } from "vitest";
import { Settings } from "./config.ts";
import { addRoutes, spec } from "./service.ts";

function served() {
  const http = Fastify();
  const controlTokenFile = join(mkdtempSync(join(tmpdir(), "gateway-")), "control.token");
  const config = Settings.parse({ instrumentsFile: "i", limitsFile: "l", controlTokenFile });
  const requests: object[] = [];
  const engine = {
    call: async (request: object) => {
      requests.push(request);
      return { ok: true, seen: request };
    },
  };
  const log = { warn: () => {} };
  addRoutes({ http, config, log } as never, engine);
  const token = readFileSync(controlTokenFile, "utf8").trim();
  return { http, requests, token };
}

describe("gateway routes", () => {
  it("kill goes to the core with its principal and reason", async () => {
    const { http, requests, token } = served();
    const answer = await http.inject({
      method: "POST",
      url: "/control/kill",
      headers: { authorization: `Bearer ${token}`, "x-tidegate-principal": "ann" },
      payload: { reason: "drill" },
    });
    expect(answer.statusCode).toBe(200);
    expect(requests).toEqual([{ op: "kill", principal: "ann", reason: "drill" }]);
  });

  it("a stranger changes nothing", async () => {
    const { http, requests } = served();
    const answer = await http.inject({ method: "POST", url: "/control/halt" });
    expect([answer.statusCode, requests]).toEqual([401, []]);
  });

  it("a control without a body has an empty reason", async () => {
    const { http, requests, token } = served();
    const headers = { authorization: `Bearer ${token}`, "x-tidegate-principal": "cli" };
    await http.inject({ method: "POST", url: "/control/drain", headers });
    expect(requests).toEqual([{ op: "drain", principal: "cli", reason: "" }]);
  });

  it("state and positions are the core's own", async () => {
    const { http } = served();
    expect((await http.inject("/state")).json()).toEqual({ ok: true, seen: { op: "state" } });
    expect((await http.inject("/positions")).json()).toEqual({ ok: true, seen: { op: "positions" } });
  });

  it("is ready when the router takes its commands", () => {
    expect(spec.ready?.({ leads: true })).toBe(true);
    expect(spec.ready?.({ leads: false })).toBe(false);
    expect(spec.ready?.({})).toBe(false);
  });
});
