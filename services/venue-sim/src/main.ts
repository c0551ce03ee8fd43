import { enableCompileCache } from "node:module";

enableCompileCache();
const { runVenueSim } = await import("./shell.ts");
await runVenueSim();
