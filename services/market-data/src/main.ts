import { runHotService } from "@tidegate/service-kit";
import { marketData } from "./service.ts";

await runHotService(marketData());
