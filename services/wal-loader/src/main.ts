import { enableCompileCache } from "node:module";

enableCompileCache();
const { runWalLoader } = await import("./service.ts");
await runWalLoader();
