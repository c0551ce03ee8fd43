import type { HotServiceSpec } from "@tidegate/service-kit";
import { loopConfig, Settings, tradedVenues } from "./config.ts";
import { Errands } from "./errands.ts";

/** The execution-router as the kit runs it: a hot loop, and a shell that runs its errands over REST. */
export function createRouter(): HotServiceSpec<typeof Settings> {
  let errands: Errands | undefined;
  return {
    name: "execution-router",
    kind: "execution-router",
    schema: Settings,
    engineConfig: ({ config }) => loopConfig(config, tradedVenues(config)),
    ready: (stats) => stats["state"] === "UP",
    attach({ config, http, log }, engine) {
      errands = new Errands(tradedVenues(config), engine.call, (level, msg, fields) =>
        log[level](fields, msg),
      );
      http.get("/unfinished", () => engine.call({ op: "unfinished" }));
      return () => errands?.stop();
    },
    onEvent(event) {
      errands?.onEvent(event);
    },
  };
}

export const executionRouter = createRouter();
