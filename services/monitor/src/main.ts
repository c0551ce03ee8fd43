import { runService } from "@tidegate/service-kit";
import { Settings } from "./config.ts";
import { start } from "./service.ts";

await runService({ name: "monitor", schema: Settings, start });
