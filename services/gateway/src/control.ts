import { z } from "zod";
import { authorised } from "./token.ts";

/** Operations an operator has, by the last part of their route. Each is journalled before it has effect. */
export const OPERATIONS = {
  halt: "halt",
  resume: "resume",
  kill: "kill",
  unkill: "unkill",
  "cancel-all": "cancel_all",
  drain: "drain",
} as const;
export type Operation = keyof typeof OPERATIONS;

/** Header that says who acts. */
export const PRINCIPAL_HEADER = "x-tidegate-principal";

const Principal = z
  .string()
  .regex(/^[\x21-\x7e]{1,64}$/, "want 1 to 64 printable characters without a space");
const Body = z.strictObject({
  reason: z
    .string()
    .refine((text) => Buffer.byteLength(text) <= 256, "want at most 256 bytes")
    .default(""),
});

/** One request as the route sees it. */
export interface ControlRequest {
  readonly operation: string;
  readonly authorization: string | undefined;
  readonly principal: string | undefined;
  readonly body: unknown;
}

/** What the route answers. */
export interface ControlAnswer {
  readonly status: 200 | 400 | 401 | 404 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Hands a request to the core; its answer comes after the journal has it. */
export type Call = (
  request: Readonly<Record<string, unknown>>,
) => Promise<Readonly<Record<string, unknown>>>;

const refuse = (status: ControlAnswer["status"], error: string): ControlAnswer => ({
  status,
  body: { ok: false, error },
});

/** Decides one control request: who it is first, then what it says, then the core. */
export async function onControl(
  request: ControlRequest,
  token: string,
  call: Call,
): Promise<ControlAnswer> {
  if (!authorised(request.authorization, token)) {
    return refuse(401, "want Authorization: Bearer with the token of the control token file");
  }
  if (!Object.hasOwn(OPERATIONS, request.operation)) {
    return refuse(
      404,
      `no operation is called ${request.operation}; there are ${Object.keys(OPERATIONS).join(", ")}`,
    );
  }
  const principal = Principal.safeParse(request.principal);
  if (!principal.success)
    return refuse(400, `${PRINCIPAL_HEADER}: ${principal.error.issues[0]?.message}`);
  const body = Body.safeParse(request.body ?? {});
  if (!body.success) return refuse(400, `body: ${body.error.issues[0]?.message}`);
  const op = OPERATIONS[request.operation as Operation];
  try {
    const answer = await call({ op, principal: principal.data, reason: body.data.reason });
    return { status: answer["ok"] === true ? 200 : 400, body: answer };
  } catch (error) {
    return refuse(503, (error as Error).message);
  }
}
