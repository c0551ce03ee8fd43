import { enableCompileCache } from "node:module";

enableCompileCache();
const [{ runHotService }, { gateway }] = await Promise.all([
  import("@tidegate/service-kit"),
  import("./service.ts"),
]);
await runHotService(gateway);
