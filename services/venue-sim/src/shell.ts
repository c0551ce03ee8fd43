/** venue-sim as a process: what the kit starts, asks and stops. */

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runService, ServiceFault } from "@tidegate/service-kit";
import { Settings } from "./config.ts";
import { newRustMarket } from "./rust-market.ts";
import { startVenueSim, systemClock, type VenueSim } from "./service.ts";

/** Runs the venue for the life of the process. */
export function runVenueSim(): Promise<void> {
  return runService({
    name: "venue-sim",
    schema: Settings,
    async start({ config, log, fail }) {
      let failure = "";
      const onFatal = (error: unknown): void => {
        failure = error instanceof Error ? error.message : String(error);
        fail(new ServiceFault(`the venue cannot go on: ${failure}`, { cause: error }));
      };
      let venue: VenueSim;
      try {
        venue = await startVenueSim(config, {
          clock: systemClock,
          newMarket: newRustMarket,
          onFatal,
          log: (level, msg, fields) => log[level](fields, msg),
        });
      } catch (error) {
        // Everything that keeps the venue from starting is the world's: a file, a port, an old run folder, the addon.
        throw new ServiceFault(error instanceof Error ? error.message : String(error), {
          cause: error,
        });
      }
      const portFile = join(config.venueDir, "port.json");
      writeFileSync(`${portFile}.new`, `{"venuePort":${venue.port}}\n`);
      renameSync(`${portFile}.new`, portFile);
      log.info({ venuePort: venue.port }, "the venue is open");
      return {
        ready: () => ({ ready: failure === "", state: failure === "" ? "RUNNING" : "FAILED" }),
        stats: () => venue.stats(),
        async drain() {
          venue.drain();
        },
        async stop() {
          await venue[Symbol.asyncDispose]();
        },
      };
    },
  });
}
