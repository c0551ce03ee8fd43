import type { HotServiceSpec } from "@tidegate/service-kit";
import {
  alpacaVenue,
  fixVenue,
  loopConfig,
  Settings,
  shioajiVenue,
  tradedVenues,
} from "./config.ts";
import { Errands } from "./errands.ts";
import { checkMode } from "./mode.ts";

/** Between two looks that somebody else asks for, ms: each costs a question of every open order. */
const LOOK_AGAIN_MS = 500;

/** The execution-router as the kit runs it: a hot loop, and a shell that runs its errands over REST. */
export function createRouter(): HotServiceSpec<typeof Settings> {
  let errands: Errands | undefined;
  return {
    name: "execution-router",
    kind: "execution-router",
    schema: Settings,
    engineConfig: ({ config }) => {
      checkMode(config, Date.now());
      return loopConfig(config, tradedVenues(config), {
        fix: fixVenue(config),
        alpaca: alpacaVenue(config),
        shioaji: shioajiVenue(config),
      });
    },
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
      // It takes no risk: every open order is asked for, within the budget of questions.
      const looked = new Map<number, number>();
      http.post<{ Body: { venueId?: unknown } | null }>("/look-again", (request, reply) => {
        const venueId = request.body?.venueId;
        const own = [fixVenue, alpacaVenue, shioajiVenue].flatMap((of) => of(config) ?? []);
        const all = [...tradedVenues(config), ...own];
        const known = all.find((venue) => venue.venueId === venueId);
        if (known === undefined)
          return reply.code(400).send({ error: "want the venueId of a venue that is traded" });
        const now = performance.now();
        if (now - (looked.get(known.venueId) ?? -LOOK_AGAIN_MS) < LOOK_AGAIN_MS)
          return reply.code(429).send({ error: `asked within ${LOOK_AGAIN_MS} ms` });
        looked.set(known.venueId, now);
        return engine.call({ op: "look_again", venueId });
      });
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
