import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { UsageError } from "../sim/options.ts";
import { type AskOptions, addAsk, get, show } from "./risk.ts";

const TABLE = "the instrument table that names and scales what is shown";

interface DeskOptions extends AskOptions {
  readonly instruments: string;
}

/** An answer of the gateway and the table; null when it refused, which is then said. */
async function asked(path: string, options: DeskOptions) {
  const { readShown } = await import("../desk/desk.ts");
  const file = resolve(options.instruments);
  if (!existsSync(file)) throw new UsageError(`--instruments ${file}: there is no such file`);
  const shown = readShown(readFileSync(file, "utf8"));
  const answer = await get("gateway", path, options);
  if (answer.status === 200) return { body: answer.body, shown };
  show(answer, options, () => "");
  return null;
}

function print(json: true | undefined, body: object, text: () => string): void {
  process.stdout.write(`${json === true ? JSON.stringify(body) : text()}\n`);
}

/** Longest wait for the router's page, ms. */
const ANSWER_MS_MAX = 5_000;

async function routerHealth(runDir: string): Promise<unknown> {
  const file = join(resolve(runDir), "state/execution-router.json");
  if (!existsSync(file))
    throw new UsageError(
      `${file}: no execution-router runs here; name the run directory of the cluster with --run-dir, or start it`,
    );
  const { httpPort } = JSON.parse(readFileSync(file, "utf8")) as { httpPort: number };
  const url = `http://127.0.0.1:${httpPort}/health`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return await answer.json();
  } catch (error) {
    throw new Error(
      `${url}: nothing answers (${(error as Error).message}); the router that ${file} tells of has ended`,
    );
  }
}

/** `hft orders`, `hft positions`, `hft venue`: what a desk looks at, out of the running cluster. */
export function addDesk(program: Command, root: string): void {
  const instruments = join(root, "config/instruments.json");

  addAsk(program.command("orders").description("open orders of a running cluster"))
    .option("--instruments <file>", TABLE, instruments)
    .addHelpText("after", "\nExample: ./hft orders --run-dir var/run/last --as ann")
    .action(async (options: DeskOptions) => {
      const found = await asked("/orders", options);
      if (found === null) return;
      const { columns, orderRows, readOrders } = await import("../desk/desk.ts");
      const orders = orderRows(readOrders(found.body), found.shown);
      print(options.json, { ok: true, orders }, () =>
        orders.length === 0
          ? "no open order"
          : columns(
              [
                ["strategy", (row) => row.strategyId, true],
                ["instrument", (row) => row.instrument],
                ["side", (row) => row.side],
                ["price", (row) => row.px, true],
                ["size", (row) => row.qty, true],
                ["filled", (row) => row.filled, true],
                ["state", (row) => row.state],
                ["order", (row) => row.clientOrderId],
                ["note", (row) => row.note],
              ],
              orders,
            ),
      );
    });

  addAsk(
    program.command("positions").description("positions of a running cluster with their profit"),
  )
    .option("--instruments <file>", TABLE, instruments)
    .option("--all", "those that are flat too")
    .addHelpText("after", "\nExample: ./hft positions --run-dir var/run/last --as ann")
    .action(async (options: DeskOptions & { all?: true }) => {
      const found = await asked("/state", options);
      if (found === null) return;
      const { columns, positionRows, readPositions } = await import("../desk/desk.ts");
      const state = readPositions(found.body);
      const positions = positionRows(state, found.shown, options.all ?? false);
      print(options.json, { ok: true, policy: state.policy.state, positions }, () =>
        positions.length === 0
          ? "flat, with no open order"
          : columns(
              [
                ["account", (row) => row.accountId, true],
                ["strategy", (row) => row.strategyId, true],
                ["instrument", (row) => row.instrument],
                ["position", (row) => row.position, true],
                ["average", (row) => row.averagePx, true],
                ["reference", (row) => row.reference, true],
                ["realised", (row) => row.realised, true],
                ["unrealised", (row) => row.unrealised ?? "–", true],
                ["profit", (row) => row.pnl ?? "–", true],
                ["in", (row) => row.quote],
                ["buying", (row) => row.buyLeaves, true],
                ["selling", (row) => row.sellLeaves, true],
              ],
              positions,
            ),
      );
    });

  program
    .command("venue")
    .description(
      "each venue's link, rate budget and breakers, as the execution-router has them; exit 1 when one is not up",
    )
    .option("--run-dir <folder>", "the run directory of the cluster", ".")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft venue --run-dir var/run/last")
    .action(async (options: { runDir: string; json?: true }) => {
      const { columns, venueRows } = await import("../desk/desk.ts");
      const { rows, breakers, gateway, killed } = venueRows(await routerHealth(options.runDir));
      const open = Object.entries(breakers);
      const ok =
        rows.length > 0 && rows.every(({ link }) => link === "UP") && open.length === 0 && !killed;
      print(options.json, { ok, gateway, killed, venues: rows, breakers }, () =>
        [
          columns(
            [
              ["venue", (row) => row.venue],
              ["link", (row) => row.link],
              ["opened", (row) => row.opens, true],
              ["failures", (row) => row.failures, true],
              ["orders used", (row) => row.orders, true],
              ["weight used", (row) => row.weight, true],
              ["quiet for ms", (row) => row.blockedMs, true],
              ["last fault", (row) => row.lastFault],
            ],
            rows,
          ),
          open.length === 0
            ? "every breaker is closed"
            : `breakers: ${open.map(([name, state]) => `${name} ${state}`).join(", ")}`,
          `gateway ${gateway}${killed ? "; KILLED: no new order leaves" : ""}`,
        ].join("\n"),
      );
      process.exitCode = ok ? 0 : 1;
    });
}
