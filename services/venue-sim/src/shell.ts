/** venue-sim as a process: what the kit starts, asks and stops. */

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runService, ServiceFault } from "@tidegate/service-kit";
import { Settings, type VenueSimConfig } from "./config.ts";
import { Feeds } from "./feeds/index.ts";
import { readScenario } from "./feeds/scenario.ts";
import { VENUES } from "./feeds/switches.ts";
import { newRustMarket } from "./rust-market.ts";
import { startVenueSim, systemClock, type VenueSim } from "./service.ts";

/** The market-data skins, where they are wanted; what they need to be reached lies in `feeds.json`. */
async function startFeeds(
  config: VenueSimConfig,
  onError: (error: unknown) => void,
): Promise<Feeds | null> {
  if (!config.feeds) return null;
  const { feedsSeed, feedsScale, feedsShioajiSocket, feedsScenario } = config;
  const feeds = await Feeds.start({
    seed: feedsSeed,
    scale: feedsScale,
    samples: config.feedsSamples,
    controlPort: config.feedsControlPort,
    tls: config.feedsTls ? VENUES : [],
    ...(feedsShioajiSocket === undefined ? {} : { shioajiSocket: feedsShioajiSocket }),
    ...(feedsScenario === undefined ? {} : { scenario: readScenario(feedsScenario) }),
    onError,
  });
  const ports = Object.fromEntries(VENUES.map((venue) => [venue, feeds.port(venue)]));
  if (feeds.certificates !== null)
    writeFileSync(join(config.venueDir, "ca.pem"), feeds.certificates.ca);
  writeWhole(join(config.venueDir, "feeds.json"), { control: feeds.controlPort, ports });
  return feeds;
}

function writeWhole(path: string, body: unknown): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(body)}\n`);
  renameSync(`${path}.new`, path);
}

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
      let feeds: Feeds | null;
      try {
        venue = await startVenueSim(config, {
          clock: systemClock,
          newMarket: newRustMarket,
          onFatal,
          log: (level, msg, fields) => log[level](fields, msg),
        });
        feeds = await startFeeds(config, onFatal);
      } catch (error) {
        // Everything that keeps the venue from starting is the world's: a file, a port, an old run folder, the addon.
        throw new ServiceFault(error instanceof Error ? error.message : String(error), {
          cause: error,
        });
      }
      const { port: venuePort, alpacaPort } = venue;
      const ports = alpacaPort === null ? { venuePort } : { venuePort, alpacaPort };
      writeWhole(join(config.venueDir, "port.json"), ports);
      log.info(ports, "the venue is open");
      return {
        ready: () => {
          if (failure !== "") return { ready: false, state: "FAILED" };
          return venue.synced
            ? { ready: true, state: "RUNNING" }
            : { ready: false, state: "SYNCING" };
        },
        stats: () => (feeds === null ? venue.stats() : { ...venue.stats(), feeds: feeds.stats() }),
        async drain() {
          venue.drain();
        },
        async stop() {
          await feeds?.[Symbol.asyncDispose]();
          await venue[Symbol.asyncDispose]();
        },
      };
    },
  });
}
