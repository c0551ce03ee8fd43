import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  addPrincipal,
  makeKey,
  mint,
  ROLES,
  type Role,
  type Route,
  readAudit,
  readSigner,
  type Signer,
} from "@tidegate/service-kit/control";
import { type HttpEnd, listenHttp } from "@tidegate/service-kit/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Settings } from "./config.ts";
import { AUDIENCE, addRoutes, allRoutes, gateway } from "./service.ts";

let dir = "";
let end: HttpEnd;
let base = "";
let calls: Record<string, unknown>[] = [];
let answers: Record<string, object> = {};
let keys = 0;
const people: Partial<Record<string, Signer>> = {};

function person(name: string, role: Role): void {
  const keyPath = join(dir, `${name}.key`);
  addPrincipal(join(dir, "principals.json"), name, role, makeKey(keyPath));
  people[name] = readSigner(name, keyPath);
}

const auditFile = () => join(dir, "audit.ndjson");
const trail = () => readAudit(readFileSync(auditFile())).records;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "gateway-"));
  for (const role of ROLES) person(role, role);
  person("risk2", "risk");
  const config = Settings.parse({
    instrumentsFile: "i",
    limitsFile: "l",
    principalsFile: join(dir, "principals.json"),
    auditFile: auditFile(),
    controlSocket: join(dir, "control.sock"),
  });
  calls = [];
  answers = {};
  const engine = {
    call: async (request: object) => {
      const asked = request as Record<string, unknown>;
      calls.push({ ...asked, auditedFirst: trail().length });
      return { ok: true, ...answers[String(asked["op"])] };
    },
  };
  end = await listenHttp("gateway", 0);
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  await addRoutes({ http: end.app, config, log: silent as never }, engine);
  await end.open();
  base = `http://127.0.0.1:${end.port}`;
});
afterEach(async () => {
  await end.close();
  rmSync(dir, { recursive: true, force: true });
});

const bearer = (name: string, atMs = Date.now()): string => {
  const signer = people[name];
  if (signer === undefined) throw new Error(name);
  return `Bearer ${mint(signer, AUDIENCE, atMs)}`;
};

interface Asked {
  readonly authorization?: string | undefined;
  readonly key?: string | undefined;
  readonly body?: unknown;
  readonly type?: string;
}

