/**
 * A control API: one table of routes, and one way every request goes.
 *
 * token → role → rate → form → Idempotency-Key → audit record on the disk → effect → audit record of the outcome.
 * Nothing of a request is looked at before its token, and nothing has effect before its record, but a kill: like a cancel
 * it never waits for a disk. Its record follows it, and where the disk refuses that, the kill stands and says so.
 */

import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { Logger } from "../log.ts";
import type { Audit } from "./audit.ts";
import { Answers, Pending, Rates } from "./guards.ts";
import { AUDIT_BODY_BYTES_MAX, CHANGES_PER_S_MAX, LOOKS_PER_S_MAX } from "./limits.ts";
import type { Principal, Role } from "./principals.ts";
import type { TokenJudge } from "./token.ts";

/** What a route's own code gets. `body` and `query` are checked. */
export interface Call<B> {
  readonly principal: Principal;
  readonly input: B;
  readonly nowMs: number;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One route. Its input is the body of a POST and the query of a GET. */
export interface Route<S extends z.ZodObject = z.ZodObject> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly summary: string;
  readonly roles: readonly Role[];
  readonly input: S;
  /** Two different principals: `always`, when `needsTwo` says so of this very input, or as the core counts them itself. */
  readonly two?: "never" | "always" | "when it loosens" | "by the core";
  /** Refuses (an answer) or says whether a second principal is needed. */
  readonly needsTwo?: (call: Call<z.output<S>>) => Promise<Answer | boolean>;
  /** Acts before its record is written and without it, and is never refused for its rate. */
  readonly emergency?: boolean;
  /** `first` is the principal who asked, where a second one agrees. */
  readonly act: (call: Call<z.output<S>>, first: string | null) => Promise<Answer>;
}

/** Types a route by its input. */
export const route = <S extends z.ZodObject>(each: Route<S>): Route => each as unknown as Route;

export interface ControlApi {
  readonly routes: readonly Route[];
  readonly judge: TokenJudge;
  readonly audit: Audit;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly nowMs?: () => number;
}

const KEY = /^[\x21-\x7e]{8,128}$/;

