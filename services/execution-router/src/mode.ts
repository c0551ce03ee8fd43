/** What a router may be given the keys of: a simulated venue alone, or a real one. */

import { ServiceFault } from "@tidegate/service-kit";
import { checkGoLive, fileHash, readPrincipals } from "@tidegate/service-kit/control";
import { type RouterConfig, venueKeys } from "./config.ts";

/**
 * Keys of this form belong to simulated venues; no real venue gives them out, so none takes an order signed with one. Where a
 * URL leads cannot be told from its text: TLS to a real venue goes through a proxy on the loopback.
 */
export const MADE_UP_KEY = /^(sim|paper)(-|$)/;

/**
 * Holds the keys, and for paper the venues, against the mode.
 *
 * Errors  `ServiceFault`: a key of a real venue outside live, a made-up one in it, a venue that paper has not, or live without a
 *         signed report that says GO
 */
export function checkMode(config: RouterConfig, nowMs: number): void {
  const { mode, keysFile } = config;
  if (mode === "paper") {
    // Their daemon or session trades for whoever reaches it: a key would prove nothing.
    for (const name of ["shioajiUrl", "fixUrl"] as const) {
      if (config[name] !== undefined)
        throw new ServiceFault(
          `${name} is set in mode paper, which knows Binance and Alpaca; unset it`,
        );
    }
  }
  for (const [venue, { apiKey }] of venueKeys(config)) {
    const madeUp = MADE_UP_KEY.test(apiKey);
    if (mode !== "live" && !madeUp)
      throw new ServiceFault(
        `${keysFile} has a key of ${venue} that is not made up, and the mode is ${mode}: nothing may be sent to a real venue; give a key that begins with sim- or paper-, or set mode live`,
      );
    if (mode === "live" && madeUp)
      throw new ServiceFault(
        `${keysFile} has a made-up key of ${venue}, and the mode is live; give the venue's own key`,
      );
  }
  if (mode === "live") checkGate(config, nowMs);
}

/** The gate of live trading: sessions were rehearsed on these instruments, and a person has answered for it. */
function checkGate(
  { goLiveFile, principalsFile, instrumentsFile }: RouterConfig,
  nowMs: number,
): void {
  if (goLiveFile === undefined)
    throw new ServiceFault(
      "mode live also needs goLiveFile: run hft soak paper, and have its report signed with hft golive sign",
    );
  const { report } = checkGoLive(goLiveFile, readPrincipals(principalsFile), nowMs);
  if (report.figures.hashes.instruments !== fileHash(instrumentsFile))
    throw new ServiceFault(
      `${goLiveFile} is of another instrument table than ${instrumentsFile}; soak with this one and have it signed`,
    );
}
