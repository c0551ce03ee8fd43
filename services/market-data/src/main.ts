import { enableCompileCache } from "node:module";

enableCompileCache();
const [{ runHotService }, { marketData }] = await Promise.all([
  import("@tidegate/service-kit"),
  import("./service.ts"),
]);
await runHotService(marketData());
