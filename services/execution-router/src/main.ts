import { enableCompileCache } from "node:module";

enableCompileCache();
const [{ runHotService }, { executionRouter }] = await Promise.all([
  import("@tidegate/service-kit"),
  import("./service.ts"),
]);
await runHotService(executionRouter);