async function ask(method: string, path: string, asked: Asked) {
  keys += 1;
  const { authorization, body = {}, type = "application/json" } = asked;
  const key = "key" in asked ? asked.key : `key-${keys}-of-the-test`;
  const response = await fetch(`${base}${path}`, {
    method,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(key === undefined || method === "GET" ? {} : { "idempotency-key": key }),
      ...(method === "GET" ? {} : { "content-type": type }),
    },
    ...(method === "GET" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** A good input of each route. */
const INPUTS: Readonly<Record<string, object>> = {
  "/control/quarantine": { strategy: 1 },
  "/control/rearm": { strategy: 1 },
  "/control/freeze": { instrument: 1 },
  "/control/thaw": { instrument: 1 },
  "/control/restrict": { instrument: 1 },
  "/control/allow": { instrument: 1 },
  "/control/override": { strategy: 1, refusal: 63, minutes: 5 },
  "/control/limits": { limit: "firm.open_orders_max", value: 3 },
};
const routes = allRoutes({ call: async () => ({}) }, { rows: () => ({}) as never });
const pathOf = ({ path }: Route) => (path === "/explain" ? "/explain?intent=1/1/1" : path);
const send = (route: Route, authorization: string | undefined) =>
  ask(route.method, pathOf(route), { authorization, body: INPUTS[route.path] ?? {} });

describe("route × role [B046 B104]", () => {
  it("every route the server has is in the table", () => {
    const served = end.app.printRoutes({ commonPrefix: false });
    for (const { path } of routes) expect(served).toContain(path.split("/").at(-1));
    const kinds = (served.match(/\((GET|POST)[^)]*\)/g) ?? []).length;
    expect(kinds).toBe(routes.length);
  });

  describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    "%s",
    (_name, route) => {
      const right = route.roles[0] ?? "admin";

      it("no token, an expired and a replayed one are 401 and do nothing", async () => {
        expect((await send(route, undefined)).status).toBe(401);
        expect((await send(route, bearer(right, Date.now() - 61_000))).status).toBe(401);
        expect(calls).toEqual([]);
        const once = bearer(right);
        await send(route, once);
        const done = calls.length;
        const again = await send(route, once);
        expect([again.status, again.body["error"]]).toEqual([
          401,
          "the token was used before; make a new one",
        ]);
        expect(calls.length).toBe(done);
      });

      it.each([...ROLES])("as %s", async (role) => {
        const allowed = route.roles.includes(role);
        const { status } = await send(route, bearer(role));
        if (allowed) expect([200, 202]).toContain(status);
        else expect([status, calls]).toEqual([403, []]);
      });
    },
  );
});

describe("one request", () => {
  it("is on the disk before it has effect, and its outcome after [B104]", async () => {
    const halted = await ask("POST", "/control/halt", {
      authorization: bearer("operator"),
      body: { reason: "drill" },
    });
    expect(halted.status).toBe(200);
    expect(calls).toEqual([
      { op: "halt", principal: "operator", reason: "drill", auditedFirst: 1 },
    ]);
    expect(
      trail().map(({ actor, action, phase, status, body }) => [actor, action, phase, status, body]),
    ).toEqual([
      ["operator", "POST /control/halt", "asked", 0, '{"reason":"drill"}'],
      ["operator", "POST /control/halt", "done", 200, ""],
    ]);
    expect(halted.body["audit"]).toEqual({ seq: 1, hash: trail()[0]?.hash });
  });

  it("with a key that was used gets its first answer and has no second effect", async () => {
    const key = "the-same-key-twice";
    const first = await ask("POST", "/control/halt", { authorization: bearer("operator"), key });
    const again = await ask("POST", "/control/halt", { authorization: bearer("operator"), key });
    expect(again).toEqual(first);
    expect(calls.length).toBe(1);
    const other = await ask("POST", "/control/kill", { authorization: bearer("operator"), key });
    expect(other.status).toBe(409);
    // Another's key of the same text is another key.
    await ask("POST", "/control/halt", { authorization: bearer("risk"), key });
    expect(calls.length).toBe(2);
  });

  it.each<[string, number, Asked]>([
    ["without a key", 400, { key: undefined }],
    ["with a short key", 400, { key: "short" }],
    ["with a key of blanks", 400, { key: "a b c d e f" }],
    ["of another type", 415, { type: "text/xml", body: "<halt/>" }],
    ["that is no JSON", 400, { body: "{" }],
    ["with an unknown field", 400, { body: { force: true } }],
    ["of more than 64 KiB", 413, { body: { reason: "x".repeat(65 * 1024) } }],
  ])("%s is %i and does nothing", async (_name, status, asked) => {
    const answer = await ask("POST", "/control/halt", {
      authorization: bearer("operator"),
      ...asked,
    });
    expect([answer.status, calls]).toEqual([status, []]);
  });

  it("of too many in a second is 429, but a kill never is", async () => {
    const halt = () => ask("POST", "/control/halt", { authorization: bearer("operator") });
    const halts = await Promise.all(Array.from({ length: 40 }, halt));
    expect(halts.map(({ status }) => status)).toContain(429);
    const kill = await ask("POST", "/control/kill", { authorization: bearer("operator") });
    expect(kill.status).toBe(200);
  });

  it("a loosening limit waits for another person, and the same one twice is one [B040]", async () => {
    answers["limit_check"] = { old: 2, version: 4, loosens: true };
    const body = { limit: "firm.open_orders_max", value: 3, reason: "more room" };
    const as = (name: string, over: object = {}) =>
      ask("POST", "/control/limits", { authorization: bearer(name), body: { ...body, ...over } });
    expect((await as("risk")).status).toBe(202);
    expect((await as("risk")).status).toBe(202);
    // Another wish does not meet it; other words for the same wish do.
    expect((await as("risk2", { value: 4 })).status).toBe(202);
    expect((await as("risk2", { reason: "agreed" })).status).toBe(200);
    expect(calls.filter(({ op }) => op === "limit_set")).toMatchObject([
      { value: 3, version: 5, principal: "risk2", requester: "risk" },
    ]);
  });

  it("a tightening limit needs one [B040]", async () => {
    answers["limit_check"] = { old: 9, version: 4, loosens: false };
    const body = { limit: "firm.open_orders_max", value: 3 };
    const answer = await ask("POST", "/control/limits", { authorization: bearer("risk"), body });
    expect([answer.status, answer.body["version"]]).toEqual([200, 5]);
  });

  it("over the unix socket, which is its owner's alone, goes the same way", async () => {
    const path = join(dir, "control.sock");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const over = (authorization?: string) =>
      new Promise<number>((done, failed) => {
        const headers = authorization === undefined ? {} : { authorization };
        const sent = httpRequest({ socketPath: path, path: "/state", headers }, (response) => {
          response.resume();
          done(response.statusCode ?? 0);
        });
        sent.once("error", failed).end();
      });
    expect([await over(), await over(bearer("viewer"))]).toEqual([401, 200]);
  });

  it("the trail is read by those who may, from a number on", async () => {
    await ask("POST", "/control/halt", { authorization: bearer("operator") });
    const { body } = await ask("GET", "/audit?after=1", { authorization: bearer("risk") });
    expect(body["records"]).toMatchObject([{ seq: 2, phase: "done" }]);
  });
});

describe("docs/reference/control-api.md", () => {
  it("has each route with its roles, its rule of two, its fields and its summary, and no other", () => {
    const page = readFileSync(
      new URL("../../../docs/reference/control-api.md", import.meta.url),
      "utf8",
    );
    const section = page.slice(page.indexOf("## The gateway"), page.indexOf("## The monitor"));
    const rows = section.split("\n").filter((line) => /^\| `(GET|POST) /.test(line));
    const wanted = routes.map((each) => {
      const fields = Object.keys(each.input.shape).map((name) => `\`${name}\``);
      const two = each.two ?? "never";
      return `| \`${each.method} ${each.path}\` | ${each.roles.join(", ")} | ${two} | ${fields.join(", ") || "–"} | ${each.summary} |`;
    });
    expect(rows).toEqual(wanted);
  });
});

describe("the service", () => {
  it("is ready in each state of a gateway that leads, and in no other", () => {
    const ready = (state: unknown) => gateway.ready?.({ state });
    expect(["NORMAL", "DEGRADE", "HALT", "KILLED"].map(ready)).toEqual([true, true, true, true]);
    expect(["NO_ROUTER", "NOT_LEADER", undefined].map(ready)).toEqual([false, false, false]);
  });
});
