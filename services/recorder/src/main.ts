import { enableCompileCache } from "node:module";

enableCompileCache();
const [{ runHotService }, { recorder }] = await Promise.all([
  import("@tidegate/service-kit"),
  import("./service.ts"),
]);
await runHotService(recorder);
