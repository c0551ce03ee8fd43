/** The addon by module: thin typed wrappers, loaded on first use. */
export * from "./audit.ts";
export * from "./backtest.ts";
export * from "./engine.ts";
export * from "./features.ts";
export * from "./fix.ts";
export * from "./link.ts";
export * from "./matching.ts";
export { ADDON_PATH, AddonError } from "./native.ts";
export * from "./projection.ts";
export * from "./replay.ts";
export * from "./strategy.ts";
export * from "./wal.ts";
export * from "./wire.ts";
