import { runHotService } from "@tidegate/service-kit";
import { spec } from "./service.ts";

await runHotService(spec);