/** Adds the routes to a service's HTTP end. */
export function addControl(app: FastifyInstance, api: ControlApi): void {
  const { judge, audit, log, nowMs = Date.now } = api;
  const answers = new Answers();
  const pending = new Pending();
  const changes = new Rates(CHANGES_PER_S_MAX);
  const looks = new Rates(LOOKS_PER_S_MAX);
  const callers = new WeakMap<FastifyRequest, Principal>();

  const refuse = (reply: FastifyReply, status: number, error: string) =>
    reply.code(status).send({ ok: false, error });

  for (const each of api.routes) {
    const name = `${each.method} ${each.path}`;

    /** Who it is, before a byte of the body is read. */
    const onRequest = async (request: FastifyRequest, reply: FastifyReply) => {
      const judged = judge.judge(request.headers.authorization, nowMs());
      if (!judged.ok) {
        log.warn({ route: name, why: judged.why }, "control request refused");
        return refuse(reply, judged.status, judged.why);
      }
      const { principal } = judged;
      if (!each.roles.includes(principal.role)) {
        const error = `${name} wants the role ${each.roles.join(" or ")}; ${principal.name} is ${principal.role}`;
        note(principal, each, "refused", 403, "", "", error);
        return refuse(reply, 403, error);
      }
      const rates = each.method === "POST" ? changes : looks;
      if (each.emergency !== true && !rates.allow(principal.name, nowMs())) {
        return reply
          .header("retry-after", "1")
          .code(429)
          .send({ ok: false, error: `too many requests of ${principal.name}; wait a second` });
      }
      callers.set(request, principal);
      return undefined;
    };

    const handler = async (request: FastifyRequest, reply: FastifyReply) => {
      const principal = callers.get(request);
      if (principal === undefined) return refuse(reply, 401, "want a token");
      const given = each.method === "GET" ? request.query : (request.body ?? {});
      const input = each.input.safeParse(given);
      if (!input.success) {
        const [issue] = input.error.issues;
        const where = issue?.path.join(".") ?? "";
        return refuse(reply, 400, `${where === "" ? "" : `${where}: `}${issue?.message}`);
      }
      const call = { principal, input: input.data, nowMs: nowMs() };
      if (each.method === "GET") {
        const answer = await run(() => each.act(call, null));
        return reply.code(answer.status).send(answer.body);
      }
      const key = request.headers["idempotency-key"];
      if (typeof key !== "string" || !KEY.test(key))
        return refuse(reply, 400, "Idempotency-Key: want 8 to 128 printable characters");
      const asked = canonical(input.data);
      const content = createHash("sha256").update(`${name}\n${asked}`).digest("hex");
      const known = answers.begin(`${principal.name} ${key}`, content);
      if (known === "in flight") return refuse(reply, 409, "the same key is being answered; wait");
      if (known === "other") {
        return refuse(
          reply,
          409,
          "the Idempotency-Key was used for another request; take a new one",
        );
      }
      if (known !== null) {
        return reply.header("idempotent-replay", "true").code(known.status).send(known.body);
      }
      const answer = await perform(each, call, key, asked, content);
      answers.end(`${principal.name} ${key}`, answer);
      return reply.code(answer.status).send(answer.body);
    };

    app.route({ method: each.method, url: each.path, onRequest, handler });
  }

  async function perform(
    each: Route,
    call: Call<Record<string, unknown>>,
    key: string,
    asked: string,
    content: string,
  ): Promise<Answer> {
    const { principal } = call;
    const kept = Buffer.byteLength(asked) > AUDIT_BODY_BYTES_MAX ? `sha256:${content}` : asked;
    const first = each.emergency === true ? await run(() => each.act(call, null)) : null;
    const head = note(principal, each, "asked", 0, key, kept, "");
    if (head === null && first === null) {
      return {
        status: 503,
        body: {
          ok: false,
          error: "the audit trail cannot be written, so nothing was done; mend its disk",
        },
      };
    }
    const answer =
      first ??
      (await run(async () => {
        const two = each.two ?? "never";
        let wants: Answer | boolean = two === "always";
        if (two === "when it loosens") wants = (await each.needsTwo?.(call)) ?? true;
        if (typeof wants === "object") return wants;
        if (!wants) return each.act(call, null);
        // Two people word one wish differently: the reason is not part of it.
        const { reason: _, ...wish } = call.input;
        const half = pending.meet(`${each.path} ${canonical(wish)}`, principal.name, call.nowMs);
        if (half.state === "met") return each.act(call, half.by);
        return waiting(half, principal.name);
      }));
    const ok = answer.status < 400;
    const phase = ok ? "done" : "refused";
    note(principal, each, phase, answer.status, key, "", String(answer.body["error"] ?? ""));
    const body = head === null ? { ...answer.body, audit: null } : { ...answer.body, audit: head };
    return { status: answer.status, body };
  }

  function note(
    principal: Principal,
    each: Route,
    phase: "asked" | "done" | "refused",
    status: number,
    key: string,
    body: string,
    detail: string,
  ): { readonly seq: number; readonly hash: string } | null {
    const action = `${each.method} ${each.path}`;
    const { name: actor, role } = principal;
    try {
      return audit.append({ actor, role, action, phase, status, key, body, detail }, nowMs());
    } catch (error) {
      log.error({ err: error, actor, action, phase }, "the audit trail cannot be written");
      return null;
    }
  }
}

/** The second half of a change is still missing. */
function waiting(
  first: { readonly state: "waits" | "full"; readonly untilMs: number },
  name: string,
): Answer {
  if (first.state === "full")
    return {
      status: 503,
      body: { ok: false, error: "too many changes wait for a second principal" },
    };
  return {
    status: 202,
    body: {
      ok: true,
      pending: true,
      waitsFor: `the same request of another principal than ${name}`,
      until: new Date(first.untilMs).toISOString(),
    },
  };
}

async function run(act: () => Promise<Answer>): Promise<Answer> {
  try {
    return await act();
  } catch (error) {
    return { status: 503, body: { ok: false, error: (error as Error).message } };
  }
}

/** JSON with its keys sorted: the same wish has the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    each !== null && typeof each === "object" && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
