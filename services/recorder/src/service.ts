/** The process around the recorder's hot loop: settings and health. */

import type { HotServiceSpec } from "@tidegate/service-kit";
import { loopConfig, Settings } from "./config.ts";

/** The service: ready while the gateway's journal is followed and the disk takes market data. */
export const recorder: HotServiceSpec<typeof Settings> = {
  name: "recorder",
  kind: "recorder",
  schema: Settings,
  engineConfig: ({ config }) => loopConfig(config),
  ready: (stats) =>
    stats["state"] === "RUNNING" && (stats["disk"] === "OK" || stats["disk"] === "WARN"),
};
