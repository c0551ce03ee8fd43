import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { UsageError } from "../sim/options.ts";
import { type AskOptions, addAsk, get, principalOf, show } from "./risk.ts";

interface Step {
  readonly seq: number;
  readonly tsNs: string;
  readonly what: string;
}
interface Refused {
  readonly reason: string;
  readonly meaning?: string | null;
  readonly remedy?: string | null;
  readonly lastAct?: {
    readonly action: string;
    readonly principal: string;
    readonly reason: string;
  };
}

/** One step as a line: when, what, and every field that says something. */
export function stepLine(step: Step & Readonly<Record<string, unknown>>): string {
  const { seq, tsNs, what, ...rest } = step;
  const at = new Date(Number(BigInt(tsNs) / 1_000_000n)).toISOString();
  const said = Object.entries(rest)
    .filter(([, value]) => value !== "" && value !== 0 && value !== null)
    .map(([name, value]) => `${name}=${String(value).replace(/^[A-Z]+_(KIND|STATE)_/, "")}`);
  return `${String(seq).padStart(8)}  ${at}  ${what.padEnd(13)}  ${said.join(" ")}`;
}

/** The whole answer for a person. */
export function lifeText(body: Readonly<Record<string, unknown>>, asked: string): string {
  const steps = body["steps"] as (Step & Record<string, unknown>)[];
  if (steps.length === 0) {
    return `nothing is known of ${asked}: it never reached the journal (${String(body["journalRead"])} records read). A refusal that passes by itself (NOT_LEADER, STARTUP_HOLDOFF, ROUTER_BACKPRESSURE, MALFORMED) is answered and not kept`;
  }
  const lines = steps.map(stepLine);
  if (Number(body["stepsNotTold"]) > 0) lines.push(`… and ${String(body["stepsNotTold"])} more`);
  const refused = body["refused"] as Refused | null;
  if (refused !== null) {
    lines.push(
      `refused: ${refused.reason}. ${refused.meaning ?? ""} ${refused.remedy ?? ""}`.trim(),
    );
    if (refused.lastAct !== undefined) {
      const { action, principal, reason } = refused.lastAct;
      const why = reason === "" ? "" : `: ${reason}`;
      lines.push(
        `the last act before it: ${action.replace("CONTROL_ACTION_", "")} by ${principal}${why}`,
      );
    }
  }
  return lines.join("\n");
}

/** `hft gateway …`: what it decided and why, its state, and who may control it. */
export function addGateway(program: Command): void {
  const gateway = program
    .command("gateway")
    .description("decisions and state of a running gateway");
  addAsk(
    gateway
      .command("explain")
      .description("the life of one intent, out of the journal, and why it was refused"),
  )
    .argument("<intent>", "STRATEGY/SESSION/SEQ, 32 hexadecimal digits, or its client order id")
    .addHelpText("after", "\nExample: ./hft gateway explain 1/1/77 --run-dir var/run/last --as ann")
    .action(async (intent: string, options: AskOptions) => {
      const answer = await get("gateway", `/explain?intent=${encodeURIComponent(intent)}`, options);
      show(answer, options, (body) => lifeText(body, intent));
    });
  addAsk(gateway.command("export").description("the whole state with its hash, as JSON"))
    .addHelpText("after", "\nExample: ./hft gateway export --as ann > state.json")
    .action(async (options: AskOptions) => {
      show(await get("gateway", "/export", options), options, (body) => JSON.stringify(body));
    });
  gateway
    .command("keygen")
    .description("make a principal: a key pair, and its public half in the principals file")
    .argument("[principal]", "its name (default: the user's)")
    .addOption(
      new Option("--role <role>", "what it may do")
        .choices(["viewer", "operator", "risk", "admin"])
        .default("operator"),
    )
    .option("--run-dir <folder>", "the run directory of the cluster", ".")
    .option("--key <file>", "where the private key goes (default: state/<principal>.key)")
    .option("--principals <file>", "the principals file (default: state/principals.json)")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", "\nExample: ./hft gateway keygen ann --role risk --run-dir var/run/last")
    .action(
      async (
        name: string | undefined,
        options: {
          role: string;
          runDir: string;
          key?: string;
          principals?: string;
          json?: true;
        },
      ) => {
        const { join } = await import("node:path");
        const { addPrincipal, makeKey, PrincipalName, ROLES, readPrincipals } = await import(
          "@tidegate/service-kit/control"
        );
        const principal = name ?? principalOf({ runDir: options.runDir });
        const checked = PrincipalName.safeParse(principal);
        if (!checked.success)
          throw new UsageError(`${principal}: ${checked.error.issues[0]?.message}`);
        const role = ROLES.find((each) => each === options.role) ?? "operator";
        const state = join(resolve(options.runDir), "state");
        const key =
          options.key === undefined ? join(state, `${principal}.key`) : resolve(options.key);
        const principals = resolve(options.principals ?? join(state, "principals.json"));
        // Who is there already keeps the key there is.
        if (existsSync(principals) && readPrincipals(principals).has(principal))
          throw new UsageError(
            `${principals}: ${principal} is there already; take the row out first`,
          );
        const publicKey = makeKey(key);
        addPrincipal(principals, principal, role, publicKey);
        const done = { ok: true, principal, role, key, principals };
        process.stdout.write(
          options.json
            ? `${JSON.stringify(done)}\n`
            : `${principal} is ${role}; its private key is ${key}: keep it from everybody else\n`,
        );
      },
    );
}
