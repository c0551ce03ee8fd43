/** strategy-runner as a process: what the kit starts, asks and stops. */

import { runService, ServiceFault, spanOfJson } from "@tidegate/service-kit";
import { Settings } from "./config.ts";
import { type StrategyRunner, startStrategyRunner } from "./service.ts";

/** Runs the strategies for the life of the process. */
export function runStrategyRunner(): Promise<void> {
  let running: StrategyRunner | null = null;
  // Heard for the life of the process: one that comes before the start or in the drain must not end it, as it would by default.
  process.on("SIGHUP", () => void running?.reload());
  return runService({
    name: "strategy-runner",
    schema: Settings,
    async start({ config, log, tracer }) {
      let runner: StrategyRunner;
      try {
        runner = await startStrategyRunner(config, {
          stateDir: config.stateDir,
          log: (level, msg, fields) => log[level](fields, msg),
          onSpans(spans) {
            for (const json of spans) {
              const span = spanOfJson(json);
              if (span !== null) tracer.record(span);
            }
          },
        });
      } catch (error) {
        // A strategy file, its params, the instrument table, an epoch file: the operator's to mend.
        throw new ServiceFault(error instanceof Error ? error.message : String(error), {
          cause: error,
        });
      }
      running = runner;
      const end = async (): Promise<void> => {
        running = null;
        await runner[Symbol.asyncDispose]();
      };
      return {
        ready: () => ({ ready: runner.ready, state: runner.state }),
        stats: () => runner.stats(),
        // The cancels of a stop are sent by the workers: they stop in the drain, while the gateway still answers.
        drain: end,
        stop: end,
      };
    },
  });
}
