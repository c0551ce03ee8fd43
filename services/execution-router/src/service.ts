import type { HotServiceSpec } from "@tidegate/service-kit";
import { fixVenue, loopConfig, Settings, tradedVenues } from "./config.ts";
import { Errands } from "./errands.ts";

/** The execution-router as the kit runs it: a hot loop, and a shell that runs its errands over REST. */
export function createRouter(): HotServiceSpec<typeof Settings> {
  let errands: Errands | undefined;
  return {
    name: "execution-router",
    kind: "execution-router",
    schema: Settings,
    engineConfig: ({ config }) => loopConfig(config, tradedVenues(config), fixVenue(config)),
    ready: (stats) => stats["state"] === "UP",
    attach({ config, http, log }, engine) {
      const made = new Errands(tradedVenues(config), engine.call, (level, msg, fields) =>
        log[level](fields, msg),
      );
      errands = made;
      made.keepAlive(config.deadManMs, () => {
        const { state, gateway } = engine.stats();
        return state === "UP" && gateway === "SYNCED";
      });
      // The second hand on the same switch: no file system, no network, one system call of whoever may signal.
      const onSignal = (): void => {
        engine.call({ op: "kill", principal: "signal", reason: "SIGUSR2" }).catch((error) => {
          log.error(
            { err: error },
            "the kill by signal did not reach the loop; make the kill file",
          );
        });
      };
      process.on("SIGUSR2", onSignal);
      http.get("/unfinished", () => engine.call({ op: "unfinished" }));
      http.get("/orphans", () => engine.call({ op: "orphans" }));
      return async () => {
        process.off("SIGUSR2", onSignal);
        await made.stop();
      };
    },
    onEvent(event) {
      errands?.onEvent(event);
    },
  };
}

export const executionRouter = createRouter();
