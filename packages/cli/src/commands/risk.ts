import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { ControlAnswer, Service } from "../control/client.ts";
import { UsageError } from "../sim/options.ts";

/** How every command that asks a running service is told where it is and who asks. */
export interface AskOptions {
  readonly runDir: string;
  readonly as?: string;
  readonly key?: string;
  readonly socket?: string;
  readonly json?: true;
}

export function addAsk(command: Command): Command {
  return command
    .option("--run-dir <folder>", "the run directory of the cluster", ".")
    .option("--as <principal>", "who asks (default: TIDEGATE_PRINCIPAL, else the user's name)")
    .option("--key <file>", "its private key (default: state/<principal>.key of the run directory)")
    .option("--socket <file>", "its control socket, where it has one of its own, as in a pair")
    .option("--json", "print the answer as JSON");
}

/** The principal a command acts as. */
export function principalOf(options: AskOptions): string {
  const name = options.as ?? process.env["TIDEGATE_PRINCIPAL"] ?? process.env["USER"] ?? "";
  if (name === "")
    throw new UsageError("--as: want the principal who asks, or TIDEGATE_PRINCIPAL set");
  return name;
}

async function client(service: Service, options: AskOptions) {
  const { ControlClient } = await import("../control/client.ts");
  const principal = principalOf(options);
  const key = options.key === undefined ? undefined : resolve(options.key);
  const runDir = resolve(options.runDir);
  if (options.socket === undefined) return ControlClient.of(runDir, service, principal, key);
  const own = key ?? join(runDir, "state", `${principal}.key`);
  return ControlClient.at(resolve(runDir, options.socket), service, principal, own);
}

/** Prints an answer, and sets the exit code: 0 done or waiting for the second person, 1 refused. */
export function show(
  answer: ControlAnswer,
  options: AskOptions,
  text: (body: ControlAnswer["body"]) => string,
): void {
  const { status, body } = answer;
  if (options.json) process.stdout.write(`${JSON.stringify(body)}\n`);
  else if (status >= 400) process.stderr.write(`hft: refused (${status}): ${body["error"]}\n`);
  else if (body["pending"] === true)
    process.stdout.write(`asked; it has effect with ${body["waitsFor"]}\n`);
  else process.stdout.write(`${text(body)}\n`);
  process.exitCode = status >= 400 ? 1 : 0;
}

export async function get(service: Service, path: string, options: AskOptions) {
  return (await client(service, options)).get(path);
}

export async function post(service: Service, path: string, body: object, options: AskOptions) {
  return (await client(service, options)).post(path, body);
}

/** A whole number within what the wire takes. */
export function whole(flag: string, text: string): number {
  const value = Number(text);
  if (!/^-?\d{1,16}$/.test(text) || !Number.isSafeInteger(value))
    throw new UsageError(`${flag} ${text}: want a whole number`);
  return value;
}

/** Lists of the limits file: the scope of their rows and the key that names a row. */
const LISTS = {
  accounts: ["account", "account_id"],
  strategies: ["strategy", "strategy_id"],
  instruments: ["instrument", "instrument_id"],
  desks: ["desk", "desk_id"],
} as const;

/** The limits as lines `name value`, as `hft risk set` takes them: whole numbers, with the path of those in a section. */
export function limitLines(limits: unknown): string[] {
  const lines: string[] = [];
  const row = (prefix: string, values: object, id: string): void => {
    for (const [name, value] of Object.entries(values)) {
      if (name === id || Array.isArray(value)) continue;
      if (typeof value === "number") lines.push(`${prefix}${name} ${value}`);
      else if (typeof value === "object" && value !== null) row(`${prefix}${name}.`, value, id);
    }
  };
  const document = limits as Readonly<Record<string, unknown>>;
  row("", document, "version");
  for (const [list, [scope, id]] of Object.entries(LISTS)) {
    for (const each of (document[list] ?? []) as Readonly<Record<string, unknown>>[])
      row(`${scope}.${String(each[id])}.`, each, id);
  }
  return lines;
}

/** How a gateway stands: of its /state, or of the answer of an act, which has it inside. */
export function standing(body: ControlAnswer["body"]): string {
  const inside = body["state"];
  const state = (typeof inside === "object" && inside !== null ? inside : body) as Record<
    string,
    unknown
  >;
  const policy = state["policy"] as { state?: string; detail?: string } | undefined;
  const killed = state["killed"] as { routerAcknowledged?: boolean } | null | undefined;
  const detail = policy?.detail === "" || policy?.detail === undefined ? "" : ` (${policy.detail})`;
  const router =
    killed === null || killed === undefined
      ? ""
      : `; the router ${killed.routerAcknowledged === true ? "holds it too" : "has NOT acknowledged it yet"}`;
  return `${policy?.state ?? "?"}${detail}${router}; ${String(state["nonTerminal"] ?? "?")} orders not terminal`;
}

