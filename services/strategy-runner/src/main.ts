import { enableCompileCache } from "node:module";

enableCompileCache();
const { runStrategyRunner } = await import("./shell.ts");
await runStrategyRunner();