/** `hft risk …`: limits, halt, kill, and who may lift them. */
export function addRisk(program: Command): void {
  const risk = program.command("risk").description("limits, halt and kill of a running cluster");

  addAsk(risk.command("show").description("policy, kill and the limits in force"))
    .addHelpText("after", "\nExample: ./hft risk show --run-dir var/run/last --as ann")
    .action(async (options: AskOptions) => {
      const state = await get("gateway", "/state", options);
      if (state.status !== 200) {
        show(state, options, standing);
        return;
      }
      const limits = await get("gateway", "/limits", options);
      const both = { status: limits.status, body: { ...limits.body, state: state.body } };
      show(both, options, (body) =>
        [
          standing(state.body),
          `limits version ${String(body["version"])}`,
          ...limitLines(body["limits"]),
        ].join("\n"),
      );
    });

  addAsk(risk.command("set").description("change one limit: one person to tighten, two to loosen"))
    .argument("<limit>", "as risk show names it")
    .argument("<value>", "a whole number in the limit's own unit")
    .option("--reason <text>", "why", "")
    .addHelpText(
      "after",
      "\nExample: ./hft risk set strategy.1.messages_max 50 --reason calmer --as ann",
    )
    .action(async (limit: string, value: string, options: AskOptions & { reason: string }) => {
      const body = { limit, value: whole("value", value), reason: options.reason };
      const answer = await post("gateway", "/control/limits", body, options);
      show(
        answer,
        options,
        (done) =>
          `${limit}: ${String(done["old"])} -> ${value}, limits version ${String(done["version"])}`,
      );
    });

  const acts = [
    ["halt", "no new risk; cancels pass"],
    ["resume", "end halt and drain"],
    ["cancel-all", "cancel every live order"],
    ["drain", "refuse new orders and cancel all"],
  ] as const;
  for (const [name, what] of acts) {
    addAsk(risk.command(name).description(what))
      .option("--reason <text>", "why", "")
      .addHelpText("after", `\nExample: ./hft risk ${name} --reason "spread looks wrong" --as ann`)
      .action(async (options: AskOptions & { reason: string }) => {
        const { reason } = options;
        show(await post("gateway", `/control/${name}`, { reason }, options), options, standing);
      });
  }

  const via = () =>
    new Option("--via <path>", "which of the three hands on the switch")
      .choices(["gateway", "router-file", "monitor"])
      .default("gateway");
  addAsk(risk.command("kill").description("latched: no new order leaves, everything is cancelled"))
    .option("--reason <text>", "why", "")
    .addOption(via())
    .addHelpText(
      "after",
      "\nExample: ./hft risk kill --reason runaway --as ann\n         ./hft risk kill --via router-file --run-dir var/run/last",
    )
    .action(async (options: AskOptions & { reason: string; via: string }) => {
      const { reason } = options;
      if (options.via === "router-file") {
        const { killByFile } = await import("../control/kill-file.ts");
        const path = killByFile(resolve(options.runDir), reason);
        process.stdout.write(
          options.json ? `${JSON.stringify({ ok: true, path })}\n` : `${path} is made\n`,
        );
        return;
      }
      if (options.via === "monitor") {
        show(await post("monitor", "/kill", { reason }, options), options, () => "latched");
        return;
      }
      show(await post("gateway", "/control/kill", { reason }, options), options, standing);
    });
  addAsk(
    risk
      .command("unkill")
      .description("lift a kill; two different principals, one after the other"),
  )
    .option("--reason <text>", "why", "")
    .addOption(
      new Option("--via <path>", "whose kill").choices(["gateway", "monitor"]).default("gateway"),
    )
    .addHelpText("after", "\nExample: ./hft risk unkill --as ann; ./hft risk unkill --as bob")
    .action(async (options: AskOptions & { reason: string; via: string }) => {
      const { reason } = options;
      if (options.via === "monitor") {
        show(await post("monitor", "/unkill", { reason }, options), options, () => "lifted");
        return;
      }
      show(await post("gateway", "/control/unkill", { reason }, options), options, standing);
    });

  const ofStrategy = [
    ["quarantine", "none of a strategy's new orders"],
    ["rearm", "end a strategy's quarantine: a person has looked"],
  ] as const;
  for (const [name, what] of ofStrategy) {
    addAsk(risk.command(name).description(what))
      .argument("<strategy>", "its number")
      .option("--reason <text>", "why", "")
      .addHelpText("after", `\nExample: ./hft risk ${name} 1 --reason "too many rejects" --as ann`)
      .action(async (strategy: string, options: AskOptions & { reason: string }) => {
        const body = { strategy: whole("strategy", strategy), reason: options.reason };
        show(await post("gateway", `/control/${name}`, body, options), options, standing);
      });
  }
  const ofInstrument = [
    ["freeze", "no new orders in an instrument"],
    ["thaw", "new orders in an instrument again; two persons"],
    ["restrict", "put an instrument on the restricted list"],
    ["allow", "take an instrument off it; two persons"],
  ] as const;
  for (const [name, what] of ofInstrument) {
    addAsk(risk.command(name).description(what))
      .argument("<instrument>", "its number in the instrument table")
      .option("--reason <text>", "why", "")
      .addHelpText(
        "after",
        `\nExample: ./hft risk ${name} 2 --reason "halted at the venue" --as ann`,
      )
      .action(async (instrument: string, options: AskOptions & { reason: string }) => {
        const body = { instrument: whole("instrument", instrument), reason: options.reason };
        show(await post("gateway", `/control/${name}`, body, options), options, standing);
      });
  }

  addAsk(risk.command("audit").description("check the audit trail of a service and print its end"))
    .option("--file <path>", "the trail (default: audit/gateway.ndjson of the run directory)")
    .option("--last <n>", "records to print", "20")
    .addHelpText("after", "\nExample: ./hft risk audit --run-dir var/run/last --last 5")
    .action(async (options: AskOptions & { file?: string; last: string }) => {
      const { auditShown } = await import("../control/audit.ts");
      process.exitCode = auditShown(options, whole("--last", options.last)) ? 0 : 1;
    });
}
